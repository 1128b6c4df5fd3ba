//! Descriptors of any kind: vectored I/O, close, dup, pipe, flags, poll, ioctl.

use std::collections::HashMap;
use std::time::Duration;

use asyncfd_core::sys::{Errno, IntoRawFd, constants, file, io, kind, poll};
use napi_derive::napi;

use super::view::{View, Views};
use super::{count, descriptor, done, failure};

/// `readv(2)`: a count or `-errno`.
#[napi(catch_unwind)]
pub fn sys_readv(fd: i32, #[napi(ts_arg_type = "ReadonlyArray<ArrayBufferView>")] views: Views) -> i32 {
    // SAFETY: the memory was just looked up and no JavaScript runs before the call returns.
    count(views.vectors().and_then(|vectors| unsafe { io::readv(fd, &vectors) }))
}

/// `writev(2)`: a count or `-errno`.
#[napi(catch_unwind)]
pub fn sys_writev(fd: i32, #[napi(ts_arg_type = "ReadonlyArray<ArrayBufferView>")] views: Views) -> i32 {
    // SAFETY: as in `sys_readv`.
    count(views.vectors().and_then(|vectors| unsafe { io::writev(fd, &vectors) }))
}

/// `F_DUPFD_CLOEXEC`: a descriptor or `-errno`.
#[napi(catch_unwind)]
pub fn sys_dup(fd: i32) -> i32 {
    descriptor(io::dup(fd))
}

/// `pipe2(2)`: writes `[reader, writer]` to `fds`; 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_pipe(#[napi(ts_arg_type = "Int32Array")] fds: View) -> i32 {
    pair(&fds, io::pipe)
}

/// Creates two descriptors and writes their numbers to `fds`, whose room is checked first.
pub fn pair(fds: &View, create: impl FnOnce() -> super::Result<(super::OwnedFd, super::OwnedFd)>) -> i32 {
    done((|| {
        fds.bytes()?.part(0, 8).ok_or(Errno::RANGE)?;
        let (a, b) = create()?;
        fds.write_numbers(&[a.into_raw_fd(), b.into_raw_fd()])
    })())
}

/// `O_NONBLOCK` on or off: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_set_nonblocking(fd: i32, on: bool) -> i32 {
    done(io::set_nonblocking(fd, on))
}

/// 1 or 0, or `-errno`.
#[napi(catch_unwind)]
pub fn sys_is_nonblocking(fd: i32) -> i32 {
    io::is_nonblocking(fd).map_or_else(failure, i32::from)
}

/// What kind of file it is: a number of `src/io/kind.ts`, or `-errno`.
#[napi(catch_unwind)]
pub fn sys_kind(fd: i32) -> i32 {
    kind::kind(fd).map_or_else(failure, |kind| kind as i32)
}

/// `ppoll(2)` on triples of numbers: fd, events, and revents, which is written. A negative timeout waits for ever.
/// The number of descriptors with revents, or `-errno`.
#[napi(catch_unwind)]
pub fn sys_poll(#[napi(ts_arg_type = "Int32Array")] fds: View, timeout_ms: f64) -> i32 {
    count((|| {
        if timeout_ms.is_nan() {
            return Err(Errno::INVAL);
        }
        // What is negative or too long for a Duration waits for ever.
        let timeout = Duration::try_from_secs_f64(timeout_ms / 1e3).ok();
        let mut numbers = fds.numbers()?;
        let mut polled: Vec<libc::pollfd> = numbers
            .chunks_exact(3)
            .map(|triple| libc::pollfd { fd: triple[0], events: triple[1] as i16, revents: 0 })
            .collect();
        let ready = poll::poll(&mut polled, timeout)?;
        for (triple, polled) in numbers.chunks_exact_mut(3).zip(&polled) {
            triple[2] = i32::from(polled.revents);
        }
        fds.write_numbers(&numbers)?;
        Ok(ready)
    })())
}

/// `ioctl(2)` with a number: its result or `-errno`; `-ERANGE` for a number that could be an address.
#[napi(catch_unwind)]
pub fn sys_ioctl_number(fd: i32, request: u32, argument: f64) -> i32 {
    file::ioctl_number(fd, request, argument as i64).unwrap_or_else(failure)
}

/// `ioctl(2)` with memory, which is read and written: its result or `-errno`; `-ERANGE` if the request needs more.
#[napi(catch_unwind)]
pub fn sys_ioctl_view(fd: i32, request: u32, #[napi(ts_arg_type = "ArrayBufferView")] view: View) -> i32 {
    // SAFETY: the memory was just looked up and no JavaScript runs before the call returns.
    view.bytes()
        .and_then(|bytes| unsafe { file::ioctl_bytes(fd, request, bytes.ptr, bytes.len) })
        .unwrap_or_else(failure)
}

/// How many bytes the request's number says it needs; 0 if it does not say.
#[napi(catch_unwind)]
pub fn sys_ioctl_size(request: u32) -> u32 {
    file::ioctl_size(request) as u32
}

/// Every constant of this platform.
#[napi(catch_unwind)]
pub fn sys_constants() -> HashMap<String, f64> {
    constants::constants().map(|(name, value)| (name.to_owned(), value as f64)).collect()
}
