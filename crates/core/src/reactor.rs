//! The reactor: which descriptors are registered, and what becomes of the events that are collected for them.
//!
//! One per JS environment, touched on its thread only; a waiting thread shares nothing but the [`Collector`].

use std::os::fd::RawFd;
use std::sync::Arc;

use polling::Poller;
use rustix::io::Errno;
use slab::Slab;

use crate::alarm::Alarm;
use crate::collector::{Collector, Event};
use crate::error::{Error, NotStarted, STALE};
use crate::interest::{self, Bits, CLOSED, ERROR, INTERESTS, READ_CLOSED};
use crate::ops::{self, Blocks, Outcome};
use crate::owners::Owners;
use crate::probe;
use crate::readiness::Readiness;
use crate::registration::{self, Key, Registration, Trigger, WAKE_KEY};
use crate::waker::Waker;

/// What the reactor has done since it began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics {
    /// Events the kernel handed over.
    pub events: u64,
    /// Events somebody waited for.
    pub wakeups: u64,
    /// Events nobody waited for: noted in the readiness words, told to nobody.
    pub unwanted: u64,
    /// Events of registrations that had ended.
    pub stale: u64,
    /// Registrations whose descriptor was found closed, or its number taken by another file.
    pub lost: u64,
}

/// Bytes that are read before JavaScript sees some of them.
const BYTES_PER_BATCH: u32 = 128 * 1024;

/// What somebody waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The descriptor is ready for something of what is waited for; all that the event said.
    Ready(Bits),
    /// The read that was asked for came to something.
    Read(Outcome),
}

/// A new registration.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    pub key: Key,
    /// The registration that had this number before: its descriptor was closed elsewhere, and its number belongs to
    /// the new one now. It wakes nobody any more.
    pub superseded: Option<Key>,
}

pub struct Reactor {
    collector: Arc<Collector>,
    registrations: Slab<Registration>,
    /// The slot that owns a number now. A slot whose descriptor was closed elsewhere and its number registered
    /// anew is absent, so that ending it cannot end the new one.
    by_fd: Owners,
    next_generation: u32,
    trigger: Trigger,
    metrics: Metrics,
    alarm: Alarm,
}

impl Reactor {
    /// A reactor with its own poller. Edge-triggered where the backend can, unless `oneshot` is forced.
    pub fn new(oneshot: bool) -> Result<Self, NotStarted> {
        let poller =
            Poller::new().map_err(registration::errno).map_err(NotStarted::by(registration::CREATE_CALL))?;
        let trigger = if poller.supports_edge() && !oneshot { Trigger::Edge } else { Trigger::Oneshot };
        let waker = Waker::new().map_err(NotStarted::by(Waker::CALL))?;
        let own = if poller.supports_edge() { Trigger::Edge } else { Trigger::Oneshot };
        registration::add(&poller, waker.fd(), WAKE_KEY, interest::READABLE, own)
            .map_err(NotStarted::by(registration::CONTROL_CALL))?;
        let alarm = Alarm::new(&poller).map_err(NotStarted::by(Alarm::CALL))?;
        Ok(Reactor {
            alarm,
            collector: Arc::new(Collector { poller: Arc::new(poller), waker }),
            registrations: Slab::with_capacity(crate::ROOM),
            by_fd: Owners::default(),
            next_generation: 0,
            trigger,
            metrics: Metrics::default(),
        })
    }

    /// The part that a waiting thread may use.
    pub fn collector(&self) -> &Arc<Collector> {
        &self.collector
    }

    pub fn trigger(&self) -> Trigger {
        self.trigger
    }

    pub fn metrics(&self) -> Metrics {
        self.metrics
    }

    /// How many registrations are open.
    pub fn len(&self) -> usize {
        self.registrations.len()
    }

    pub fn is_empty(&self) -> bool {
        self.registrations.is_empty()
    }

