//! Wakes whoever waits on the poller at a given time.

use polling::Poller;

use crate::error::Error;
use crate::registration::ALARM_KEY;

/// A timer of the kernel's in the poller, under a key of its own.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) struct Alarm(rustix::fd::OwnedFd);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Alarm {
    pub const CALL: &str = "timerfd_create";

    /// A timerfd, registered edge-triggered: each expiry is an event, and none has to be read.
    pub fn new(poller: &Poller) -> Result<Self, Error> {
        use crate::interest::READABLE;
        use crate::registration::{self, Trigger};
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use std::os::fd::AsRawFd;
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        registration::add(poller, fd.as_raw_fd(), ALARM_KEY, READABLE, Trigger::Edge)?;
        Ok(Alarm(fd))
    }

    /// Goes off at `nanos` of the monotonic clock, at once if that is past.
    pub fn set(&self, _poller: &Poller, nanos: i128) -> Result<(), Error> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        // Zero would disarm it.
        let nanos = nanos.clamp(1, i128::from(i64::MAX));
        let at = Timespec { tv_sec: (nanos / 1_000_000_000) as _, tv_nsec: (nanos % 1_000_000_000) as _ };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &spec).map(drop)
    }
}

/// A kqueue timer, oneshot.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) struct Alarm;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Alarm {
    pub const CALL: &str = "kevent";

    pub fn new(_poller: &Poller) -> Result<Self, Error> {
        Ok(Alarm)
    }

    pub fn set(&self, poller: &Poller, nanos: i128) -> Result<(), Error> {
        use polling::os::kqueue::{PollerKqueueExt, Timer};
        let left = (nanos - crate::clock::kernel_now()).clamp(0, i128::from(i64::MAX));
        let timer = Timer { id: 0, timeout: std::time::Duration::from_nanos(left as u64) };
        poller
            .add_filter(timer, ALARM_KEY.to_u64() as usize, polling::PollMode::Oneshot)
            .map_err(crate::registration::errno)
    }
}
