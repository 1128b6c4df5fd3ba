//! A reactor with its words, as the binding holds them, driven by hand.
#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use asyncfd_core::collector::{Buffer, Event};
use asyncfd_core::error::Error;
use asyncfd_core::interest::Bits;
use asyncfd_core::ops::{Blocks, Outcome};
use asyncfd_core::reactor::{News, Reactor, Registered};
use asyncfd_core::readiness::{self, Readiness, STRIDE, WANTED};
use asyncfd_core::registration::Key;

/// A pool of a few small blocks.
pub struct Pool {
    memory: &'static [Cell<u8>],
    size: usize,
    pub free: RefCell<Vec<u32>>,
}

impl Pool {
    fn new(count: u32, size: usize) -> Self {
        let memory = vec![Cell::new(0); count as usize * size].leak();
        Pool { memory, size, free: RefCell::new((0..count).rev().collect()) }
    }

    pub fn bytes(&self, block: u32, count: u32) -> Vec<u8> {
        self.memory[block as usize * self.size..][..count as usize].iter().map(Cell::get).collect()
    }
}

impl Blocks<'static> for Pool {
    fn take(&self) -> Option<(u32, &'static [Cell<u8>])> {
        let block = self.free.borrow_mut().pop()?;
        Some((block, &self.memory[block as usize * self.size..][..self.size]))
    }

    fn is_empty(&self) -> bool {
        self.free.borrow().is_empty()
    }

    fn give_back(&self, block: u32) {
        self.free.borrow_mut().push(block);
    }
}

pub struct Harness {
    pub reactor: Reactor,
    words: Vec<Cell<u32>>,
    pub blocks: Pool,
    /// What became of reads that were asked for.
    pub reads: Vec<(Key, Outcome)>,
    /// How often events were delivered.
    pub portions: usize,
    buffer: Buffer,
}

impl Harness {
    pub fn new(oneshot: bool) -> Self {
        Harness {
            reactor: Reactor::new(oneshot).unwrap(),
            words: vec![Cell::new(0); 256 * STRIDE],
            blocks: Pool::new(2, 16),
            reads: Vec::new(),
            portions: 0,
            buffer: Buffer::default(),
        }
    }

    pub fn register(&mut self, fd: &impl AsRawFd, interest: Bits) -> Result<Registered, Error> {
        self.register_number(fd.as_raw_fd(), interest)
    }

    pub fn register_number(&mut self, fd: RawFd, interest: Bits) -> Result<Registered, Error> {
        self.reactor.register(Readiness::new(&self.words), fd, interest, false)
    }

    pub fn deregister(&mut self, key: Key) -> Result<Option<RawFd>, Error> {
        self.reactor.deregister(Readiness::new(&self.words), key)
    }

    pub fn rearm(&mut self, key: Key) {
        self.reactor.rearm(Readiness::new(&self.words), key);
    }

    pub fn set_interest(&mut self, key: Key, interest: Bits) -> Result<(), Error> {
        self.reactor.set_interest(Readiness::new(&self.words), key, interest)
    }

    pub fn word(&self, key: Key, word: usize) -> &Cell<u32> {
        &self.words[key.slot as usize * STRIDE + word]
    }

    /// Somebody waits for these bits.
    pub fn want(&self, key: Key, bits: Bits) {
        self.word(key, WANTED).set(bits);
    }

    /// What JavaScript does when an attempt would have blocked.
    pub fn clear(&self, key: Key) {
        self.word(key, readiness::READ_BITS).set(0);
        self.word(key, readiness::WRITE_BITS).set(0);
    }

    /// What is known ready.
    pub fn ready(&self, key: Key) -> Bits {
        self.word(key, readiness::READ_BITS).get() | self.word(key, readiness::WRITE_BITS).get()
    }

    /// One turn: what was woken.
    pub fn turn(&mut self) -> Vec<(Key, Bits)> {
        let events = self.collect();
        self.deliver(&events)
    }

    /// The first half of a turn.
    pub fn collect(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let collector = self.reactor.collector().clone();
        collector.collect(&mut self.buffer, &mut events, Some(Duration::ZERO)).unwrap();
        events
    }

    /// The second half, of all events, whatever blocks there are.
    pub fn deliver(&mut self, mut events: &[Event]) -> Vec<(Key, Bits)> {
        let mut woken = Vec::new();
        while !events.is_empty() {
            let count = self.reactor.deliver(
                Readiness::new(&self.words),
                events,
                &self.blocks,
                |key, news| match news {
                    News::Ready(bits) => woken.push((key, bits)),
                    News::Read(outcome) => self.reads.push((key, outcome)),
                },
            );
            self.portions += 1;
            events = &events[count..];
        }
        woken
    }
}

pub fn pipe() -> (OwnedFd, OwnedFd) {
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)
            .unwrap();
    (read, write)
}

pub fn socketpair() -> (OwnedFd, OwnedFd) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
}

pub fn put(fd: &OwnedFd, bytes: &[u8]) {
    assert_eq!(rustix::io::write(fd, bytes).unwrap(), bytes.len());
}

/// Reads until it would block, or the end.
pub fn drain(fd: &OwnedFd) -> usize {
    let (mut scratch, mut total) = ([0u8; 4096], 0);
    while let Ok(n @ 1..) = rustix::io::read(fd, &mut scratch) {
        total += n;
    }
    total
}
