//! Sockets. An address travels in a block (see `address`).

use asyncfd_core::sys::{IntoRawFd, socket};
use napi_derive::napi;

use super::view::View;
use super::{address, count, descriptor, done, failure};

/// `socket(2)`: a descriptor or `-errno`.
#[napi(catch_unwind)]
pub fn sys_socket(domain: i32, kind: i32, protocol: i32) -> i32 {
    descriptor(socket::socket(domain, kind, protocol))
}

/// `socketpair(2)`: writes both numbers to `fds`; 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_socketpair(
    domain: i32,
    kind: i32,
    protocol: i32,
    #[napi(ts_arg_type = "Int32Array")] fds: View,
) -> i32 {
    super::descriptor::pair(&fds, || socket::socketpair(domain, kind, protocol))
}

/// `bind(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_bind(fd: i32, #[napi(ts_arg_type = "Uint8Array")] block: View) -> i32 {
    done(address::read(&block).and_then(|address| socket::bind(fd, &address)))
}

/// `listen(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_listen(fd: i32, backlog: i32) -> i32 {
    done(socket::listen(fd, backlog))
}

/// `connect(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_connect(fd: i32, #[napi(ts_arg_type = "Uint8Array")] block: View) -> i32 {
    done(address::read(&block).and_then(|address| socket::connect(fd, &address)))
}

/// `accept4(2)`: writes the peer's address; a descriptor or `-errno`.
#[napi(catch_unwind)]
pub fn sys_accept(fd: i32, #[napi(ts_arg_type = "Uint8Array")] block: View) -> i32 {
    let accepted =
        address::check_room(&block).and_then(|()| socket::accept(fd)).and_then(|(socket, peer)| {
            address::write(&block, peer.as_ref())?;
            Ok(socket)
        });
    accepted.map_or_else(failure, IntoRawFd::into_raw_fd)
}

/// `shutdown(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_shutdown(fd: i32, how: i32) -> i32 {
    done(socket::shutdown(fd, how))
}

/// `getsockname(2)`: writes the address; 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_local_address(fd: i32, #[napi(ts_arg_type = "Uint8Array")] block: View) -> i32 {
    done(socket::local_address(fd).and_then(|address| address::write(&block, address.as_ref())))
}

/// `getpeername(2)`: writes the address; 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_remote_address(fd: i32, #[napi(ts_arg_type = "Uint8Array")] block: View) -> i32 {
    done(socket::remote_address(fd).and_then(|address| address::write(&block, address.as_ref())))
}

/// `recvfrom(2)`: writes the sender's address; a count or `-errno`.
#[napi(catch_unwind)]
pub fn sys_recv_from(
    fd: i32,
    #[napi(ts_arg_type = "ArrayBufferView")] view: View,
    offset: f64,
    length: f64,
    flags: i32,
    #[napi(ts_arg_type = "Uint8Array")] block: View,
) -> i32 {
    count((|| {
        address::check_room(&block)?;
        let part = view.part(offset, length)?;
        // SAFETY: the memory was just looked up and no JavaScript runs before the call returns.
        let (received, from) = unsafe { socket::recv_from(fd, part.ptr, part.len, flags)? };
        address::write(&block, from.as_ref())?;
        Ok(received)
    })())
}

/// `sendto(2)` with `MSG_NOSIGNAL`: a count or `-errno`.
#[napi(catch_unwind)]
pub fn sys_send_to(
    fd: i32,
    #[napi(ts_arg_type = "ArrayBufferView")] view: View,
    offset: f64,
    length: f64,
    flags: i32,
    #[napi(ts_arg_type = "Uint8Array")] block: View,
) -> i32 {
    count((|| {
        let to = address::read(&block)?;
        let part = view.part(offset, length)?;
        // SAFETY: as in `sys_recv_from`.
        unsafe { socket::send_to(fd, part.ptr, part.len, flags, &to) }
    })())
}

/// `getsockopt(2)`: writes the value to the view; its length or `-errno`.
#[napi(catch_unwind)]
pub fn sys_get_socket_option(
    fd: i32,
    level: i32,
    name: i32,
    #[napi(ts_arg_type = "ArrayBufferView")] view: View,
) -> i32 {
    count((|| {
        let mut value = view.copy()?;
        let len = socket::get_option(fd, level, name, &mut value)?;
        view.write(&value[..len])?;
        Ok(len)
    })())
}

/// `setsockopt(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_set_socket_option(
    fd: i32,
    level: i32,
    name: i32,
    #[napi(ts_arg_type = "ArrayBufferView")] view: View,
) -> i32 {
    done(view.copy().and_then(|value| socket::set_option(fd, level, name, &value)))
}
