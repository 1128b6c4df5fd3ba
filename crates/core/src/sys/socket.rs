//! Sockets: making them, naming them, and bytes with flags and addresses.

use std::mem::size_of_val;
use std::ptr::{null, null_mut};

use super::address::{Address, RawAddress};
use super::{Errno, OwnedFd, RawFd, Result, check, created, io, last_errno, raw, retry};

#[cfg(not(target_vendor = "apple"))]
mod create {
    /// Added to the type of a new socket.
    pub const TYPE: libc::c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    /// Added to the flags of every send.
    pub const SEND: libc::c_int = libc::MSG_NOSIGNAL;

    pub fn finish(socket: super::OwnedFd) -> super::Result<super::OwnedFd> {
        Ok(socket)
    }
}

#[cfg(target_vendor = "apple")]
mod create {
    use std::os::fd::AsRawFd;

    pub const TYPE: libc::c_int = 0;
    pub const SEND: libc::c_int = 0;

    /// What the other systems do in the call that creates the socket; SIGPIPE is a property of the socket here.
    pub fn finish(socket: super::OwnedFd) -> super::Result<super::OwnedFd> {
        let socket = super::super::prepare(socket)?;
        super::set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NOSIGPIPE, &1i32.to_ne_bytes())?;
        Ok(socket)
    }
}

pub fn socket(domain: i32, kind: i32, protocol: i32) -> Result<OwnedFd> {
    // SAFETY: only numbers are passed.
    create::finish(created(unsafe { libc::socket(domain, kind | create::TYPE, protocol) })?)
}

pub fn socketpair(domain: i32, kind: i32, protocol: i32) -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: the array holds the two descriptors.
    check(unsafe { libc::socketpair(domain, kind | create::TYPE, protocol, fds.as_mut_ptr()) })?;
    let (a, b) = (created(fds[0])?, created(fds[1])?);
    Ok((create::finish(a)?, create::finish(b)?))
}

pub fn bind(fd: RawFd, address: &Address) -> Result<()> {
    let raw = address.encode()?;
    // SAFETY: the address outlives the call and is `len` bytes long.
    check(unsafe { libc::bind(fd, raw.as_ptr(), raw.size()) })?;
    Ok(())
}

pub fn listen(fd: RawFd, backlog: i32) -> Result<()> {
    // SAFETY: only numbers are passed.
    check(unsafe { libc::listen(fd, backlog) })?;
    Ok(())
}

/// connect(2). An interrupted one goes on by itself (POSIX), so EINTR is EINPROGRESS here.
pub fn connect(fd: RawFd, address: &Address) -> Result<()> {
    let raw = address.encode()?;
    // SAFETY: the address outlives the call and is `len` bytes long.
    match check(unsafe { libc::connect(fd, raw.as_ptr(), raw.size()) }) {
        Ok(_) => Ok(()),
        Err(Errno::INTR) => Err(Errno::INPROGRESS),
        Err(errno) => Err(errno),
    }
}

/// accept4(2); the peer's address, if it is asked for.
pub fn accept(fd: RawFd, peer: Option<&mut Option<Address>>) -> Result<OwnedFd> {
    let mut room = peer.is_some().then(RawAddress::room);
    let mut len = room.as_ref().map_or(0, RawAddress::size);
    let (address, size) =
        room.as_mut().map_or((null_mut(), null_mut()), |room| (room.as_mut_ptr(), &raw mut len));
    let accepted = retry(|| {
        // SAFETY: the address and its length outlive the call, and the length is that of the room; or there are none.
        #[cfg(not(target_vendor = "apple"))]
        let result = unsafe { libc::accept4(fd, address, size, create::TYPE) };
        // SAFETY: as above.
        #[cfg(target_vendor = "apple")]
        let result = unsafe { libc::accept(fd, address, size) };
        result as isize
    })?;
    let accepted = create::finish(created(accepted as libc::c_int)?)?;
    if let (Some(peer), Some(mut room)) = (peer, room) {
        *room.size_mut() = len;
        *peer = room.decode();
    }
    Ok(accepted)
}

pub fn shutdown(fd: RawFd, how: i32) -> Result<()> {
    // SAFETY: only numbers are passed.
    check(unsafe { libc::shutdown(fd, how) })?;
    Ok(())
}

pub fn local_address(fd: RawFd) -> Result<Option<Address>> {
    let mut address = RawAddress::room();
    let mut len = address.size();
    // SAFETY: the address and its length outlive the call, and the length is that of the room.
    check(unsafe { libc::getsockname(fd, address.as_mut_ptr(), &mut len) })?;
    *address.size_mut() = len;
    Ok(address.decode())
}

pub fn remote_address(fd: RawFd) -> Result<Option<Address>> {
    let mut address = RawAddress::room();
    let mut len = address.size();
    // SAFETY: the address and its length outlive the call, and the length is that of the room.
    check(unsafe { libc::getpeername(fd, address.as_mut_ptr(), &mut len) })?;
    *address.size_mut() = len;
    Ok(address.decode())
}

