//! System calls for JavaScript. What returns only a number returns `-errno` on failure; results with more to them are
//! written to memory that the caller passes, so that nothing can fail between the system call and the answer.

pub mod hot;

mod address;
mod datagrams;
mod descriptor;
mod file;
#[cfg(target_os = "linux")]
mod linux;
mod message;
mod socket;
mod tty;
mod view;

use asyncfd_core::sys::{Errno, IntoRawFd, OwnedFd, Result};

/// `-errno`, or the count.
fn count(result: Result<usize>) -> i32 {
    match result {
        Ok(count) => i32::try_from(count).unwrap_or(i32::MAX),
        Err(errno) => failure(errno),
    }
}

/// `-errno`, or the number of the descriptor, which is JavaScript's from now on.
fn descriptor(result: Result<OwnedFd>) -> i32 {
    result.map_or_else(failure, IntoRawFd::into_raw_fd)
}

/// `-errno`, or 0.
fn done(result: Result<()>) -> i32 {
    result.map_or_else(failure, |()| 0)
}

fn failure(errno: Errno) -> i32 {
    -errno.raw_os_error()
}
