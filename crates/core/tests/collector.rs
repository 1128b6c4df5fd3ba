//! Waiting for events: woken, by signals, and never for long without cause.

mod common;

use std::time::{Duration, Instant};

use asyncfd_core::collector::Buffer;
use asyncfd_core::interest::{READABLE, WRITABLE};
use asyncfd_core::{error::Error, probe};
use common::{Harness, pipe, put, socketpair};
use rustix::io::Errno;
use std::os::fd::AsRawFd;

#[test]
fn a_wake_before_or_during_the_wait_ends_it_each_time() {
    let h = Harness::new(false);
    let collector = h.reactor.collector().clone();
    let (begun, begins) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn({
        let collector = collector.clone();
        move || {
            for _ in 0..100 {
                let (mut buffer, mut events) = (Buffer::default(), Vec::new());
                begun.send(()).unwrap();
                collector.collect(&mut buffer, &mut events, None).unwrap();
                assert!(events.is_empty(), "the wake-up is not an event");
            }
        }
    });
    for _ in 0..100 {
        begins.recv_timeout(Duration::from_secs(20)).expect("a wake-up was lost");
        collector.wake();
    }
    waiting.join().unwrap();
}

#[test]
fn registering_while_another_thread_waits_wakes_it() {
    let mut h = Harness::new(false);
    let collector = h.reactor.collector().clone();
    let (read, write) = pipe();
    put(&write, b"x");
    let waiting = std::thread::spawn(move || {
        let (mut buffer, mut events) = (Buffer::default(), Vec::new());
        collector.collect(&mut buffer, &mut events, None).unwrap();
        events
    });
    let key = h.register(&read, READABLE).unwrap().key;
    let events = waiting.join().unwrap();
    assert_eq!((events.len(), events[0].key, events[0].bits), (1, key, READABLE));
}

#[test]
fn registering_what_is_ready_is_one_event_though_another_thread_waits() {
    const PAIRS: usize = 100;
    let mut h = Harness::new(false);
    let collector = h.reactor.collector().clone();
    let (seen, sees) = std::sync::mpsc::channel();
    let (done, is_done) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn({
        let collector = collector.clone();
        move || {
            let (mut buffer, mut all) = (Buffer::default(), 0);
            loop {
                let mut events = Vec::new();
                collector.collect(&mut buffer, &mut events, None).unwrap();
                all += events.len();
                if is_done.try_recv().is_ok() {
                    return all;
                }
                seen.send(()).unwrap();
            }
        }
    });
    let pairs: Vec<_> = (0..PAIRS).map(|_| socketpair()).collect();
    for (one, _) in &pairs {
        h.register(one, READABLE | WRITABLE).unwrap();
        sees.recv_timeout(Duration::from_secs(20)).expect("an event was lost");
    }
    done.send(()).unwrap();
    collector.wake();
    assert_eq!(waiting.join().unwrap(), PAIRS, "a second one would be told when it is past");
}

#[test]
fn a_probe_is_never_early_and_says_what_is_ready() {
    let (read, write) = pipe();
    for ms in [0.3, 1.0, 7.5, 20.0] {
        let wait = Duration::from_secs_f64(ms / 1000.0);
        let begun = Instant::now();
        assert_eq!(probe::wait(read.as_raw_fd(), READABLE, Some(wait)), Ok(0));
        assert!(begun.elapsed() >= wait, "{ms} ms took {:?}", begun.elapsed());
    }
    assert_eq!(probe::wait(write.as_raw_fd(), WRITABLE, Some(Duration::MAX)), Ok(WRITABLE));
    put(&write, b"x");
    assert_eq!(probe::wait(read.as_raw_fd(), READABLE, None), Ok(READABLE));
}

#[test]
fn a_probe_of_no_descriptor_says_so() {
    let expected: Result<u32, Error> = Err(Errno::BADF);
    assert_eq!(probe::wait(-1, READABLE, Some(Duration::ZERO)), expected);
    assert_eq!(probe::wait(999_999, READABLE, Some(Duration::ZERO)), expected);
}
