//! The four calls that carry the traffic, past the C library: in a process with threads it makes each of them a point at
//! which the thread can be cancelled, which nobody here does, and which costs some 50 ns. The result is C's: -1, with errno.

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod direct {
    use libc::{c_int, c_long, c_void, syscall};

    pub unsafe fn read(fd: c_int, ptr: *mut u8, len: usize) -> isize {
        // SAFETY: the caller's, as are those below: the arguments are the system call's own.
        unsafe { syscall(libc::SYS_read, c_long::from(fd), ptr, len) as isize }
    }

    pub unsafe fn write(fd: c_int, ptr: *const u8, len: usize) -> isize {
        // SAFETY: as above.
        unsafe { syscall(libc::SYS_write, c_long::from(fd), ptr, len) as isize }
    }

    pub unsafe fn recv(fd: c_int, ptr: *mut u8, len: usize, flags: c_int) -> isize {
        let nowhere = std::ptr::null_mut::<c_void>();
        // SAFETY: as above; the address is not asked for.
        unsafe {
            syscall(libc::SYS_recvfrom, c_long::from(fd), ptr, len, c_long::from(flags), nowhere, nowhere)
                as isize
        }
    }

    pub unsafe fn send(fd: c_int, ptr: *const u8, len: usize, flags: c_int) -> isize {
        let nowhere = std::ptr::null::<c_void>();
        // SAFETY: as above; there is no address.
        unsafe {
            syscall(libc::SYS_sendto, c_long::from(fd), ptr, len, c_long::from(flags), nowhere, 0usize)
                as isize
        }
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod direct {
    use libc::c_int;

    pub unsafe fn read(fd: c_int, ptr: *mut u8, len: usize) -> isize {
        // SAFETY: the caller's, as are those below.
        unsafe { libc::read(fd, ptr.cast(), len) }
    }

    pub unsafe fn write(fd: c_int, ptr: *const u8, len: usize) -> isize {
        // SAFETY: as above.
        unsafe { libc::write(fd, ptr.cast(), len) }
    }

    pub unsafe fn recv(fd: c_int, ptr: *mut u8, len: usize, flags: c_int) -> isize {
        // SAFETY: as above.
        unsafe { libc::recv(fd, ptr.cast(), len, flags) }
    }

    pub unsafe fn send(fd: c_int, ptr: *const u8, len: usize, flags: c_int) -> isize {
        // SAFETY: as above.
        unsafe { libc::send(fd, ptr.cast(), len, flags) }
    }
}

pub(super) use direct::{read, recv, send, write};
