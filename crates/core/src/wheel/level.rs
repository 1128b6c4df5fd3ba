//! Levels: which slot a deadline belongs to, and which slot comes next.

use super::slot::Slot;

pub(super) const LEVELS: usize = 6;
const SLOT_BITS: u32 = 6;
const SLOTS: u64 = 1 << SLOT_BITS;

pub(super) struct Level {
    /// A bit for each slot that has timers.
    pub occupied: u64,
    pub slots: [Slot; SLOTS as usize],
}

impl Default for Level {
    fn default() -> Self {
        Level { occupied: 0, slots: std::array::from_fn(|_| Slot::default()) }
    }
}

/// Where a timer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub level: usize,
    pub slot: usize,
}

/// Where `deadline` belongs as seen from `now`, which is not after it.
pub(super) fn position(now: u64, deadline: u64) -> Position {
    const TOP: u32 = SLOT_BITS * (LEVELS as u32 - 1);
    // The highest bit in which they differ; within the lowest level it does not matter which.
    let differs = (now ^ deadline) | (SLOTS - 1);
    let level = ((u64::BITS - 1 - differs.leading_zeros()) / SLOT_BITS) as usize;
    if level < LEVELS {
        return Position { level, slot: (deadline >> (SLOT_BITS * level as u32) & (SLOTS - 1)) as usize };
    }
    // The top level goes round: its slots reach a whole round ahead. What is beyond waits in the farthest.
    let ahead = ((deadline >> TOP) - (now >> TOP)).min(SLOTS - 1);
    Position { level: LEVELS - 1, slot: (((now >> TOP) + ahead) % SLOTS) as usize }
}

/// The first occupied slot of a level as seen from `now`, and the tick at which it begins. In the lowest level the slot of
/// `now` itself counts; in the others it is empty, having cascaded.
pub(super) fn next(level: usize, occupied: u64, now: u64) -> Option<(u64, usize)> {
    if occupied == 0 {
        return None;
    }
    let shift = SLOT_BITS * level as u32;
    let present = now >> shift;
    let first = present + u64::from(level > 0);
    let ahead = first + u64::from(occupied.rotate_right((first % SLOTS) as u32).trailing_zeros());
    Some((ahead << shift, (ahead % SLOTS) as usize))
}
