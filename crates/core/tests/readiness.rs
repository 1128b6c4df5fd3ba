//! What the words say after events and clears.

mod common;

use std::os::fd::AsRawFd;

use asyncfd_core::interest::{CLOSED, ERROR, PRIORITY, READ_CLOSED, READABLE, WRITABLE, WRITE_CLOSED};
use asyncfd_core::readiness::{READ_TICK, WRITE_TICK};
use common::{Harness, drain, pipe, put, socketpair};
use proptest::prelude::*;

const EVERYTHING: u32 = u32::MAX;

#[test]
fn a_socket_is_writable_at_first_and_not_readable() {
    let (mut h, (a, _b)) = (Harness::new(false), socketpair());
    let key = h.register(&a, READABLE | WRITABLE).unwrap().key;
    assert_eq!(h.ready(key), 0, "nothing is known before the first event");
    h.turn();
    assert_eq!(h.ready(key), WRITABLE);
}

#[test]
fn an_event_nobody_waits_for_is_noted_and_wakes_nobody() {
    let (mut h, (a, _b)) = (Harness::new(false), socketpair());
    let key = h.register(&a, READABLE | WRITABLE).unwrap().key;
    h.want(key, READABLE);
    assert_eq!(h.turn(), []);
    assert_eq!((h.ready(key), h.reactor.metrics().unwanted), (WRITABLE, 1));
}

#[test]
fn ticks_are_per_direction() {
    let (mut h, (a, b)) = (Harness::new(false), socketpair());
    let key = h.register(&a, READABLE).unwrap().key;
    put(&b, b"x");
    h.turn();
    assert_eq!((h.word(key, READ_TICK).get(), h.word(key, WRITE_TICK).get()), (1, 0));
}

#[test]
fn ticks_wrap_and_still_differ() {
    let (mut h, (a, b)) = (Harness::new(false), socketpair());
    let key = h.register(&a, READABLE).unwrap().key;
    h.word(key, READ_TICK).set(u32::MAX);
    put(&b, b"x");
    h.turn();
    assert_eq!(h.word(key, READ_TICK).get(), 0);
}

#[test]
fn a_half_close_is_told_from_data_and_from_a_hang_up() {
    let (mut h, (a, b)) = (Harness::new(false), socketpair());
    let key = h.register(&a, READABLE | WRITABLE).unwrap().key;
    put(&b, b"x");
    h.turn();
    assert_eq!(h.ready(key), READABLE | WRITABLE);
    rustix::net::shutdown(&b, rustix::net::Shutdown::Write).unwrap();
    h.turn();
    assert_eq!(h.ready(key), READABLE | WRITABLE | READ_CLOSED);
    drop(b);
    h.turn();
    assert_eq!(h.ready(key) & CLOSED, CLOSED);
}

#[test]
fn the_writing_end_of_a_pipe_learns_that_its_reader_is_gone() {
    let (mut h, (read, write)) = (Harness::new(false), pipe());
    let key = h.register(&write, WRITABLE).unwrap().key;
    drop(read);
    h.turn();
    assert_eq!(h.ready(key), WRITABLE | WRITE_CLOSED | ERROR);
}

