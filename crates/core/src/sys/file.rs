//! Files by name, and ioctl.

use std::ffi::CStr;

use super::{Errno, OwnedFd, RawFd, Result, created, retry};

/// Without it a 32-bit system refuses files of 2 GiB and more. Elsewhere it is 0 or does not exist.
#[cfg(target_os = "linux")]
const LARGE: libc::c_int = libc::O_LARGEFILE;
#[cfg(not(target_os = "linux"))]
const LARGE: libc::c_int = 0;

/// open(2), always close-on-exec, non-blocking and without becoming the controlling terminal.
pub fn open(path: &CStr, flags: i32, mode: u32) -> Result<OwnedFd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY | LARGE;
    // SAFETY: the path is NUL-terminated; the mode is passed as the unsigned int that a variadic argument must be.
    let fd = retry(|| unsafe { libc::open(path.as_ptr(), flags, mode as libc::c_uint) } as isize)?;
    created(fd as libc::c_int)
}

/// mkfifo(3).
pub fn mkfifo(path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    retry(|| unsafe { libc::mkfifo(path.as_ptr(), mode as libc::mode_t) } as isize)?;
    Ok(())
}

/// How many bytes the request says it reads or writes; 0 where its number does not say.
pub fn ioctl_size(request: u32) -> usize {
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    let (pointer, size) = (request & 0xc000_0000 != 0, (request >> 16) & 0x1fff);
    #[cfg(all(
        target_os = "linux",
        any(
            target_arch = "powerpc",
            target_arch = "powerpc64",
            target_arch = "mips",
            target_arch = "mips64"
        )
    ))]
    let (pointer, size) = (request & 0xc000_0000 != 0, (request >> 16) & 0x1fff);
    #[cfg(all(
        target_os = "linux",
        not(any(
            target_arch = "powerpc",
            target_arch = "powerpc64",
            target_arch = "mips",
            target_arch = "mips64"
        ))
    ))]
    let (pointer, size) = (request & 0xc000_0000 != 0, (request >> 16) & 0x3fff);
    if pointer { size as usize } else { 0 }
}

/// The numbers that may stand for an ioctl's argument: none of them can be the address of anything, so that a request
/// which takes a pointer answers EFAULT instead of writing there. (The first 64 KiB are never mapped. With 64 bits
/// negative numbers are the kernel's half; with 32 a program may have all but the last page.)
pub const IOCTL_NUMBERS: std::ops::RangeInclusive<i64> =
    if cfg!(target_pointer_width = "32") { -4095 } else { i32::MIN as i64 }..=0xffff;

/// ioctl(2) with a number for its argument.
pub fn ioctl_number(fd: RawFd, request: u32, argument: i64) -> Result<i32> {
    if !IOCTL_NUMBERS.contains(&argument) {
        return Err(Errno::RANGE);
    }
    // SAFETY: by the check above the argument is no valid address, whatever the request makes of it.
    let result = retry(|| unsafe { libc::ioctl(fd, request as _, argument as libc::c_long) } as isize)?;
    Ok(result as i32)
}

/// Room for the largest request: sizes are at most 14 bits, and older requests with larger structures are rare.
const SCRATCH_BYTES: usize = 16 * 1024;

/// The most bytes an ioctl may take.
pub const MAX_IOCTL_BYTES: usize = 16 * 1024 * 1024;

/// ioctl(2) with memory for its argument. The kernel works on a copy that is larger than any size a request can
/// state, so one that is larger than `bytes` cannot run past the end of the caller's memory.
///
/// # Safety
/// `ptr` is valid for reads and writes of `len` bytes until the call returns.
pub unsafe fn ioctl_bytes(fd: RawFd, request: u32, ptr: *mut u8, len: usize) -> Result<i32> {
    if len < ioctl_size(request) || len > MAX_IOCTL_BYTES {
        return Err(Errno::RANGE);
    }
    // In words, so that every structure is aligned.
    let mut scratch = vec![0u64; len.max(SCRATCH_BYTES).div_ceil(8)];
    let scratch = scratch.as_mut_ptr().cast::<u8>();
    if len > 0 {
        // SAFETY: both regions hold `len` bytes and are distinct.
        unsafe { std::ptr::copy_nonoverlapping(ptr, scratch, len) };
    }
    // SAFETY: the scratch memory outlives the call; that the request fits it is as sure as ioctl can make it.
    let result = retry(|| unsafe { libc::ioctl(fd, request as _, scratch) } as isize);
    if len > 0 {
        // SAFETY: as for the copy in.
        unsafe { std::ptr::copy_nonoverlapping(scratch, ptr, len) };
    }
    Ok(result? as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_number_that_could_be_an_address_never_reaches_the_kernel() {
        let (reader, _writer) = super::super::io::pipe().unwrap();
        let target = Box::new(0u64);
        let address = &raw const *target as usize;
        for number in [address as i64, address as isize as i64] {
            assert_eq!(ioctl_number(reader.as_raw_fd(), libc::FIONREAD as u32, number), Err(Errno::RANGE));
        }
        assert_eq!(ioctl_number(reader.as_raw_fd(), libc::FIONREAD as u32, 0x10000), Err(Errno::RANGE));
        assert_eq!(ioctl_number(reader.as_raw_fd(), libc::FIONREAD as u32, 0xffff), Err(Errno::FAULT));
        assert_eq!(ioctl_number(reader.as_raw_fd(), libc::FIONREAD as u32, -1), Err(Errno::FAULT));
    }

    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn the_size_is_read_out_of_the_request() {
        assert_eq!(ioctl_size(0x8004_5430), 4); // TIOCGPTN: _IOR('T', 0x30, unsigned int)
        assert_eq!(ioctl_size(0x5413), 0); // TIOCGWINSZ says nothing
    }
}
