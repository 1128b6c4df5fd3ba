//! Slots: lists of timers, first in first out.
//!
//! A list is a chain of blocks of numbers. Timers that are due together lie anywhere in memory: with links from each to the
//! next, the one after would be known only when the one before has been fetched; a block tells some dozens at once, and
//! fetching them overlaps.

use slab::Slab;

use super::level::Position;

/// No timer, or no block.
const NONE: u32 = u32::MAX;
/// The position of a timer that is not pending.
const NOWHERE: u16 = u16::MAX;
/// The position of one that is due, and in no slot.
const AMONG_DUE: u16 = u16::MAX - 1;

/// One timer, pending or not.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub deadline: u64,
    /// When it was started or postponed, in relation to the others.
    pub sequence: u64,
    /// The block it is in, and its place there, if it is in a slot.
    block: u32,
    at: u8,
    /// Level and slot, or [`NOWHERE`], or [`AMONG_DUE`].
    position: u16,
}

impl Default for Entry {
    fn default() -> Self {
        Entry { deadline: 0, sequence: 0, block: NONE, at: 0, position: NOWHERE }
    }
}

impl Entry {
    pub fn is_pending(&self) -> bool {
        self.position != NOWHERE
    }

    pub fn is_due(&self) -> bool {
        self.position == AMONG_DUE
    }

    /// The slot it is in, if it is in one.
    pub fn position(&self) -> Option<Position> {
        (self.position < AMONG_DUE).then(|| Position {
            level: usize::from(self.position >> 6),
            slot: usize::from(self.position & 63),
        })
    }

    pub fn put_among_due(&mut self) {
        self.position = AMONG_DUE;
    }

    pub fn take_out(&mut self) {
        self.position = NOWHERE;
    }
}

/// As many as two cache lines hold beside the rest: with fewer, a list is a chain of more links, each a miss of the cache.
pub(super) const BLOCK: usize = 28;

/// A piece of a list. It goes when its last timer does, so that none is ever empty.
pub(super) struct Block {
    prev: u32,
    next: u32,
    /// The places from `from` to `to` are in use; those before it were, those after it have not been.
    from: u8,
    to: u8,
    /// Timers that are in it: those that were taken out from between left [`NONE`].
    live: u8,
    ids: [u32; BLOCK],
}

/// The blocks of all lists.
pub(super) type Blocks = Slab<Block>;

/// Some timers that were in a slot, in its order.
pub(super) struct Taken {
    ids: [u32; BLOCK],
    len: usize,
}

impl Taken {
    pub fn ids(&self) -> &[u32] {
        &self.ids[..self.len]
    }

    /// The deadline of each: looked at together, as they lie anywhere in memory, they are fetched at the same time.
    pub fn deadlines(&self, entries: &[Entry]) -> [u64; BLOCK] {
        let mut deadlines = [0; BLOCK];
        for (deadline, &id) in deadlines.iter_mut().zip(self.ids()) {
            *deadline = entries[id as usize].deadline;
        }
        deadlines
    }
}

/// The timers of one slot.
pub(super) struct Slot {
    first: u32,
    last: u32,
    /// Timers here may have been postponed: their deadlines and their order are to be looked at.
    pub postponed: bool,
}

impl Default for Slot {
    fn default() -> Self {
        Slot { first: NONE, last: NONE, postponed: false }
    }
}

impl Slot {
    pub fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Takes out those that came first: at most `most`, and as many as one block has. Where
    /// they are then is for the caller to note.
    pub fn take(&mut self, blocks: &mut Blocks, most: usize) -> Taken {
        let mut taken = Taken { ids: [NONE; BLOCK], len: 0 };
        let Some(block) = blocks.get_mut(self.first as usize) else { return taken };
        for &id in &block.ids[usize::from(block.from)..usize::from(block.to)] {
            if taken.len == most {
                break;
            }
            block.from += 1;
            taken.ids[taken.len] = id;
            taken.len += usize::from(id != NONE);
        }
        block.live -= taken.len as u8;
        if block.live == 0 {
            self.unlink(blocks, self.first);
        }
        taken
    }

    pub fn push(&mut self, blocks: &mut Blocks, entries: &mut [Entry], id: u32, position: Position) {
        let (key, at) = match blocks.get_mut(self.last as usize).filter(|block| usize::from(block.to) < BLOCK)
        {
            Some(block) => {
                block.ids[usize::from(block.to)] = id;
                block.to += 1;
                block.live += 1;
                (self.last, block.to - 1)
            }
            None => {
                let mut ids = [NONE; BLOCK];
                ids[0] = id;
                let block = Block { prev: self.last, next: NONE, from: 0, to: 1, live: 1, ids };
                let key = blocks.insert(block) as u32;
                match blocks.get_mut(self.last as usize) {
                    Some(last) => last.next = key,
                    None => self.first = key,
                }
                self.last = key;
                (key, 0)
            }
        };
        let entry = &mut entries[id as usize];
        (entry.block, entry.at) = (key, at);
        entry.position = (position.level << 6 | position.slot) as u16;
    }

    pub fn remove(&mut self, blocks: &mut Blocks, entries: &mut [Entry], id: u32) {
        let entry = &mut entries[id as usize];
        entry.position = NOWHERE;
        let block = &mut blocks[entry.block as usize];
        block.ids[usize::from(entry.at)] = NONE;
        block.live -= 1;
        if block.live == 0 {
            self.unlink(blocks, entry.block);
        }
    }

    fn unlink(&mut self, blocks: &mut Blocks, key: u32) {
        let Block { prev, next, .. } = blocks.remove(key as usize);
        match blocks.get_mut(prev as usize) {
            Some(block) => block.next = next,
            None => self.first = next,
        }
        match blocks.get_mut(next as usize) {
            Some(block) => block.prev = prev,
            None => self.last = prev,
        }
    }
}
