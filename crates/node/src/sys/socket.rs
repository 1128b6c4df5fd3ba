//! Sockets. An address travels in a block (see `address`).

use asyncfd_core::sys::address::Address;
use asyncfd_core::sys::{Result, socket};
use napi_derive::napi;

use super::view::View;
use super::{count, descriptor, done};

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
    done(block.block().and_then(|block| block.read()).and_then(|address| socket::bind(fd, &address)))
}

/// `listen(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_listen(fd: i32, backlog: i32) -> i32 {
    done(socket::listen(fd, backlog))
}

/// `connect(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_connect(fd: i32, #[napi(ts_arg_type = "Uint8Array")] block: View) -> i32 {
    done(block.block().and_then(|block| block.read()).and_then(|address| socket::connect(fd, &address)))
}

/// `shutdown(2)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_shutdown(fd: i32, how: i32) -> i32 {
    done(socket::shutdown(fd, how))
}

fn name(block: &View, ask: impl FnOnce() -> Result<Option<Address>>) -> i32 {
    done(block.block().and_then(|block| block.write(ask()?.as_ref())))
}

/// `getsockname(2)`: writes the address; 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_local_address(fd: i32, #[napi(ts_arg_type = "Uint8Array")] block: View) -> i32 {
    name(&block, || socket::local_address(fd))
}

/// `getpeername(2)`: writes the address; 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_remote_address(fd: i32, #[napi(ts_arg_type = "Uint8Array")] block: View) -> i32 {
    name(&block, || socket::remote_address(fd))
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
