//! Bytes in and out of any descriptor, and the life of descriptors: close, dup, pipe, O_NONBLOCK.

use std::cell::Cell;

use super::{Errno, OwnedFd, RawFd, Result, check, created, last_errno, raw, retry};

/// read(2).
///
/// # Safety
/// `ptr` is valid for writes of `len` bytes until the call returns.
#[inline]
pub unsafe fn read(fd: RawFd, ptr: *mut u8, len: usize) -> Result<usize> {
    // SAFETY: the caller vouches for the memory.
    retry(|| unsafe { raw::read(fd, ptr, len) })
}

/// write(2). A pipe without a reader answers EPIPE; that no SIGPIPE comes with it is the process's business (Node
/// ignores the signal).
///
/// # Safety
/// `ptr` is valid for reads of `len` bytes until the call returns.
#[inline]
pub unsafe fn write(fd: RawFd, ptr: *const u8, len: usize) -> Result<usize> {
    // SAFETY: the caller vouches for the memory.
    retry(|| unsafe { raw::write(fd, ptr, len) })
}

/// [`read`] into memory that JavaScript may look at.
pub fn read_into(fd: RawFd, memory: &[Cell<u8>]) -> Result<usize> {
    // SAFETY: the memory is borrowed for the call, and cells may be written to.
    unsafe { read(fd, memory.as_ptr().cast_mut().cast(), memory.len()) }
}

/// As above, by recv(2).
pub fn recv_into(fd: RawFd, memory: &[Cell<u8>]) -> Result<usize> {
    // SAFETY: as above.
    unsafe { super::socket::recv(fd, memory.as_ptr().cast_mut().cast(), memory.len(), 0) }
}

/// The most buffers that one readv, writev, recvmsg or sendmsg takes (IOV_MAX here and on every system we know).
pub const MAX_BUFFERS: usize = 1024;

/// readv(2).
///
/// # Safety
/// Every buffer is valid for writes until the call returns.
pub unsafe fn readv(fd: RawFd, buffers: &[libc::iovec]) -> Result<usize> {
    let count = buffer_count(buffers)?;
    // SAFETY: the caller vouches for the memory; `count` is the length of the slice.
    retry(|| unsafe { libc::readv(fd, buffers.as_ptr(), count) })
}

/// writev(2).
///
/// # Safety
/// Every buffer is valid for reads until the call returns.
pub unsafe fn writev(fd: RawFd, buffers: &[libc::iovec]) -> Result<usize> {
    let count = buffer_count(buffers)?;
    // SAFETY: the caller vouches for the memory; `count` is the length of the slice.
    retry(|| unsafe { libc::writev(fd, buffers.as_ptr(), count) })
}

pub(super) fn buffer_count(buffers: &[libc::iovec]) -> Result<libc::c_int> {
    if buffers.len() > MAX_BUFFERS { Err(Errno::INVAL) } else { Ok(buffers.len() as libc::c_int) }
}

/// close(2). Never retried: after EINTR the number is free already, and may by now be another thread's.
pub fn close(fd: RawFd) -> Result<()> {
    // SAFETY: closing a number that JavaScript holds touches no memory of ours.
    if unsafe { libc::close(fd) } == 0 {
        return Ok(());
    }
    match last_errno() {
        Errno::INTR | Errno::INPROGRESS => Ok(()),
        errno => Err(errno),
    }
}

/// A second number for the same open file, close-on-exec. It shares O_NONBLOCK with the first one, so that is left as
/// it is.
pub fn dup(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes an int and touches no memory of ours.
    created(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })
}

/// A pipe: the end to read, the end to write.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    #[cfg(not(target_vendor = "apple"))]
    {
        use rustix::pipe::{PipeFlags, pipe_with};
        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
    }
    #[cfg(target_vendor = "apple")]
    {
        let (reader, writer) = rustix::pipe::pipe()?;
        Ok((super::prepare(reader)?, super::prepare(writer)?))
    }
}

/// Sets or clears O_NONBLOCK of the open file, for everyone who shares it.
pub fn set_nonblocking(fd: RawFd, on: bool) -> Result<()> {
    let flags = status_flags(fd)?;
    let wanted = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    if wanted != flags {
        // SAFETY: F_SETFL takes an int and touches no memory of ours.
        check(unsafe { libc::fcntl(fd, libc::F_SETFL, wanted) })?;
    }
    Ok(())
}

pub fn is_nonblocking(fd: RawFd) -> Result<bool> {
    Ok(status_flags(fd)? & libc::O_NONBLOCK != 0)
}

fn status_flags(fd: RawFd) -> Result<libc::c_int> {
    // SAFETY: F_GETFL takes no argument and touches no memory of ours.
    check(unsafe { libc::fcntl(fd, libc::F_GETFL) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_pipe_carries_bytes_and_says_eagain_when_empty() {
        let (reader, writer) = pipe().unwrap();
        let mut buffer = [0u8; 8];
        // SAFETY: the arrays live through the calls.
        unsafe {
            assert_eq!(read(reader.as_raw_fd(), buffer.as_mut_ptr(), 8), Err(Errno::AGAIN));
            assert_eq!(write(writer.as_raw_fd(), b"hello".as_ptr(), 5), Ok(5));
            assert_eq!(read(reader.as_raw_fd(), buffer.as_mut_ptr(), 8), Ok(5));
        }
        assert_eq!(&buffer[..5], b"hello");
    }

    #[test]
    fn a_negative_descriptor_is_ebadf() {
        assert_eq!(close(-1), Err(Errno::BADF));
        assert_eq!(dup(-1).unwrap_err(), Errno::BADF);
        assert_eq!(is_nonblocking(-1), Err(Errno::BADF));
    }
}
