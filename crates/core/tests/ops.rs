//! Reads that come with the event: where the bytes go, what is known of the readiness afterwards, and what is left to JavaScript.

mod common;

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use asyncfd_core::interest::{READ_CLOSED, READABLE, WRITABLE};
use asyncfd_core::ops::{BY_RECV, Outcome, READ_OP, SHORT_IS_ALL, TELL};
use asyncfd_core::readiness::{READ, READ_BITS, WANTED};
use asyncfd_core::registration::Key;
use common::Harness;

/// Asks for a read as JavaScript does.
fn ask(h: &Harness, key: Key, read: u32) {
    h.word(key, READ).set(read);
    h.want(key, READ_OP);
}

fn bits(h: &Harness, key: Key) -> u32 {
    h.word(key, READ_BITS).get()
}

/// A pair of Unix sockets, the first of which is registered and has told of itself.
fn pair(h: &mut Harness) -> (UnixStream, UnixStream, Key) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    let key = h.register(&a, READABLE | WRITABLE).unwrap().key;
    h.turn();
    (a, b, key)
}

#[test]
fn the_event_brings_the_bytes() {
    for oneshot in [false, true] {
        let mut h = Harness::new(oneshot);
        let (_a, mut b, key) = pair(&mut h);
        ask(&h, key, 16 | BY_RECV | SHORT_IS_ALL);
        assert_eq!(h.turn(), [], "nothing has come");
        assert_eq!(h.blocks.free.borrow().len(), 2, "an idle read has no block");
        b.write_all(b"hello").unwrap();
        assert_eq!(h.turn(), [], "nobody waits for the readiness");
        let [(told, Outcome::Read { count: 5, block })] = h.reads[..] else { panic!("{:?}", h.reads) };
        assert_eq!(told, key);
        assert_eq!(h.blocks.bytes(block, 5), b"hello");
        assert_eq!(h.word(key, READ).get(), 0);
        assert_eq!(h.word(key, WANTED).get(), 0);
        assert_eq!(bits(&h, key), 0, "a short read has cleared it");
        b.write_all(b"more").unwrap();
        h.turn();
        assert_eq!(h.reads.len(), 1, "it was asked for once");
        assert_eq!(bits(&h, key), READABLE);
    }
}

#[test]
fn a_full_read_or_one_of_messages_leaves_it_readable() {
    let mut h = Harness::new(false);
    let (_a, mut b, key) = pair(&mut h);
    ask(&h, key, 3 | BY_RECV | SHORT_IS_ALL);
    b.write_all(b"hello").unwrap();
    h.turn();
    assert!(matches!(h.reads[..], [(_, Outcome::Read { count: 3, .. })]));
    assert_eq!(bits(&h, key), READABLE);
    let (_c, mut d, other) = pair(&mut h);
    ask(&h, other, 16 | BY_RECV);
    d.write_all(b"hello").unwrap();
    h.turn();
    assert!(matches!(h.reads[1..], [(_, Outcome::Read { count: 5, .. })]));
    assert_eq!(bits(&h, other), READABLE);
}

