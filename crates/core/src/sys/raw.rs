//! The calls that carry the traffic, past the C library: in a process with threads it makes each of them a point at
//! which the thread can be cancelled, which nobody here does, and which costs some 50 ns. The result is C's: -1, with errno.

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod direct {
    use libc::{c_int, c_long, sockaddr, socklen_t, syscall};

    pub unsafe fn read(fd: c_int, ptr: *mut u8, len: usize) -> isize {
        // SAFETY: the caller's, as are those below: the arguments are the system call's own.
        unsafe { syscall(libc::SYS_read, c_long::from(fd), ptr, len) as isize }
    }

    pub unsafe fn write(fd: c_int, ptr: *const u8, len: usize) -> isize {
        // SAFETY: as above.
        unsafe { syscall(libc::SYS_write, c_long::from(fd), ptr, len) as isize }
    }

    pub unsafe fn recv_from(
        fd: c_int,
        ptr: *mut u8,
        len: usize,
        flags: c_int,
        from: *mut sockaddr,
        from_len: *mut socklen_t,
    ) -> isize {
        // SAFETY: as above.
        unsafe {
            syscall(libc::SYS_recvfrom, c_long::from(fd), ptr, len, c_long::from(flags), from, from_len)
                as isize
        }
    }

    pub unsafe fn send_to(
        fd: c_int,
        ptr: *const u8,
        len: usize,
        flags: c_int,
        to: *const sockaddr,
        to_len: socklen_t,
    ) -> isize {
        // SAFETY: as above.
        unsafe {
            syscall(libc::SYS_sendto, c_long::from(fd), ptr, len, c_long::from(flags), to, to_len as usize)
                as isize
        }
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod direct {
    use libc::{c_int, sockaddr, socklen_t};

    pub unsafe fn read(fd: c_int, ptr: *mut u8, len: usize) -> isize {
        // SAFETY: the caller's, as are those below.
        unsafe { libc::read(fd, ptr.cast(), len) }
    }

    pub unsafe fn write(fd: c_int, ptr: *const u8, len: usize) -> isize {
        // SAFETY: as above.
        unsafe { libc::write(fd, ptr.cast(), len) }
    }

    pub unsafe fn recv_from(
        fd: c_int,
        ptr: *mut u8,
        len: usize,
        flags: c_int,
        from: *mut sockaddr,
        from_len: *mut socklen_t,
    ) -> isize {
        // SAFETY: as above.
        unsafe { libc::recvfrom(fd, ptr.cast(), len, flags, from, from_len) }
    }

    pub unsafe fn send_to(
        fd: c_int,
        ptr: *const u8,
        len: usize,
        flags: c_int,
        to: *const sockaddr,
        to_len: socklen_t,
    ) -> isize {
        // SAFETY: as above.
        unsafe { libc::sendto(fd, ptr.cast(), len, flags, to, to_len) }
    }
}

pub(super) use direct::{read, recv_from, send_to, write};