    /// Registers `fd`, whose flags are left alone. Nothing is kept if it fails: EBADF, EPERM (a file that is always
    /// ready), EEXIST (the same descriptor twice), ENOMEM/ENOSPC, EINVAL (a bad interest).
    pub fn register(
        &mut self,
        readiness: Readiness,
        fd: RawFd,
        interest: Bits,
        owned: bool,
    ) -> Result<Registered, Error> {
        check_interest(interest)?;
        let entry = self.registrations.vacant_entry();
        let slot = u32::try_from(entry.key()).map_err(|_| Errno::NOSPC)?;
        if slot as usize >= readiness.capacity() {
            return Err(Errno::NOSPC);
        }
        let generation = self.next_generation;
        let key = Key { slot, generation };
        // The words are made ready first: the event may be waiting before `add` returns.
        match registration::add(&self.collector.poller, fd, key, interest, self.trigger) {
            // Nobody here has the number: what the kernel still has is a ghost, of a descriptor that was closed before it
            // was deregistered, while a duplicate kept its file open, which is the file of this number again.
            Err(Errno::EXIST) if self.by_fd.get(fd).is_none() => {
                registration::delete(&self.collector.poller, fd)?;
                registration::add(&self.collector.poller, fd, key, interest, self.trigger)?;
            }
            added => added?,
        }
        readiness.open(slot, generation);
        entry.insert(Registration { fd, generation, interest, owned, lost: false });
        self.next_generation = if generation == u32::MAX - 1 { 0 } else { generation + 1 };
        // The kernel took the number as new, so whoever had it before has lost it.
        let superseded = self.by_fd.insert(fd, slot).map(|slot| self.lose(readiness, slot));
        Ok(Registered { key, superseded })
    }

    fn lose(&mut self, readiness: Readiness, slot: u32) -> Key {
        self.metrics.lost += 1;
        readiness.close(slot);
        let registration = &mut self.registrations[slot as usize];
        // Its number is another's now; closing it would be closing theirs.
        registration.owned = false;
        registration.lost = true;
        Key { slot, generation: registration.generation }
    }

    /// Ends a registration. The descriptor may be closed already, or its number belong to another file: that file is
    /// neither deregistered nor woken. Returns the number if it is still the registration's own.
    pub fn deregister(&mut self, readiness: Readiness, key: Key) -> Result<Option<RawFd>, Error> {
        self.find(key)?;
        let Registration { fd, lost, .. } = self.registrations.remove(key.slot as usize);
        readiness.close(key.slot);
        if lost {
            return Ok(None);
        }
        self.by_fd.remove(fd);
        match registration::delete(&self.collector.poller, fd) {
            Ok(()) => Ok(Some(fd)),
            // Closed elsewhere (EBADF), or closed and its number given to a file we do not know (ENOENT).
            Err(_) => {
                self.metrics.lost += 1;
                Ok(None)
            }
        }
    }

    /// Changes what a registration asks for, and arms it.
    pub fn set_interest(&mut self, readiness: Readiness, key: Key, interest: Bits) -> Result<(), Error> {
        check_interest(interest)?;
        let fd = self.find(key)?.fd;
        self.arm(readiness, fd, key, interest)?;
        self.registrations[key.slot as usize].interest = interest;
        Ok(())
    }

    /// Asks the kernel again: oneshot after a clear, level-triggered users after each event. A registration that has
    /// ended, or lost its descriptor, is passed over.
    pub fn rearm(&mut self, readiness: Readiness, key: Key) {
        let Ok(&Registration { fd, interest, lost: false, .. }) = self.find(key) else { return };
        if self.arm(readiness, fd, key, interest).is_err() {
            self.metrics.lost += 1;
        }
    }

