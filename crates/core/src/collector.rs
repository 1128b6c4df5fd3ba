//! Collecting events from the kernel: the part of the reactor that a waiting thread may use. Everything else belongs
//! to the JS thread.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use polling::Poller;
use rustix::io::Errno;

use crate::interest::Bits;
use crate::registration::{ALARM_KEY, Key, WAKE_KEY};
use crate::waker::Waker;

/// Events collected at once, at most: what is left stays in the kernel and keeps the poller's descriptor readable.
pub const EVENTS_PER_TURN: usize = 1024;

/// One event: which registration, and what the kernel said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub key: Key,
    pub bits: Bits,
}

/// The poller and the descriptor that wakes whoever waits on it.
pub struct Collector {
    pub(crate) poller: Arc<Poller>,
    pub(crate) waker: Waker,
}

impl Collector {
    /// The poller's own descriptor: readable when events wait to be collected.
    pub fn fd(&self) -> RawFd {
        self.poller.as_raw_fd()
    }

    /// Wakes the thread inside [`Collector::collect`], or the next one to enter it.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Appends what is ready to `events`; with no timeout waits until something is. Returns early, perhaps with
    /// nothing, when woken. Says whether the alarm went off. Retries after a signal.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn collect(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> Result<bool, Errno> {
        use rustix::event::{Timespec, epoll};
        let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
        buffer.0.clear();
        while let Err(error) =
            epoll::wait(&*self.poller, rustix::buffer::spare_capacity(&mut buffer.0), timeout.as_ref())
        {
            if error != Errno::INTR {
                return Err(error);
            }
        }
        let mut alarm = false;
        for event in &buffer.0 {
            match Key::from_u64(event.data.u64()) {
                WAKE_KEY => {}
                ALARM_KEY => alarm = true,
                key => events.push(Event { key, bits: crate::interest::from_epoll(event.flags) }),
            }
        }
        Ok(alarm)
    }

    /// As above, through `polling`, where events do not tell a half-close from data.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub fn collect(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> Result<bool, Errno> {
        use crate::interest::{CLOSED, PRIORITY, READABLE, WRITABLE};
        buffer.0.clear();
        self.poller
            .wait(&mut buffer.0, timeout)
            .map_err(|error| Errno::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO)))?;
        let mut alarm = false;
        for event in buffer.0.iter() {
            let key = match Key::from_u64(event.key as u64) {
                WAKE_KEY => {
                    self.waker.drain();
                    continue;
                }
                ALARM_KEY => {
                    alarm = true;
                    continue;
                }
                key => key,
            };
            let mut bits = 0;
            for (seen, bit) in [
                (event.readable, READABLE),
                (event.writable, WRITABLE),
                (event.is_priority(), PRIORITY),
                (event.is_interrupt(), CLOSED),
                (event.is_err() == Some(true), crate::interest::ERROR),
            ] {
                if seen {
                    bits |= bit;
                }
            }
            events.push(Event { key, bits });
        }
        Ok(alarm)
    }
}

/// Where the kernel writes its events; kept between turns so that a turn allocates nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub struct Buffer(Vec<rustix::event::epoll::Event>);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub struct Buffer(polling::Events);

impl Default for Buffer {
    fn default() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return Buffer(Vec::with_capacity(EVENTS_PER_TURN));
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        return Buffer(polling::Events::with_capacity(
            std::num::NonZeroUsize::new(EVENTS_PER_TURN).expect("a constant above zero"),
        ));
    }
}
