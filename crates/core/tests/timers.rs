//! Timers by their words, on a clock that stands still and on the kernel's.

use std::cell::Cell;

use asyncfd_core::clock::Clock;
use asyncfd_core::timers::{AFTER, AT, EXPIRED, IDLE, NOTED, STATE, STRIDE, TIME, TimerWords, Timers};
use asyncfd_core::wheel::Progress;

struct Harness {
    timers: Timers,
    words: Vec<Cell<u32>>,
}

impl Harness {
    /// Room for eight timers, stopped at `now_ms`.
    fn stopped(now_ms: f64) -> Self {
        let mut timers = Timers::new(now_ms);
        timers.pause(Some(now_ms));
        Harness { timers, words: vec![Cell::new(0); 8 * STRIDE] }
    }

    fn word(&self, id: u32, word: usize) -> &Cell<u32> {
        &self.words[id as usize * STRIDE + word]
    }

    fn time(&self, id: u32) -> f64 {
        let [first, second] = [0, 1].map(|half| self.word(id, TIME + half).get().to_ne_bytes());
        f64::from_ne_bytes([first, second].concat().try_into().unwrap())
    }

    fn submit(&mut self, id: u32, state: u32, time: f64) {
        let bits = time.to_ne_bytes();
        for half in 0..2 {
            let bytes = bits[half * 4..half * 4 + 4].try_into().unwrap();
            self.word(id, TIME + half).set(u32::from_ne_bytes(bytes));
        }
        self.word(id, STATE).set(state);
        self.timers.drain(TimerWords::new(&self.words), [id].into_iter());
    }

    fn expire_at(&mut self, ms: f64) -> Vec<u32> {
        self.timers.pause(Some(ms));
        let mut fired = Vec::new();
        let words = TimerWords::new(&self.words);
        let progress = self.timers.expire(words, usize::MAX, |id| fired.push(id));
        assert_eq!(progress, Progress::Done);
        fired
    }
}

#[test]
fn a_duration_counts_from_the_drain_and_an_instant_from_zero() {
    let mut h = Harness::stopped(1000.0);
    h.submit(0, AFTER, 5.0);
    h.submit(1, AT, 1004.0);
    assert_eq!(h.timers.len(), 2);
    assert_eq!(h.expire_at(1003.9375), []);
    assert_eq!(h.expire_at(1004.0), [1]);
    assert_eq!(h.expire_at(1005.0), [0]);
    assert_eq!([h.word(0, STATE).get(), h.word(1, STATE).get()], [EXPIRED; 2]);
    assert!(h.timers.is_empty());
}

#[test]
fn a_duration_that_is_noted_becomes_the_instant_at_which_it_fires() {
    let mut h = Harness::stopped(1000.25);
    h.submit(0, NOTED, 5.0);
    assert_eq!((h.word(0, STATE).get(), h.time(0)), (AT, 1005.25));
    assert_eq!(h.expire_at(1004.0), []);
    h.submit(0, NOTED, 2.0);
    assert_eq!(h.time(0), 1006.0);
    assert_eq!(h.expire_at(1005.25), []);
    assert_eq!(h.expire_at(1006.0), [0]);
    assert_eq!((h.word(0, STATE).get(), h.time(0)), (EXPIRED, 1006.0));
    h.submit(1, NOTED, f64::INFINITY);
    assert_eq!((h.word(1, STATE).get(), h.time(1)), (AT, f64::INFINITY));
}

#[test]
fn a_cancel_that_waits_in_the_ring_wins_over_the_expiry() {
    let mut h = Harness::stopped(0.0);
    h.submit(3, AFTER, 1.0);
    h.word(3, STATE).set(IDLE);
    assert_eq!(h.expire_at(9.0), []);
    assert_eq!(h.word(3, STATE).get(), IDLE);
}

#[test]
fn numbers_without_words_and_times_that_are_none_do_no_harm() {
    let mut h = Harness::stopped(50.0);
    h.timers.drain(TimerWords::new(&h.words), [8, 4000, u32::MAX].into_iter());
    assert!(h.timers.is_empty());
    for (id, time) in [(0, f64::NAN), (1, f64::NEG_INFINITY), (2, -1.0)] {
        h.submit(id, AT, time);
    }
    h.submit(3, AT, f64::INFINITY);
    h.submit(4, AFTER, f64::MAX);
    assert_eq!(h.expire_at(50.0), [0, 1, 2], "the past is due at once");
    assert_eq!(h.expire_at(1e12), []);
    assert_eq!(h.timers.len(), 2);
}

#[test]
fn the_alarm_is_set_once_and_again_only_for_what_is_earlier() {
    let mut timers = Timers::new(0.0);
    let words: Vec<Cell<u32>> = vec![Cell::new(0); 2 * STRIDE];
    let view = TimerWords::new(&words);
    let start = |id: usize, ms: f64| {
        let bytes = ms.to_ne_bytes();
        words[id * STRIDE].set(u32::from_ne_bytes(bytes[..4].try_into().unwrap()));
        words[id * STRIDE + 1].set(u32::from_ne_bytes(bytes[4..].try_into().unwrap()));
        words[id * STRIDE + STATE].set(AFTER);
    };
    assert_eq!(timers.alarm(), None);
    start(0, 60_000.0);
    timers.drain(view, [0].into_iter());
    let first = timers.alarm().unwrap();
    assert_eq!(timers.alarm(), None, "set already");
    start(1, 1000.0);
    timers.drain(view, [1].into_iter());
    let second = timers.alarm().unwrap();
    assert!(second < first);
    words[STRIDE + STATE].set(IDLE);
    timers.drain(view, [1].into_iter());
    assert_eq!(timers.alarm(), None, "one that goes off too early does no harm");
    timers.alarmed();
    assert_eq!(timers.alarm(), Some(first));
}

#[test]
fn stopped_time_wakes_nobody_but_for_what_is_due() {
    let mut h = Harness::stopped(10.0);
    h.submit(0, AFTER, 1.0);
    assert_eq!(h.timers.alarm(), None);
    h.submit(1, AFTER, 0.0);
    assert_eq!(h.timers.alarm(), Some(0), "at once");
    assert_eq!(h.expire_at(10.0), [1]);
}

#[test]
fn a_clock_never_goes_back_and_runs_on_from_where_it_stands() {
    let clock = Clock::new(5.0);
    assert!(clock.now_ms() >= 5.0);
    clock.pause(Some(1000.0));
    clock.pause(Some(400.0));
    assert_eq!(clock.now_ms(), 1000.0);
    assert_eq!(clock.now(), 16_000);
    clock.pause(None);
    assert!((1000.0..60_000.0).contains(&clock.now_ms()));
    for bad in [f64::NAN, f64::INFINITY, -3.0] {
        assert!(Clock::new(bad).now_ms() >= 0.0);
    }
}

#[test]
fn ticks_are_never_early() {
    for ms in [0.0, 0.01, 1.0, 1.000_001, 0.0625, 1e9 + 0.3] {
        let tick = Clock::tick_at(ms);
        assert!(tick as f64 / 16.0 >= ms && (tick as f64 - 1.0) / 16.0 < ms);
    }
}