/// recv(2).
///
/// # Safety
/// `ptr` is valid for writes of `len` bytes until the call returns.
#[inline]
pub unsafe fn recv(fd: RawFd, ptr: *mut u8, len: usize, flags: i32) -> Result<usize> {
    let nowhere = null_mut();
    // SAFETY: the caller vouches for the memory; the address is not asked for.
    retry(|| unsafe { raw::recv_from(fd, ptr, len, flags, nowhere, null_mut()) })
}

/// send(2) without SIGPIPE.
///
/// # Safety
/// `ptr` is valid for reads of `len` bytes until the call returns.
#[inline]
pub unsafe fn send(fd: RawFd, ptr: *const u8, len: usize, flags: i32) -> Result<usize> {
    // SAFETY: the caller vouches for the memory; there is no address.
    retry(|| unsafe { raw::send_to(fd, ptr, len, flags | create::SEND, null(), 0) })
}

/// recvfrom(2).
///
/// # Safety
/// `ptr` is valid for writes of `len` bytes until the call returns.
pub unsafe fn recv_from(fd: RawFd, ptr: *mut u8, len: usize, flags: i32) -> Result<(usize, Option<Address>)> {
    let mut from = RawAddress::room();
    let mut from_len = from.size();
    // SAFETY: the caller vouches for the memory; the address and its length outlive the call.
    let count = retry(|| unsafe { raw::recv_from(fd, ptr, len, flags, from.as_mut_ptr(), &mut from_len) })?;
    *from.size_mut() = from_len;
    Ok((count, from.decode()))
}

/// sendto(2) without SIGPIPE.
///
/// # Safety
/// `ptr` is valid for reads of `len` bytes until the call returns.
pub unsafe fn send_to(fd: RawFd, ptr: *const u8, len: usize, flags: i32, to: &Address) -> Result<usize> {
    let to = to.encode()?;
    // SAFETY: the caller vouches for the memory; the address outlives the call.
    retry(|| unsafe { raw::send_to(fd, ptr, len, flags | create::SEND, to.as_ptr(), to.size()) })
}

/// getsockopt(2): how many bytes of `value` the option took.
pub fn get_option(fd: RawFd, level: i32, name: i32, value: &mut [u8]) -> Result<usize> {
    let mut len = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: `len` is the length of the value; both outlive the call.
    check(unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &mut len) })?;
    Ok((len as usize).min(value.len()))
}

/// setsockopt(2).
pub fn set_option(fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()> {
    let len = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: `len` is the length of the value, which outlives the call.
    check(unsafe { libc::setsockopt(fd, level, name, value.as_ptr().cast(), len) })?;
    Ok(())
}

/// A message to receive into buffers, with whatever comes along.
pub struct Received {
    pub count: usize,
    /// MSG_TRUNC, MSG_CTRUNC, MSG_EOR, MSG_ERRQUEUE, ...
    pub flags: i32,
    pub address: Option<Address>,
    /// How many bytes of the control memory the kernel wrote.
    pub control_len: usize,
}

/// recvmsg(2) with close-on-exec for every descriptor received. `control` is in words because control messages are
/// aligned structures.
///
/// # Safety
/// Every buffer is valid for writes until the call returns.
pub(super) unsafe fn recv_message(
    fd: RawFd,
    buffers: &[libc::iovec],
    control: &mut [u64],
    flags: i32,
) -> Result<Received> {
    io::buffer_count(buffers)?;
    let mut from = RawAddress::room();
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    #[cfg(not(target_vendor = "apple"))]
    let flags = flags | libc::MSG_CMSG_CLOEXEC;
    let count = loop {
        message.msg_name = from.as_mut_ptr().cast();
        message.msg_namelen = from.size();
        message.msg_iov = buffers.as_ptr().cast_mut();
        message.msg_iovlen = buffers.len() as _;
        if !control.is_empty() {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = size_of_val(control) as _;
        }
        // SAFETY: the caller vouches for the buffers; name and control outlive the call and have the stated lengths.
        match usize::try_from(unsafe { libc::recvmsg(fd, &mut message, flags) }) {
            Ok(count) => break count,
            Err(_) => match last_errno() {
                Errno::INTR => {}
                errno => return Err(errno),
            },
        }
    };
    *from.size_mut() = message.msg_namelen;
    let control_len = if control.is_empty() { 0 } else { message.msg_controllen as usize };
    Ok(Received { count, flags: message.msg_flags, address: from.decode(), control_len })
}

/// sendmsg(2) without SIGPIPE.
///
/// # Safety
/// Every buffer is valid for reads until the call returns.
pub(super) unsafe fn send_message(
    fd: RawFd,
    buffers: &[libc::iovec],
    control: &mut [u64],
    control_len: usize,
    flags: i32,
    to: Option<&Address>,
) -> Result<usize> {
    io::buffer_count(buffers)?;
    let mut to = to.map(Address::encode).transpose()?;
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(to) = &mut to {
        message.msg_name = to.as_mut_ptr().cast();
        message.msg_namelen = to.size();
    }
    message.msg_iov = buffers.as_ptr().cast_mut();
    message.msg_iovlen = buffers.len() as _;
    if control_len > 0 {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control_len as _;
    }
    // SAFETY: the caller vouches for the buffers; name and control outlive the call and have the stated lengths.
    retry(|| unsafe { libc::sendmsg(fd, &message, flags | create::SEND) })
}