#[test]
fn a_hang_up_that_ended_is_forgotten_by_the_next_event() {
    use rustix::fs::{Mode, OFlags, mkfifoat, open};
    let path = std::env::temp_dir().join(format!("asyncfd-core-fifo-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
    let flags = OFlags::CLOEXEC | OFlags::NONBLOCK;
    let read = open(&path, OFlags::RDONLY | flags, Mode::empty()).unwrap();
    let first = open(&path, OFlags::WRONLY | flags, Mode::empty()).unwrap();
    let mut h = Harness::new(false);
    let key = h.register(&read, READABLE).unwrap().key;
    drop(first);
    h.turn();
    assert_eq!(h.ready(key) & READ_CLOSED, READ_CLOSED);
    let second = open(&path, OFlags::WRONLY | flags, Mode::empty()).unwrap();
    put(&second, b"x");
    h.turn();
    assert_eq!(h.ready(key), READABLE);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn out_of_band_data_is_priority_and_not_readable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut h = Harness::new(false);
    let key = h.register(&stream, READABLE | PRIORITY).unwrap().key;
    h.want(key, EVERYTHING);
    rustix::net::send(&peer, b"!", rustix::net::SendFlags::OOB).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut woken = h.turn();
    while woken.is_empty() && std::time::Instant::now() < deadline {
        woken = h.turn();
    }
    assert_eq!(woken, [(key, PRIORITY)]);
}

#[test]
fn oneshot_keeps_waiting_for_the_other_direction() {
    let (mut h, (a, b)) = (Harness::new(true), socketpair());
    let key = h.register(&a, READABLE | WRITABLE).unwrap().key;
    h.want(key, EVERYTHING);
    assert_eq!(h.turn(), [(key, WRITABLE)]);
    put(&b, b"x");
    assert_eq!(h.turn(), [(key, READABLE)], "the event for writing disarmed reading; it was armed again");
    put(&b, b"y");
    assert_eq!(h.turn(), [], "known readable: not armed");
    drain(&a);
    h.clear(key);
    h.rearm(key);
    assert_eq!(h.turn(), [(key, WRITABLE)]);
    put(&b, b"z");
    assert_eq!(h.turn(), [(key, READABLE)]);
}

#[test]
fn oneshot_does_not_spin_on_a_hang_up_an_error_or_a_half_close() {
    let (mut h, (read, write)) = (Harness::new(true), pipe());
    let key = h.register(&write, READABLE | WRITABLE).unwrap().key;
    drop(read);
    let (a, b) = socketpair();
    let other = h.register(&a, READABLE | WRITABLE).unwrap().key;
    rustix::net::shutdown(&b, rustix::net::Shutdown::Write).unwrap();
    h.turn();
    h.turn();
    h.turn();
    let seen = h.reactor.metrics().events;
    for _ in 0..10 {
        h.turn();
    }
    assert_eq!(h.reactor.metrics().events, seen);
    assert_eq!((h.ready(key) & ERROR, h.ready(other) & READ_CLOSED), (ERROR, READ_CLOSED));
}

#[test]
fn changing_the_interest_asks_the_kernel_again() {
    for oneshot in [false, true] {
        let (mut h, (a, b)) = (Harness::new(oneshot), socketpair());
        let key = h.register(&a, WRITABLE).unwrap().key;
        h.turn();
        put(&b, b"x");
        h.want(key, EVERYTHING);
        assert_eq!(h.turn().iter().filter(|(_, bits)| bits & READABLE != 0).count(), 0);
        h.set_interest(key, READABLE | WRITABLE).unwrap();
        assert_eq!(h.turn().iter().filter(|(_, bits)| bits & READABLE != 0).count(), 1);
    }
}

/// What happens to the reading side of a pipe, in any order.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write,
    Drain,
    ClearAfterEagain,
    Turn,
    Rearm,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::*;
    prop::collection::vec(
        prop::sample::select(vec![Write, Write, Drain, ClearAfterEagain, Turn, Turn, Rearm]),
        1..60,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: data that nobody has read since the last clear is known after a turn.
    #[test]
    fn no_wake_up_is_lost(steps in steps(), oneshot in any::<bool>()) {
        let (mut h, (read, write)) = (Harness::new(oneshot), pipe());
        let key = h.register(&read, READABLE).unwrap().key;
        h.want(key, EVERYTHING);
        let mut unread = 0;
        for step in steps {
            match step {
                Step::Write => { put(&write, b"x"); unread += 1; }
                Step::Drain => { prop_assert_eq!(drain(&read), unread); unread = 0; }
                // As a guard does it: after a real attempt, and with a oneshot backend armed again.
                Step::ClearAfterEagain => {
                    prop_assert_eq!(drain(&read), unread);
                    unread = 0;
                    h.clear(key);
                    if oneshot { h.rearm(key); }
                }
                Step::Turn => { h.turn(); }
                Step::Rearm => h.rearm(key),
            }
        }
        h.turn();
        if unread > 0 {
            prop_assert_eq!(h.ready(key) & READABLE, READABLE, "{} bytes wait in fd {}", unread, read.as_raw_fd());
        }
    }
}