#[test]
fn the_end_and_errors_are_told_without_a_block() {
    let mut h = Harness::new(false);
    let (_a, b, key) = pair(&mut h);
    ask(&h, key, 16 | BY_RECV | SHORT_IS_ALL);
    drop(b);
    h.turn();
    assert_eq!(h.reads, [(key, Outcome::Ended(Ok(())))]);
    assert_ne!(bits(&h, key) & READ_CLOSED, 0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let other = h.register(&client, READABLE | WRITABLE).unwrap().key;
    h.turn();
    ask(&h, other, 16 | BY_RECV | SHORT_IS_ALL);
    (&client).write_all(b"unread").unwrap();
    server.write_all(b"").unwrap();
    drop(server);
    h.turn();
    assert_eq!(h.reads[1..], [(other, Outcome::Ended(Err(rustix::io::Errno::CONNRESET)))]);
    assert_eq!(h.blocks.free.borrow().len(), 2);
}

#[test]
fn data_and_the_end_at_once_stay_readable() {
    let mut h = Harness::new(false);
    let (_a, mut b, key) = pair(&mut h);
    ask(&h, key, 16 | BY_RECV | SHORT_IS_ALL);
    b.write_all(b"last").unwrap();
    b.shutdown(Shutdown::Write).unwrap();
    h.turn();
    assert!(matches!(h.reads[..], [(_, Outcome::Read { count: 4, .. })]));
    assert_eq!(bits(&h, key), READABLE | READ_CLOSED);
}

#[test]
fn without_a_block_javascript_attempts() {
    let mut h = Harness::new(false);
    h.blocks.free.borrow_mut().clear();
    let (_a, mut b, key) = pair(&mut h);
    ask(&h, key, 16 | BY_RECV);
    b.write_all(b"hello").unwrap();
    h.turn();
    assert_eq!(h.reads, [(key, Outcome::Attempt)]);
    assert_ne!(h.word(key, READ).get(), 0, "it is asked for still");
}

#[test]
fn what_javascript_reads_itself_takes_no_block_and_counts_as_read() {
    let mut h = Harness::new(false);
    let mut pairs: Vec<_> = (0..5).map(|_| pair(&mut h)).collect();
    for (_, b, key) in &mut pairs {
        ask(&h, *key, (64 * 1024) | TELL);
        b.write_all(b"x").unwrap();
    }
    h.portions = 0;
    h.turn();
    assert!(h.reads.iter().all(|(_, outcome)| *outcome == Outcome::Attempt));
    assert_eq!(h.reads.len(), 5);
    assert_eq!(h.blocks.free.borrow().len(), 2);
    assert_eq!(h.portions, 3, "two of 64 KiB each, then JavaScript reads before there are more");
    let key = pairs[0].2;
    assert_ne!(h.word(key, READ).get(), 0, "it is asked for still");
    assert_eq!(bits(&h, key), READABLE);
}

#[test]
fn delivery_stops_where_blocks_run_out_and_goes_on() {
    let mut h = Harness::new(false);
    let mut pairs: Vec<_> = (0..5).map(|_| pair(&mut h)).collect();
    for (_, b, key) in &mut pairs {
        ask(&h, *key, 16 | BY_RECV);
        b.write_all(b"x").unwrap();
    }
    h.portions = 0;
    // Nobody gives a block back: the last three are left to JavaScript, one by one.
    h.turn();
    assert_eq!(h.portions, 4);
    let attempts = h.reads.iter().filter(|(_, outcome)| *outcome == Outcome::Attempt).count();
    assert_eq!((h.reads.len(), attempts), (5, 3));
}

#[test]
fn a_spurious_event_clears_and_goes_on_waiting() {
    let mut h = Harness::new(false);
    let (a, mut b, key) = pair(&mut h);
    ask(&h, key, 16 | BY_RECV);
    b.write_all(b"hello").unwrap();
    // Somebody else was faster, after the event.
    let events = h.collect();
    std::io::Read::read_exact(&mut &a, &mut [0; 5]).unwrap();
    h.deliver(&events);
    assert_eq!(h.reads, []);
    assert_eq!(bits(&h, key), 0);
    b.write_all(b"again").unwrap();
    h.turn();
    assert!(matches!(h.reads[..], [(_, Outcome::Read { count: 5, .. })]));
}

#[test]
fn who_waits_for_readiness_is_told_as_well() {
    let mut h = Harness::new(false);
    let (_a, mut b, key) = pair(&mut h);
    h.word(key, READ).set(16 | BY_RECV);
    h.want(key, READ_OP | READABLE);
    b.write_all(b"hello").unwrap();
    let woken = h.turn();
    assert_eq!(woken.len(), 1);
    assert_eq!(h.reads.len(), 1);
    assert_eq!(h.word(key, WANTED).get(), READABLE);
}
