//! The readiness words: what is known of each registration, in memory that both sides see.
//!
//! | word | who writes | invariant |
//! |---|---|---|
//! | `READ_BITS` | core ORs at delivery, JS clears | subset of `READ_SIDE`; sticky until cleared |
//! | `READ_TICK` | core | counts deliveries that touched the direction; wraps; all 32 bits are compared |
//! | `WRITE_BITS` | core ORs at delivery, JS clears | subset of `WRITE_SIDE` |
//! | `WRITE_TICK` | core | as `READ_TICK`: ticks are per direction, a shared one livelocks readers against writers |
//! | `WANTED` | JS, and core at the end of a read | the bits somebody waits for; a delivery outside it wakes nobody |
//! | `GENERATION` | core, at registration | with the slot, the key that the kernel hands back |
//! | `READ` | JS, core sets 0 | the read that is asked for, while `WANTED` has `READ_OP`; see `ops` |

use std::cell::Cell;

use crate::interest::{Bits, CLOSED, READ_SIDE, READABLE, WRITE_SIDE};
use crate::ops::READ_OP;

/// Words per slot, and the place of each. `src/board.ts` declares the same and is checked against these at start-up.
pub const STRIDE: usize = 8;
pub const READ_BITS: usize = 0;
pub const READ_TICK: usize = 1;
pub const WRITE_BITS: usize = 2;
pub const WRITE_TICK: usize = 3;
pub const WANTED: usize = 4;
pub const GENERATION: usize = 5;
pub const READ: usize = 6;

/// The words of all slots, borrowed for as long as no JavaScript runs.
#[derive(Clone, Copy)]
pub struct Readiness<'a> {
    words: &'a [Cell<u32>],
}

impl<'a> Readiness<'a> {
    pub fn new(words: &'a [Cell<u32>]) -> Self {
        Readiness { words }
    }

    /// How many slots there is room for.
    pub fn capacity(&self) -> usize {
        self.words.len() / STRIDE
    }

    fn word(&self, slot: u32, word: usize) -> &'a Cell<u32> {
        &self.words[slot as usize * STRIDE + word]
    }

    /// Starts a slot afresh for a new registration.
    pub(crate) fn open(&self, slot: u32, generation: u32) {
        for word in [READ_BITS, READ_TICK, WRITE_BITS, WRITE_TICK, WANTED, READ] {
            self.word(slot, word).set(0);
        }
        self.word(slot, GENERATION).set(generation);
    }

    /// Ends a slot: no bit of it wakes anybody any more.
    pub(crate) fn close(&self, slot: u32) {
        self.word(slot, WANTED).set(0);
    }

    /// What is known ready, by direction.
    pub fn sides(&self, slot: u32) -> (Bits, Bits) {
        (self.word(slot, READ_BITS).get(), self.word(slot, WRITE_BITS).get())
    }

    /// The read that is asked for.
    pub(crate) fn asked_read(&self, slot: u32) -> Option<u32> {
        Some(self.word(slot, READ).get())
            .filter(|&asked| asked != 0 && self.word(slot, WANTED).get() & READ_OP != 0)
    }

    /// It was performed.
    pub(crate) fn end_read(&self, slot: u32) {
        let wanted = self.word(slot, WANTED);
        wanted.set(wanted.get() & !READ_OP);
        self.word(slot, READ).set(0);
    }

    /// A read found nothing more. No event can have come since the one that it was made for.
    pub(crate) fn clear_readable(&self, slot: u32) {
        let bits = self.word(slot, READ_BITS);
        bits.set(bits.get() & !READABLE);
    }

    /// Notes what the kernel said and returns the part that somebody waits for. Where `snapshot` holds, an event
    /// tells the whole state, so that a hang-up it does not mention is over (a FIFO has a new writer).
    pub fn deliver(&self, slot: u32, bits: Bits, snapshot: bool) -> Bits {
        for (word, tick, side) in [(READ_BITS, READ_TICK, READ_SIDE), (WRITE_BITS, WRITE_TICK, WRITE_SIDE)] {
            let word = self.word(slot, word);
            let kept = if snapshot { word.get() & !CLOSED } else { word.get() };
            word.set(kept | (bits & side));
            if bits & side != 0 {
                let tick = self.word(slot, tick);
                tick.set(tick.get().wrapping_add(1));
            }
        }
        bits & self.word(slot, WANTED).get()
    }
}
