//! Non-blocking system calls on raw descriptors. One file per family.
//!
//! Rules of the room: whatever creates a descriptor makes it close-on-exec and non-blocking, in the same call where
//! the kernel can; EINTR is retried by everything but close; a socket never raises SIGPIPE; failures are an [`Errno`].
//! Descriptors come in as plain numbers, because JavaScript holds numbers: a wrong one is the kernel's EBADF.
//! Descriptors go out as `OwnedFd`, so that a failure half-way leaks none.

pub mod address;
pub mod constants;
pub mod control;
pub mod datagrams;
pub mod file;
pub mod io;
pub mod kind;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod poll;
mod raw;
pub mod socket;
pub mod tty;

pub use rustix::io::Errno;
pub use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use std::os::fd::AsRawFd;

pub type Result<T> = std::result::Result<T, Errno>;

/// The errno of the C library call that just failed on this thread.
fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// The result of a C call that says -1 for failure.
fn check(result: libc::c_int) -> Result<libc::c_int> {
    if result < 0 { Err(last_errno()) } else { Ok(result) }
}

/// Makes the call again for as long as a signal interrupts it.
#[inline]
fn retry(mut call: impl FnMut() -> isize) -> Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_) => match last_errno() {
                Errno::INTR => {}
                errno => return Err(errno),
            },
        }
    }
}

/// Takes over the descriptor that a C call has just created.
fn created(result: libc::c_int) -> Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Close-on-exec and non-blocking, for kernels that cannot create a descriptor that way.
#[cfg_attr(not(target_vendor = "apple"), allow(dead_code))]
fn prepare(fd: OwnedFd) -> Result<OwnedFd> {
    set_cloexec(fd.as_raw_fd())?;
    io::set_nonblocking(fd.as_raw_fd(), true)?;
    Ok(fd)
}

#[cfg_attr(target_os = "linux", allow(dead_code))]
fn set_cloexec(fd: RawFd) -> Result<()> {
    // SAFETY: F_SETFD takes an int and touches no memory of ours.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(())
}
