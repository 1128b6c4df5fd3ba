//! What only Linux has.

use std::time::Duration;

use asyncfd_core::sys::{Errno, Result, linux};
use napi_derive::napi;

use super::view::View;
use super::{descriptor, done, failure};

/// `eventfd(2)`: a descriptor or `-errno`.
#[napi(catch_unwind)]
pub fn sys_eventfd(initial: u32, semaphore: bool) -> i32 {
    descriptor(linux::eventfd(initial, semaphore))
}

/// `timerfd_create(2)`: a descriptor or `-errno`.
#[napi(catch_unwind)]
pub fn sys_timerfd(clock: i32) -> i32 {
    descriptor(linux::timerfd(clock))
}

/// `timerfd_settime(2)`: 0 or `-errno`. Times above zero are at least a nanosecond: zero would disarm.
#[napi(catch_unwind)]
pub fn sys_set_timerfd(fd: i32, flags: i32, value_ms: f64, interval_ms: f64) -> i32 {
    done((|| linux::set_timerfd(fd, flags, duration(value_ms)?, duration(interval_ms)?))())
}

fn duration(milliseconds: f64) -> Result<Duration> {
    let duration = Duration::try_from_secs_f64(milliseconds / 1e3).map_err(|_| Errno::INVAL)?;
    Ok(if milliseconds > 0.0 { duration.max(Duration::from_nanos(1)) } else { duration })
}

/// `inotify_init1(2)`: a descriptor or `-errno`.
#[napi(catch_unwind)]
pub fn sys_inotify() -> i32 {
    descriptor(linux::inotify())
}

/// `inotify_add_watch(2)`: the watch or `-errno`.
#[napi(catch_unwind)]
pub fn sys_inotify_add_watch(fd: i32, #[napi(ts_arg_type = "Uint8Array")] path: View, mask: u32) -> i32 {
    path.path().and_then(|path| linux::inotify_add_watch(fd, &path, mask)).unwrap_or_else(failure)
}

/// `inotify_rm_watch(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_inotify_remove_watch(fd: i32, watch: i32) -> i32 {
    done(linux::inotify_remove_watch(fd, watch))
}

/// `pidfd_open(2)`: a descriptor or `-errno`.
#[napi(catch_unwind)]
pub fn sys_pidfd_open(pid: i32) -> i32 {
    descriptor(linux::pidfd_open(pid))
}

/// `pidfd_send_signal(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_pidfd_send_signal(fd: i32, signal: i32) -> i32 {
    done(linux::pidfd_send_signal(fd, signal))
}
