//! recvmmsg and sendmmsg. Each datagram has a block for its address, one behind the other.

use asyncfd_core::sys::datagrams::{self, MAX, Outgoing};
use asyncfd_core::sys::{Errno, Result};
use napi_derive::napi;

use super::address::Block;
use super::count;
use super::view::{View, Views};

/// Receives at most `max` datagrams, `stride` bytes of `memory` for each. Writes how long each is to `lengths`, and who
/// sent it to `blocks`: how many came, or `-errno`.
#[napi(catch_unwind)]
pub fn sys_recv_many(
    fd: i32,
    #[napi(ts_arg_type = "Uint8Array")] memory: View,
    stride: u32,
    max: u32,
    #[napi(ts_arg_type = "Int32Array")] lengths: View,
    #[napi(ts_arg_type = "Uint8Array")] blocks: View,
) -> i32 {
    count((|| {
        let (memory, blocks) = (memory.bytes()?, blocks.bytes()?);
        let (stride, max) = (stride as usize, (max as usize).min(MAX));
        lengths.bytes()?.part(0, max * 4).ok_or(Errno::RANGE)?;
        let blocks = (0..max).map(|index| Block::nth(blocks, index)).collect::<Result<Vec<_>>>()?;
        let buffers = (0..max)
            .map(|index| {
                let part = memory.part(index.checked_mul(stride)?, stride)?;
                Some(libc::iovec { iov_base: part.ptr.cast(), iov_len: part.len })
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(Errno::RANGE)?;
        // SAFETY: the parts lie inside the view's memory, which cannot change before the call returns.
        let received = unsafe { datagrams::recv(fd, &buffers)? };
        for ((_, from), block) in received.iter().zip(&blocks) {
            block.write(from.as_ref())?;
        }
        let sizes: Vec<i32> = received.iter().map(|(len, _)| *len as i32).collect();
        lengths.write_numbers(&sizes)?;
        Ok(received.len())
    })())
}

/// Sends each of the views, at most 64, to the address of its block, if that holds one: how many were taken, or `-errno`.
#[napi(catch_unwind)]
pub fn sys_send_many(
    fd: i32,
    #[napi(ts_arg_type = "ReadonlyArray<ArrayBufferView>")] views: Views,
    #[napi(ts_arg_type = "Uint8Array")] blocks: View,
) -> i32 {
    count((|| {
        // Getters of the array may run JavaScript: the blocks are looked at after them.
        let vectors = views.vectors()?;
        let blocks = blocks.bytes()?;
        let outgoing = vectors
            .into_iter()
            .take(MAX)
            .enumerate()
            .map(|(index, vector)| Ok((vector, Block::nth(blocks, index)?.read_if_any()?)))
            .collect::<Result<Vec<Outgoing>>>()?;
        // SAFETY: the memory was just looked up and no JavaScript runs before the call returns.
        unsafe { datagrams::send(fd, &outgoing) }
    })())
}
