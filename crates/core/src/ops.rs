//! Reads performed in the turn: JavaScript asks for one in a slot's words, and the event that makes the descriptor readable
//! brings the bytes along. They go into a block of a pool that is taken at that moment, so that an idle descriptor has none.

use std::cell::Cell;
use std::os::fd::RawFd;

use rustix::io::Errno;

use crate::interest::{Bits, READ_SIDE, READABLE};
use crate::readiness::Readiness;
use crate::sys::io;

/// In `WANTED`: a read is asked for. No event has this bit.
pub const READ_OP: Bits = 1 << 30;
/// The parts of the word `READ`: the most bytes, and how. 0 once the read was performed.
pub const SIZE: u32 = 0xff_ffff;
pub const BY_RECV: u32 = 1 << 24;
/// A read that is shorter than asked says that the next one would block.
pub const SHORT_IS_ALL: u32 = 1 << 25;
/// JavaScript attempts it itself, into memory that no block could be: it is told of the event.
pub const TELL: u32 = 1 << 26;

/// Where the blocks come from.
pub trait Blocks<'a> {
    /// The block given back last, and its number. `None` if all are in use.
    fn take(&self) -> Option<(u32, &'a [Cell<u8>])>;
    fn is_empty(&self) -> bool;
    fn give_back(&self, number: u32);
}

/// What became of a read that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Pending,
    /// So many bytes lie in the block of this number.
    Read { count: u32, block: u32 },
    /// The end, or what read(2) failed with.
    Ended(Result<(), Errno>),
    /// JavaScript has to attempt it: it asked for that, no block is left, or the kernel has to be asked what is still true of the readiness.
    Attempt,
}

/// Performs the read that is asked for in `slot`, if it is one, upon an event of `bits`.
pub(crate) fn read<'a>(
    readiness: Readiness,
    blocks: &impl Blocks<'a>,
    slot: u32,
    fd: RawFd,
    bits: Bits,
) -> Outcome {
    let Some(asked) = readiness.asked_read(slot).filter(|_| bits & READ_SIDE != 0) else {
        return Outcome::Pending;
    };
    if asked & TELL != 0 {
        return Outcome::Attempt;
    }
    let Some((block, memory)) = blocks.take() else { return Outcome::Attempt };
    let size = (asked & SIZE) as usize;
    let memory = &memory[..size.min(memory.len())];
    let result = if asked & BY_RECV != 0 { io::recv_into(fd, memory) } else { io::read_into(fd, memory) };
    let plain = readiness.sides(slot).0 == READABLE;
    if !matches!(result, Ok(1..)) {
        blocks.give_back(block);
    }
    match result {
        Err(Errno::AGAIN) if plain => {
            readiness.clear_readable(slot);
            return Outcome::Pending;
        }
        Err(Errno::AGAIN) => return Outcome::Attempt,
        _ => readiness.end_read(slot),
    }
    match result {
        Ok(0) => Outcome::Ended(Ok(())),
        Ok(count) => {
            if plain && count < memory.len() && asked & SHORT_IS_ALL != 0 {
                readiness.clear_readable(slot);
            }
            Outcome::Read { count: count as u32, block }
        }
        Err(errno) => Outcome::Ended(Err(errno)),
    }
}
