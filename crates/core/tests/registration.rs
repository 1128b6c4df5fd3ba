//! Who owns a number, and who does not any more.

mod common;

use std::os::fd::{AsRawFd, OwnedFd};

use asyncfd_core::error::STALE;
use asyncfd_core::interest::{READABLE, WRITABLE};
use common::{Harness, drain, pipe, put};
use rustix::io::Errno;

/// Moves a descriptor to the lowest free number from `from` on: up there no other test of this process takes numbers.
fn moved(fd: OwnedFd, from: i32) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(fd, from).unwrap()
}

#[test]
fn the_same_descriptor_twice_fails_and_the_first_survives() {
    let (mut h, (read, write)) = (Harness::new(false), pipe());
    let first = h.register(&read, READABLE).unwrap().key;
    assert_eq!(h.register(&read, READABLE).unwrap_err(), Errno::EXIST);
    assert_eq!(h.reactor.len(), 1);
    h.want(first, READABLE);
    put(&write, b"x");
    assert_eq!(h.turn(), [(first, READABLE)]);
}

#[test]
fn what_cannot_be_polled_leaves_nothing_half_registered() {
    let mut h = Harness::new(false);
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    assert_eq!(h.register(&file, READABLE).unwrap_err(), Errno::PERM);
    for number in [-1, i32::MIN, 999_999, i32::MAX] {
        assert_eq!(h.register_number(number, READABLE).unwrap_err(), Errno::BADF);
    }
    let (read, _write) = pipe();
    for interest in [0, 4, 8, 64, u32::MAX] {
        assert_eq!(h.register(&read, interest).unwrap_err(), Errno::INVAL);
    }
    assert!(h.reactor.is_empty());
    assert!(h.register(&read, READABLE).is_ok());
}

#[test]
fn an_ended_registration_is_unknown() {
    let (mut h, (read, _write)) = (Harness::new(false), pipe());
    let key = h.register(&read, READABLE).unwrap().key;
    assert_eq!(h.deregister(key), Ok(Some(read.as_raw_fd())));
    assert_eq!(h.deregister(key), Err(STALE));
    assert_eq!(h.set_interest(key, READABLE), Err(STALE));
    h.rearm(key);
}

#[test]
fn a_slot_used_again_is_not_woken_by_the_old_registration() {
    let (mut h, (read, write)) = (Harness::new(false), pipe());
    let read = moved(read, 700);
    let old = h.register(&read, READABLE).unwrap().key;
    put(&write, b"x");
    // The event is in the kernel's queue when the registration ends; a duplicate keeps the file alive.
    let copy = rustix::io::dup(&read).unwrap();
    let number = read.as_raw_fd();
    drop(read);
    assert_eq!(h.deregister(old), Ok(None), "closed elsewhere: the number is not ours to close");
    let (other, _keep) = pipe();
    let other = moved(other, number);
    let new = h.register(&other, READABLE).unwrap().key;
    assert_eq!((new.slot, number), (old.slot, other.as_raw_fd()));
    h.want(new, READABLE);
    assert_eq!(h.turn(), []);
    put(&write, b"y");
    assert_eq!(h.turn(), [], "a ghost of the duplicate wakes nobody");
    assert!(h.reactor.metrics().stale >= 1);
    assert_eq!(drain(&copy), 2);
}

#[test]
fn ending_a_registration_whose_number_was_registered_anew_leaves_the_new_one_alone() {
    let (mut h, (read, _old_write)) = (Harness::new(false), pipe());
    let read = moved(read, 800);
    let old = h.register(&read, READABLE).unwrap().key;
    let number = read.as_raw_fd();
    drop(read);
    let (other, write) = pipe();
    let other = moved(other, number);
    assert_eq!(other.as_raw_fd(), number, "the kernel gives the lowest number");
    let registered = h.register(&other, READABLE).unwrap();
    assert_eq!(registered.superseded, Some(old));
    assert_eq!(h.deregister(old), Ok(None));
    h.want(registered.key, READABLE);
    put(&write, b"x");
    assert_eq!(h.turn(), [(registered.key, READABLE)]);
    assert_eq!(h.deregister(registered.key), Ok(Some(number)));
}

#[test]
fn a_descriptor_may_be_in_two_reactors() {
    let (read, write) = pipe();
    for (first, second) in [(false, false), (false, true), (true, true)] {
        let (mut a, mut b) = (Harness::new(first), Harness::new(second));
        let (in_a, in_b) =
            (a.register(&read, READABLE).unwrap().key, b.register(&read, READABLE).unwrap().key);
        a.want(in_a, READABLE);
        b.want(in_b, READABLE);
        put(&write, b"x");
        assert_eq!(a.turn(), [(in_a, READABLE)]);
        assert_eq!(b.turn(), [(in_b, READABLE)]);
        drain(&read);
    }
}

#[test]
fn a_hundred_descriptors_wake_as_themselves() {
    let mut h = Harness::new(false);
    let pipes: Vec<_> = (0..100).map(|_| pipe()).collect();
    let keys: Vec<_> = pipes.iter().map(|(read, _)| h.register(read, READABLE).unwrap().key).collect();
    for &key in &keys {
        h.want(key, READABLE);
    }
    for (at, (_, write)) in pipes.iter().enumerate().filter(|(at, _)| at % 3 == 0) {
        put(write, &[at as u8]);
    }
    let mut woken: Vec<u32> = h.turn().into_iter().map(|(key, _)| key.slot).collect();
    woken.sort_unstable();
    let expected: Vec<u32> = keys.iter().step_by(3).map(|key| key.slot).collect();
    assert_eq!(woken, expected);
}

#[test]
fn the_generation_never_meets_the_wakers_key() {
    let (mut h, (read, _write)) = (Harness::new(false), pipe());
    for generation in 0..1000 {
        let key = h.register(&read, READABLE | WRITABLE).unwrap().key;
        assert_eq!(key.generation, generation);
        h.deregister(key).unwrap();
    }
}
