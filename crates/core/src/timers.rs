//! Timers as both sides see them: their words on the board, the wheel, and the clock that stamps them.
//!
//! | word | who writes | invariant |
//! |---|---|---|
//! | `TIME` (two words, an f64) | JS; core, of `NOTED` | milliseconds: a duration, or with `AT` an instant |
//! | `STATE` | JS; core at expiry, and of `NOTED` | see the constants |
//! | the last | JS | links those that are free |
//!
//! A start, a cancel and a refresh are writes of these; the timer is then *submitted*, and looked at in the drain: what
//! counts is what its words say then. The drain stamps the time, so no clock is read per call, and none can be stale: a
//! deadline is never before the time of the call plus the duration.

use std::cell::Cell;

use crate::clock::Clock;
use crate::wheel::{Progress, Wheel};

/// Words per timer, and the place of each. `src/board.ts` declares the same and is checked against these at start-up.
pub const STRIDE: usize = 4;
pub const TIME: usize = 0;
pub const STATE: usize = 2;

/// Not running.
pub const IDLE: u32 = 0;
/// Fires when `TIME` milliseconds have passed since the drain.
pub const AFTER: u32 = 1;
/// Fires at the instant `TIME`.
pub const AT: u32 = 2;
/// Has expired: told to JS, which runs it only if it still says so by then.
pub const EXPIRED: u32 = 3;
/// As `AFTER`; the drain makes of it an `AT` the instant at which it fires.
pub const NOTED: u32 = 4;

/// The words of all timers, borrowed for as long as no JavaScript runs.
#[derive(Clone, Copy)]
pub struct TimerWords<'a> {
    words: &'a [Cell<u32>],
}

impl<'a> TimerWords<'a> {
    pub fn new(words: &'a [Cell<u32>]) -> Self {
        TimerWords { words }
    }

    /// The words of one.
    fn of(&self, id: u32) -> Option<&'a [Cell<u32>; STRIDE]> {
        self.words.get(id as usize * STRIDE..)?.first_chunk()
    }
}

/// The places of a time's low and high half: it lies in memory as a double does.
const HALVES: [usize; 2] = if cfg!(target_endian = "little") { [TIME, TIME + 1] } else { [TIME + 1, TIME] };

fn time_ms(timer: &[Cell<u32>; STRIDE]) -> f64 {
    let [low, high] = HALVES.map(|word| u64::from(timer[word].get()));
    f64::from_bits(high << 32 | low)
}

fn set_time_ms(timer: &[Cell<u32>; STRIDE], ms: f64) {
    let (bits, [low, high]) = (ms.to_bits(), HALVES);
    timer[low].set(bits as u32);
    timer[high].set((bits >> 32) as u32);
}

pub struct Timers {
    wheel: Wheel,
    clock: Clock,
    /// The tick at which the alarm goes off, if it is set.
    armed: Option<u64>,
    /// Those that fire in one expiry; empty between two.
    due: Vec<u32>,
}

impl Timers {
    /// No timers; the clock tells `now_ms` now.
    pub fn new(now_ms: f64) -> Self {
        let clock = Clock::new(now_ms);
        Timers { wheel: Wheel::new(clock.now()), clock, armed: None, due: Vec::new() }
    }

    /// How many are pending.
    pub fn len(&self) -> usize {
        self.wheel.len()
    }

    pub fn is_empty(&self) -> bool {
        self.wheel.is_empty()
    }

    /// Does what the words of each submitted timer say. Numbers come from JavaScript: those without words are passed over.
    pub fn drain(&mut self, words: TimerWords, submitted: impl Iterator<Item = u32>) {
        if self.wheel.is_empty() {
            // Time has gone by for nobody: the wheel catches up, or it would place what starts now as from long ago.
            self.wheel.advance(self.clock.now(), &mut 0, |_| {});
        }
        let now_ms = self.clock.now_ms();
        for id in submitted {
            let Some(timer) = words.of(id) else { continue };
            let deadline_ms = match timer[STATE].get() {
                AFTER => now_ms + time_ms(timer),
                AT => time_ms(timer),
                NOTED => {
                    let instant = now_ms + time_ms(timer);
                    set_time_ms(timer, instant);
                    timer[STATE].set(AT);
                    instant
                }
                _ => {
                    self.wheel.cancel(id);
                    continue;
                }
            };
            let deadline = Clock::tick_at(deadline_ms);
            if !self.wheel.postpone(id, deadline) {
                self.wheel.start(id, deadline);
            }
        }
    }

    /// Marks what is due as expired and hands it to `fired`. At most `budget` timers fire or move.
    pub fn expire(&mut self, words: TimerWords, mut budget: usize, mut fired: impl FnMut(u32)) -> Progress {
        if self.wheel.is_empty() {
            return Progress::Done;
        }
        // Their words are looked at afterwards: those of one are then fetched while the last one's are on their way.
        let progress = self.wheel.advance(self.clock.now(), &mut budget, |id| self.due.push(id));
        for id in self.due.drain(..) {
            // A cancel that waits in the ring wins over the expiry.
            if let Some(timer) = words.of(id)
                && matches!(timer[STATE].get(), AFTER | AT)
            {
                timer[STATE].set(EXPIRED);
                fired(id);
            }
        }
        progress
    }

    /// The time, in the kernel's nanoseconds, for which the alarm has to be set now; `None` if it is set early enough, or
    /// nothing is to come.
    pub fn alarm(&mut self) -> Option<i128> {
        let next = self.wheel.next_tick()?;
        // Stopped time reaches no later tick by itself.
        if self.armed.is_some_and(|armed| armed <= next) || self.clock.is_paused() && next > self.clock.now()
        {
            return None;
        }
        self.armed = Some(next);
        // At once where time stands still: what is due then waits for a turn, and for no time.
        Some(if self.clock.is_paused() { 0 } else { self.clock.kernel_nanos(next) })
    }

    /// The alarm went off, and is not set any more.
    pub fn alarmed(&mut self) {
        self.armed = None;
    }

    /// As [`Clock::pause`]. The alarm is set anew: the kernel's time of a tick is another one afterwards.
    pub fn pause(&mut self, ms: Option<f64>) {
        self.clock.pause(ms);
        self.armed = None;
    }

    /// The time in milliseconds.
    pub fn now_ms(&self) -> f64 {
        self.clock.now_ms()
    }

    /// The instant, in milliseconds, of the next thing to do, not later than the earliest deadline.
    pub fn next_ms(&self) -> Option<f64> {
        self.wheel.next_tick().map(|tick| tick as f64 / crate::wheel::TICKS_PER_MS as f64)
    }
}
