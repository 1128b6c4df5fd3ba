//! The calls that carry the traffic, and those that every connection makes, on raw Node-API. `(fd, view, offset, length[,
//! flags[, block]])`, or `(fd, view)` for all of a view, gives a count or `-errno`. Arguments of a wrong type and shared memory are EINVAL, a part that does not lie inside the view ERANGE.

use asyncfd_core::sys::{Errno, Result, io, socket};
use napi::sys::{napi_callback_info, napi_env, napi_value};

use super::address::Block;
use super::view::View;
use crate::raw::{self, Bytes, Value};

/// Looks the arguments up and makes the call at once, on all of the view: no JavaScript runs between the two.
#[inline]
fn whole(fd: Value, view: Value, call: impl FnOnce(i32, Bytes) -> Result<usize>) -> i32 {
    match (fd.int32(), view.unshared_bytes()) {
        (Some(fd), Some(bytes)) => super::count(call(fd, bytes)),
        _ => super::failure(Errno::INVAL),
    }
}

/// As above, on a part of it.
#[inline]
fn transfer(
    fd: Value,
    view: Value,
    offset: Value,
    length: Value,
    call: impl FnOnce(i32, Bytes) -> Result<usize>,
) -> i32 {
    let (Some(offset), Some(length)) = (offset.index(), length.index()) else {
        return super::failure(Errno::INVAL);
    };
    whole(fd, view, |fd, bytes| call(fd, bytes.part(offset, length).ok_or(Errno::RANGE)?))
}

unsafe extern "C" fn read(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, view, offset, length]| {
        // SAFETY: the part lies inside the view's memory, which cannot change before the call returns.
        transfer(fd, view, offset, length, |fd, part| unsafe { io::read(fd, part.ptr, part.len) })
    })
}

unsafe extern "C" fn write(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, view, offset, length]| {
        // SAFETY: as in `read`.
        transfer(fd, view, offset, length, |fd, part| unsafe { io::write(fd, part.ptr, part.len) })
    })
}

unsafe extern "C" fn recv(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, view, offset, length, flags]| {
        let Some(flags) = flags.int32() else { return super::failure(Errno::INVAL) };
        // SAFETY: as in `read`.
        transfer(fd, view, offset, length, |fd, part| unsafe { socket::recv(fd, part.ptr, part.len, flags) })
    })
}

unsafe extern "C" fn send(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, view, offset, length, flags]| {
        let Some(flags) = flags.int32() else { return super::failure(Errno::INVAL) };
        // SAFETY: as in `read`.
        transfer(fd, view, offset, length, |fd, part| unsafe { socket::send(fd, part.ptr, part.len, flags) })
    })
}

unsafe extern "C" fn write_view(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, view]| {
        // SAFETY: as in `read`, where the part is all of it.
        whole(fd, view, |fd, bytes| unsafe { io::write(fd, bytes.ptr, bytes.len) })
    })
}

unsafe extern "C" fn send_view(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, view]| {
        // SAFETY: as in `read`, where the part is all of it.
        whole(fd, view, |fd, bytes| unsafe { socket::send(fd, bytes.ptr, bytes.len, 0) })
    })
}

unsafe extern "C" fn recv_from(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, view, offset, length, flags, block]| {
        let Some(flags) = flags.int32() else { return super::failure(Errno::INVAL) };
        transfer(fd, view, offset, length, |fd, part| {
            let block = block.bytes().ok_or(Errno::INVAL).and_then(Block::new)?;
            // SAFETY: as in `read`.
            let (count, from) = unsafe { socket::recv_from(fd, part.ptr, part.len, flags)? };
            block.write(from.as_ref())?;
            Ok(count)
        })
    })
}

unsafe extern "C" fn send_to(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, view, offset, length, flags, block]| {
        let Some(flags) = flags.int32() else { return super::failure(Errno::INVAL) };
        transfer(fd, view, offset, length, |fd, part| {
            let to = block.bytes().ok_or(Errno::INVAL).and_then(Block::new)?.read()?;
            // SAFETY: as in `read`.
            unsafe { socket::send_to(fd, part.ptr, part.len, flags, &to) }
        })
    })
}

/// `(fd[, block])`: a descriptor or `-errno`; the peer's address is asked for only if there is a block.
unsafe extern "C" fn accept(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, block]| {
        let Some(fd) = fd.int32() else { return super::failure(Errno::INVAL) };
        super::descriptor((|| {
            let Some(bytes) = block.bytes() else { return socket::accept(fd, None) };
            let (block, mut peer) = (Block::new(bytes)?, None);
            let accepted = socket::accept(fd, Some(&mut peer))?;
            block.write(peer.as_ref())?;
            Ok(accepted)
        })())
    })
}

unsafe extern "C" fn close(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd]| {
        fd.int32().map_or(super::failure(Errno::INVAL), |fd| super::done(io::close(fd)))
    })
}

unsafe extern "C" fn set_socket_option(env: napi_env, info: napi_callback_info) -> napi_value {
    raw::call(env, info, |[fd, level, name, view]| {
        let (Some(fd), Some(level), Some(name)) = (fd.int32(), level.int32(), name.int32()) else {
            return super::failure(Errno::INVAL);
        };
        super::done(View::new(view).copy().and_then(|value| socket::set_option(fd, level, name, &value)))
    })
}

pub fn export(env: napi_env, exports: napi_value) -> napi::Result<()> {
    raw::export(env, exports, c"sysRead", Some(read))?;
    raw::export(env, exports, c"sysWrite", Some(write))?;
    raw::export(env, exports, c"sysRecv", Some(recv))?;
    raw::export(env, exports, c"sysSend", Some(send))?;
    raw::export(env, exports, c"sysAccept", Some(accept))?;
    raw::export(env, exports, c"sysClose", Some(close))?;
    raw::export(env, exports, c"sysSetSocketOption", Some(set_socket_option))?;
    raw::export(env, exports, c"sysWriteView", Some(write_view))?;
    raw::export(env, exports, c"sysSendView", Some(send_view))?;
    raw::export(env, exports, c"sysRecvFrom", Some(recv_from))?;
    raw::export(env, exports, c"sysSendTo", Some(send_to))
}
