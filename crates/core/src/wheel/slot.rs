//! Slots: lists of timers, linked by numbers.

use super::level::Position;

/// No timer.
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
    next: u32,
    prev: u32,
    /// Level and slot, or [`NOWHERE`], or [`AMONG_DUE`].
    position: u16,
}

impl Default for Entry {
    fn default() -> Self {
        Entry { deadline: 0, sequence: 0, next: NONE, prev: NONE, position: NOWHERE }
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

/// The timers of one slot, first in first out.
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
    pub fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    pub fn push(&mut self, entries: &mut [Entry], id: u32, position: Position) {
        let entry = &mut entries[id as usize];
        entry.position = (position.level << 6 | position.slot) as u16;
        (entry.prev, entry.next) = (self.last, NONE);
        match self.last {
            NONE => self.first = id,
            last => entries[last as usize].next = id,
        }
        self.last = id;
    }

    pub fn remove(&mut self, entries: &mut [Entry], id: u32) {
        let Entry { next, prev, .. } = entries[id as usize];
        match prev {
            NONE => self.first = next,
            prev => entries[prev as usize].next = next,
        }
        match next {
            NONE => self.last = prev,
            next => entries[next as usize].prev = prev,
        }
        entries[id as usize].position = NOWHERE;
    }
}