    /// Sets the mask. A oneshot registration is armed only for what is not known ready: armed for the rest too it
    /// would fire at once, and disarm what is waited for.
    fn arm(&self, readiness: Readiness, fd: RawFd, key: Key, interest: Bits) -> Result<(), Error> {
        let mut asked = interest | READ_CLOSED;
        if self.trigger == Trigger::Oneshot {
            let (read, write) = readiness.sides(key.slot);
            // A full hang-up, or an error that neither side has cleared, is reported whatever is asked, at once.
            if (read | write) & CLOSED == CLOSED || read & write & ERROR != 0 {
                return Ok(());
            }
            // Data that waits must hide neither what is urgent nor that the peer closed, nor the other way round.
            asked &= !(read | write);
        }
        registration::set_mask(&self.collector.poller, fd, key, asked, self.trigger)
    }

    /// Applies collected events to the readiness words, performs the reads that are asked for, and reports what somebody waits for.
    /// Stops where blocks have run out and those in use may be given back once what was reported is known, or where so much was
    /// read that more would drive it out of the cache. How many events it came to; at least one.
    pub fn deliver<'a>(
        &mut self,
        readiness: Readiness,
        events: &[Event],
        blocks: &impl Blocks<'a>,
        mut report: impl FnMut(Key, News),
    ) -> usize {
        let (mut reported, mut bytes) = (false, 0);
        for (at, &Event { key, bits }) in events.iter().enumerate() {
            let Some(fd) = self.find(key).ok().filter(|registration| !registration.lost).map(|r| r.fd) else {
                self.metrics.events += 1;
                self.metrics.stale += 1;
                continue;
            };
            if reported
                && (blocks.is_empty() || bytes >= BYTES_PER_BATCH)
                && readiness.asked_read(key.slot).is_some()
            {
                return at;
            }
            self.metrics.events += 1;
            let bits = probe::with_pipe_end(fd, bits);
            let snapshot = cfg!(any(target_os = "linux", target_os = "android"));
            let wanted = readiness.deliver(key.slot, bits, snapshot && self.trigger == Trigger::Edge);
            let read = ops::read(readiness, blocks, key.slot, fd, bits);
            match read {
                Outcome::Read { count, .. } => bytes += count,
                // What JavaScript reads itself is as much in the cache.
                Outcome::Attempt => bytes += readiness.asked_read(key.slot).unwrap_or(0) & ops::SIZE,
                Outcome::Pending | Outcome::Ended(_) => {}
            }
            if self.trigger == Trigger::Oneshot {
                // The event disarmed both directions; the one that is not ready yet is still waited for.
                self.rearm(readiness, key);
            }
            if read != Outcome::Pending {
                report(key, News::Read(read));
            }
            if wanted != 0 {
                report(key, News::Ready(bits));
            }
            if wanted != 0 || read != Outcome::Pending {
                self.metrics.wakeups += 1;
                reported = true;
            } else {
                self.metrics.unwanted += 1;
            }
        }
        events.len()
    }

    /// Has the poller report at `nanos` of the monotonic clock.
    pub fn set_alarm(&self, nanos: i128) -> Result<(), Error> {
        self.alarm.set(&self.collector.poller, nanos)
    }

    /// Ends everything and gives the numbers that the environment owned and must close.
    pub fn close(&mut self, readiness: Readiness) -> Vec<RawFd> {
        let keys: Vec<(Key, bool)> = self
            .registrations
            .iter()
            .map(|(slot, r)| (Key { slot: slot as u32, generation: r.generation }, r.owned))
            .collect();
        keys.into_iter()
            .filter_map(|(key, owned)| self.deregister(readiness, key).ok().flatten().filter(|_| owned))
            .collect()
    }

    fn find(&self, key: Key) -> Result<&Registration, Error> {
        self.registrations
            .get(key.slot as usize)
            .filter(|registration| registration.generation == key.generation)
            .ok_or(STALE)
    }
}

fn check_interest(interest: Bits) -> Result<(), Error> {
    if interest == 0 || interest & !INTERESTS != 0 { Err(Errno::INVAL) } else { Ok(()) }
}
