//! A registration: one descriptor in the poller, under a key that outlives neither. The only caller of the unsafe
//! `Poller::add`, and of epoll's own where there is epoll.

use std::os::fd::{BorrowedFd, RawFd};

use polling::Poller;
use rustix::io::Errno;

use crate::interest::Bits;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::interest::READ_CLOSED;

/// Names a registration to the kernel and back: a late event of an ended one carries an old generation and wakes
/// nobody, though the slot may serve another by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub slot: u32,
    pub generation: u32,
}

/// The waker's own key; `polling` keeps `u64::MAX` (`usize::MAX`) for itself. No registration has this generation.
pub(crate) const WAKE_KEY: Key = Key { slot: u32::MAX - 1, generation: u32::MAX };

/// The alarm's own key.
pub(crate) const ALARM_KEY: Key = Key { slot: u32::MAX - 2, generation: u32::MAX };

impl Key {
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub(crate) fn from_u64(key: u64) -> Self {
        Key { slot: key as u32, generation: (key >> 32) as u32 }
    }
}

/// How the poller tells of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Once per change. Where the backend has it.
    Edge,
    /// Once, until armed again. Every backend has it.
    Oneshot,
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Trigger {
    fn mode(self) -> polling::PollMode {
        match self {
            Trigger::Edge => polling::PollMode::Edge,
            Trigger::Oneshot => polling::PollMode::Oneshot,
        }
    }
}

/// One registered descriptor.
pub(crate) struct Registration {
    pub fd: RawFd,
    pub generation: u32,
    pub interest: Bits,
    /// Whether the descriptor is closed when the environment ends with the registration still open.
    pub owned: bool,
    /// Its number was found to be another file's, and is registered anew: no event of it counts any more.
    pub lost: bool,
}

/// Borrows the number for one system call, which answers EBADF if it is no descriptor.
pub(crate) fn borrow<'a>(fd: RawFd) -> Result<BorrowedFd<'a>, Errno> {
    if fd < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: `fd` is not -1, all that the type itself demands. It is used for one `epoll_ctl` or `kevent` call,
    // which takes any number and answers EBADF for one that is not open.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// The system call that makes a poller.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const CREATE_CALL: &str = "epoll_create1";
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const CREATE_CALL: &str = "kqueue";

/// The system call that registers.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const CONTROL_CALL: &str = "epoll_ctl";
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const CONTROL_CALL: &str = "kevent";

pub(crate) fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Puts `fd` into the poller under `key`. `polling` never asks for RDHUP and folds PRI into readable, so where there is
/// epoll the mask is given to it through the poller's own descriptor. At once, and not by an `add` and a `set_mask`: a
/// thread that collects in between would have two events of one state, the second to be told when it is past.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn add(
    poller: &Poller,
    fd: RawFd,
    key: Key,
    interest: Bits,
    trigger: Trigger,
) -> Result<(), Errno> {
    use rustix::event::epoll;
    let data = epoll::EventData::new_u64(key.to_u64());
    epoll::add(poller, borrow(fd)?, data, flags(interest | READ_CLOSED, trigger))
}

/// Sets what is asked of `fd`, and arms it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn set_mask(
    poller: &Poller,
    fd: RawFd,
    key: Key,
    interest: Bits,
    trigger: Trigger,
) -> Result<(), Errno> {
    use rustix::event::epoll;
    let data = epoll::EventData::new_u64(key.to_u64());
    epoll::modify(poller, borrow(fd)?, data, flags(interest, trigger))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn flags(interest: Bits, trigger: Trigger) -> rustix::event::epoll::EventFlags {
    use rustix::event::epoll::EventFlags;
    let mode = match trigger {
        Trigger::Edge => EventFlags::ET,
        Trigger::Oneshot => EventFlags::ONESHOT,
    };
    crate::interest::to_epoll(interest) | mode
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn event(key: Key, interest: Bits) -> polling::Event {
    use crate::interest::{PRIORITY, READABLE, WRITABLE};
    let key = key.to_u64() as usize;
    let mut event = polling::Event::new(key, interest & READABLE != 0, interest & WRITABLE != 0);
    event.set_priority(interest & PRIORITY != 0);
    event
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn add(
    poller: &Poller,
    fd: RawFd,
    key: Key,
    interest: Bits,
    trigger: Trigger,
) -> Result<(), Errno> {
    borrow(fd)?;
    // SAFETY: `add` wants a descriptor that is valid now and deleted before it is dropped. A number that is not open
    // is answered with EBADF. The descriptor belongs to the user, who may close it first: then kqueue forgets it
    // itself (unless duplicated, whose late events carry an old generation), and no memory depends on it.
    unsafe { poller.add_with_mode(fd, event(key, interest), trigger.mode()) }.map_err(errno)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn set_mask(
    poller: &Poller,
    fd: RawFd,
    key: Key,
    interest: Bits,
    trigger: Trigger,
) -> Result<(), Errno> {
    poller.modify_with_mode(borrow(fd)?, event(key, interest), trigger.mode()).map_err(errno)
}

/// Takes `fd` out of the poller.
pub(crate) fn delete(poller: &Poller, fd: RawFd) -> Result<(), Errno> {
    poller.delete(borrow(fd)?).map_err(errno)
}

/// Closes a number that a registration owned, after it was deregistered.
pub fn close_owned(fd: RawFd) {
    use std::os::fd::FromRawFd;
    if fd >= 0 {
        // SAFETY: the registration's owner gave the descriptor to it (`owned`), and the kernel just confirmed by
        // deregistering it that the number still means the same file; nobody uses the number after this.
        drop(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) });
    }
}
