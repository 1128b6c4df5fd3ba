//! recvmsg and sendmsg. Control messages travel one behind the other as level, type and length (32 bits each) and the
//! data, padded to a multiple of four.

use asyncfd_core::sys::control::{self, Control, MAX_FDS};
use asyncfd_core::sys::{Errno, IntoRawFd, Result};
use napi::bindgen_prelude::{Either, Null};
use napi_derive::napi;

use super::count;
use super::view::{View, Views};

const HEADER: usize = 3 * 4;

/// `recvmsg(2)`. Writes descriptors to `fds` (as many as there is room for are taken), other control messages to
/// `control`, the sender to `block`, and to `meta` the flags, the number of descriptors and the length of the control
/// messages. A count or `-errno`.
#[napi(catch_unwind)]
pub fn sys_recv_msg(
    fd: i32,
    #[napi(ts_arg_type = "ReadonlyArray<ArrayBufferView>")] views: Views,
    flags: i32,
    #[napi(ts_arg_type = "Int32Array")] fds: View,
    #[napi(ts_arg_type = "Uint8Array")] control: View,
    #[napi(ts_arg_type = "Uint8Array")] block: View,
    #[napi(ts_arg_type = "Int32Array")] meta: View,
) -> i32 {
    count((|| {
        // Getters of the array may run JavaScript: everything else is looked at after them.
        let vectors = views.vectors()?;
        let block = block.block()?;
        meta.bytes()?.part(0, 12).ok_or(Errno::RANGE)?;
        let max_fds = (fds.bytes()?.len / 4).min(MAX_FDS);
        let control_len = control.bytes()?.len;
        // SAFETY: the memory was just looked up and no JavaScript runs before the call returns.
        let message = unsafe { control::recv_msg(fd, &vectors, max_fds, control_len, flags)? };
        let packed = pack(&message.control);
        block.write(message.address.as_ref())?;
        control.write(&packed)?;
        meta.write_numbers(&[message.flags, message.fds.len() as i32, packed.len() as i32])?;
        // From here on they are JavaScript's; the room for them was there from the start.
        let numbers: Vec<i32> = message.fds.into_iter().map(IntoRawFd::into_raw_fd).collect();
        fds.write_numbers(&numbers)?;
        Ok(message.count)
    })())
}

/// `sendmsg(2)` with `MSG_NOSIGNAL`: a count or `-errno`.
#[napi(catch_unwind)]
pub fn sys_send_msg(
    fd: i32,
    #[napi(ts_arg_type = "ReadonlyArray<ArrayBufferView>")] views: Views,
    flags: i32,
    #[napi(ts_arg_type = "Int32Array")] fds: View,
    #[napi(ts_arg_type = "Uint8Array")] control: View,
    #[napi(ts_arg_type = "Uint8Array | null")] block: Either<Null, View>,
) -> i32 {
    count((|| {
        let vectors = views.vectors()?;
        let fds = fds.numbers()?;
        let control = unpack(&control.copy()?)?;
        let to = match &block {
            Either::A(Null) => None,
            Either::B(block) => Some(block.block()?.read()?),
        };
        // SAFETY: the memory was just looked up and no JavaScript runs before the call returns.
        unsafe { control::send_msg(fd, &vectors, &fds, &control, flags, to.as_ref()) }
    })())
}

/// Never longer than the kernel's own form, whose header is at least as large and whose alignment is no finer.
fn pack(messages: &[Control]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        for word in [message.level, message.kind, message.data.len() as i32] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(&message.data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn unpack(mut bytes: &[u8]) -> Result<Vec<Control>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or(Errno::INVAL)?;
        let word =
            |at: usize| i32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let len = usize::try_from(word(8)).map_err(|_| Errno::INVAL)?;
        let data = rest.get(..len).ok_or(Errno::INVAL)?.to_vec();
        messages.push(Control { level: word(0), kind: word(4), data });
        bytes = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(messages)
}
