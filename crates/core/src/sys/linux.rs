//! What only Linux has: eventfd, timerfd, inotify, pidfd.

use std::ffi::CStr;
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

use super::{Errno, OwnedFd, RawFd, Result, check, created, io, retry};
use crate::registration::borrow;

/// eventfd(2).
pub fn eventfd(initial: u32, semaphore: bool) -> Result<OwnedFd> {
    use rustix::event::EventfdFlags;
    let mut flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    flags.set(EventfdFlags::SEMAPHORE, semaphore);
    rustix::event::eventfd(initial, flags)
}

/// timerfd_create(2).
pub fn timerfd(clock: i32) -> Result<OwnedFd> {
    // SAFETY: only numbers are passed.
    created(unsafe { libc::timerfd_create(clock, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) })
}

/// timerfd_settime(2). A zero `value` disarms, a zero `interval` fires once.
pub fn set_timerfd(fd: RawFd, flags: i32, value: Duration, interval: Duration) -> Result<()> {
    // Not the C library's, whose seconds end in 2038 on 32-bit systems.
    let new = Itimerspec { it_value: timespec(value)?, it_interval: timespec(interval)? };
    let flags = TimerfdTimerFlags::from_bits_retain(flags.cast_unsigned());
    timerfd_settime(borrow(fd)?, flags, &new).map(drop)
}

fn timespec(duration: Duration) -> Result<Timespec> {
    Timespec::try_from(duration).map_err(|_| Errno::INVAL)
}

/// inotify_init1(2).
pub fn inotify() -> Result<OwnedFd> {
    use rustix::fs::inotify::{CreateFlags, init};
    init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
}

/// inotify_add_watch(2): the number of the watch.
pub fn inotify_add_watch(fd: RawFd, path: &CStr, mask: u32) -> Result<i32> {
    // SAFETY: the path is NUL-terminated.
    let watch = retry(|| unsafe { libc::inotify_add_watch(fd, path.as_ptr(), mask) } as isize)?;
    Ok(watch as i32)
}

/// inotify_rm_watch(2).
pub fn inotify_remove_watch(fd: RawFd, watch: i32) -> Result<()> {
    // SAFETY: only numbers are passed.
    check(unsafe { libc::inotify_rm_watch(fd, watch as _) })?;
    Ok(())
}

/// pidfd_open(2), which makes every descriptor close-on-exec.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    const PIDFD_NONBLOCK: libc::c_uint = libc::O_NONBLOCK as libc::c_uint;
    match pidfd_open_with(pid, PIDFD_NONBLOCK) {
        // Before Linux 5.10 there is no such flag.
        Err(Errno::INVAL) if pid > 0 => {
            let fd = pidfd_open_with(pid, 0)?;
            io::set_nonblocking(std::os::fd::AsRawFd::as_raw_fd(&fd), true)?;
            Ok(fd)
        }
        result => result,
    }
}

fn pidfd_open_with(pid: i32, flags: libc::c_uint) -> Result<OwnedFd> {
    // SAFETY: only numbers are passed.
    created(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) } as libc::c_int)
}

/// pidfd_send_signal(2). Signal 0 only asks whether the process is there.
pub fn pidfd_send_signal(fd: RawFd, signal: i32) -> Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: no siginfo is passed: the kernel makes the one of kill(2).
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, none, 0) } as libc::c_int)?;
    Ok(())
}
