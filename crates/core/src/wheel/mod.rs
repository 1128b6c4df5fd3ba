//! A hierarchical timer wheel: start and cancel in constant time, postponing for nothing.
//!
//! Time is counted in *ticks* of 1/16 ms, which a binary fraction of a millisecond holds exactly. Each level has 64
//! slots; a slot of one level spans all of the level below:
//!
//! | level | one slot | the level |
//! |---|---|---|
//! | 0 | 1/16 ms | 4 ms |
//! | 1 | 4 ms | 256 ms |
//! | 2 | 256 ms | 16.4 s |
//! | 3 | 16.4 s | 17.5 min |
//! | 4 | 17.5 min | 18.6 h |
//! | 5 | 18.6 h | 49.7 days, just past setTimeout's maximum |
//!
//! A deadline lies in the lowest level whose current turn includes it, that is, which the highest bit in which it differs
//! from the present belongs to. When time reaches a slot of a higher level its timers *cascade* to lower ones. What is
//! beyond the top level waits in the top level's last slot and is placed anew from there.
//!
//! Timers are named by the caller, with small integers. Within a tick they fire first in, first out, by the order in which
//! they were started or postponed.

mod level;
mod slot;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use level::{LEVELS, Level, Position};
use slot::{Blocks, Entry, Slot, Taken};

/// Ticks in a millisecond.
pub const TICKS_PER_MS: u64 = 16;

/// The wheel. It has no clock: the caller says what time it is.
pub struct Wheel {
    /// The present. No timer is due before it, and of every level above the lowest the slot it lies in is empty: what
    /// was there has cascaded.
    cursor: u64,
    levels: [Level; LEVELS],
    /// What the slots' lists are made of.
    blocks: Blocks,
    /// By the caller's number.
    entries: Vec<Entry>,
    /// Pending timers.
    len: usize,
    /// Orders timers within a tick.
    last_sequence: u64,
    /// A cascade that ran out of budget: the slot, and the tick at which it begins, the one after the cursor.
    cascading: Option<(Position, u64)>,
    /// Timers due at the cursor's tick that no slot keeps in order: some were postponed, or started for the past.
    due: BinaryHeap<Reverse<(u64, u32)>>,
}

/// How far an [`Wheel::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All that was due has fired.
    Done,
    /// The budget is used up: call again.
    More,
}

impl Wheel {
    /// An empty wheel at tick `now`.
    pub fn new(now: u64) -> Self {
        Wheel {
            cursor: now,
            levels: std::array::from_fn(|_| Level::default()),
            blocks: Blocks::with_capacity(crate::ROOM / slot::BLOCK),
            entries: Vec::with_capacity(crate::ROOM),
            len: 0,
            last_sequence: 0,
            cascading: None,
            due: BinaryHeap::new(),
        }
    }

    /// How many timers are pending.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When timer `id` fires; `None` if it is not pending.
    pub fn deadline(&self, id: u32) -> Option<u64> {
        self.entries.get(id as usize).filter(|entry| entry.is_pending()).map(|entry| entry.deadline)
    }

    /// Starts timer `id`, or starts it again, for tick `deadline`. One that is past, or present, fires in the next advance.
    pub fn start(&mut self, id: u32, deadline: u64) {
        self.cancel(id);
        if id as usize >= self.entries.len() {
            self.entries.resize(id as usize + 1, Entry::default());
        }
        self.last_sequence += 1;
        let entry = &mut self.entries[id as usize];
        (entry.deadline, entry.sequence) = (deadline.max(self.cursor), self.last_sequence);
        self.len += 1;
        if deadline > self.cursor {
            self.place(id, level::position(self.cursor, deadline));
        } else {
            entry.put_among_due();
            self.due.push(Reverse((self.last_sequence, id)));
        }
    }

    /// Moves a pending timer to another deadline. To a later one lazily: it stays in its slot, and is placed anew when
    /// that comes. Does nothing if it is not pending. Whether it was.
    pub fn postpone(&mut self, id: u32, deadline: u64) -> bool {
        let Some(entry) = self.entries.get_mut(id as usize).filter(|entry| entry.is_pending()) else {
            return false;
        };
        match entry.position().filter(|_| deadline >= entry.deadline) {
            Some(Position { level, slot }) => {
                self.last_sequence += 1;
                (entry.deadline, entry.sequence) = (deadline, self.last_sequence);
                self.levels[level].slots[slot].postponed = true;
            }
            None => self.start(id, deadline),
        }
        true
    }

    /// Ends timer `id`. Whether it was pending.
    pub fn cancel(&mut self, id: u32) -> bool {
        let Some(entry) = self.entries.get_mut(id as usize).filter(|entry| entry.is_pending()) else {
            return false;
        };
        match entry.position() {
            Some(position) => self.unlink(id, position),
            // Among the due, where its sequence number tells that it is meant no more.
            None => entry.take_out(),
        }
        self.len -= 1;
        true
    }

    /// The tick at which [`Wheel::advance`] next has something to do, be it only to cascade. Not later than the earliest
    /// deadline.
    pub fn next_tick(&self) -> Option<u64> {
        match self.cascading {
            // What is left among the due then was cancelled.
            _ if self.len == 0 => None,
            _ if !self.due.is_empty() => Some(self.cursor),
            Some((_, tick)) => Some(tick),
            None => self.next_slot().map(|(tick, _)| tick),
        }
    }

    /// Advances to tick `now` (an earlier one than before: to none) and hands each due timer to `fire`, tick by tick. Each
    /// timer that fires or moves takes one of `budget`.
    pub fn advance(&mut self, now: u64, budget: &mut usize, mut fire: impl FnMut(u32)) -> Progress {
        if !self.due.is_empty() && self.fire_postponed(budget, &mut fire) == Progress::More {
            return Progress::More;
        }
        loop {
            let cascading = self.cascading.take().map(|(position, tick)| (tick, position));
            let Some((tick, position)) =
                cascading.or_else(|| self.next_slot()).filter(|&(tick, _)| tick <= now)
            else {
                break;
            };
            let progress = match position.level {
                0 => self.fire_slot(tick, position, budget, &mut fire),
                _ => self.cascade(tick, position, budget),
            };
            if progress == Progress::More {
                return Progress::More;
            }
        }
        if now > self.cursor {
            self.cursor = now;
        }
        Progress::Done
    }

    fn fire_slot(
        &mut self,
        tick: u64,
        position: Position,
        budget: &mut usize,
        fire: &mut impl FnMut(u32),
    ) -> Progress {
        self.cursor = tick;
        if self.slot(position).postponed {
            return self.fire_postponed(budget, fire);
        }
        while !self.slot(position).is_empty() {
            if *budget == 0 {
                return Progress::More;
            }
            let taken = self.take(position, budget);
            self.len -= taken.ids().len();
            for &id in taken.ids() {
                self.entries[id as usize].take_out();
                fire(id);
            }
        }
        Progress::Done
    }

    /// Fires the cursor's tick where timers were postponed: the slot is sorted out first, into those that are due and
    /// those that go on; the due then fire in the order in which they were started or postponed.
    fn fire_postponed(&mut self, budget: &mut usize, fire: &mut impl FnMut(u32)) -> Progress {
        let tick = self.cursor;
        let position = level::position(tick, tick);
        while !self.slot(position).is_empty() {
            if *budget == 0 {
                return Progress::More;
            }
            let taken = self.take(position, budget);
            let deadlines = taken.deadlines(&self.entries);
            for (&id, deadline) in taken.ids().iter().zip(deadlines) {
                if deadline > tick {
                    // It comes to its place later than those that were started after it.
                    self.place(id, level::position(tick, deadline)).postponed = true;
                } else {
                    let entry = &mut self.entries[id as usize];
                    entry.put_among_due();
                    self.due.push(Reverse((entry.sequence, id)));
                }
            }
        }
        while let Some(&Reverse((sequence, id))) = self.due.peek() {
            if *budget == 0 {
                return Progress::More;
            }
            self.due.pop();
            let entry = &mut self.entries[id as usize];
            if entry.sequence != sequence || !entry.is_due() {
                continue;
            }
            *budget -= 1;
            entry.take_out();
            self.len -= 1;
            fire(id);
        }
        Progress::Done
    }

    /// Moves the timers of a slot, which begins with `tick`, to lower levels. Until it is empty the present is the tick
    /// before: what is started meanwhile queues up behind, in this slot.
    fn cascade(&mut self, tick: u64, position: Position, budget: &mut usize) -> Progress {
        self.cursor = tick - 1;
        while !self.slot(position).is_empty() {
            if *budget == 0 {
                self.cascading = Some((position, tick));
                return Progress::More;
            }
            let postponed = self.slot(position).postponed;
            let taken = self.take(position, budget);
            let deadlines = taken.deadlines(&self.entries);
            for (&id, deadline) in taken.ids().iter().zip(deadlines) {
                // Which timer was postponed nobody noted: all take the mark along.
                self.place(id, level::position(tick, deadline)).postponed |= postponed;
            }
        }
        self.cursor = tick;
        Progress::Done
    }

    fn place(&mut self, id: u32, position: Position) -> &mut Slot {
        let level = &mut self.levels[position.level];
        level.occupied |= 1 << position.slot;
        let slot = &mut level.slots[position.slot];
        slot.push(&mut self.blocks, &mut self.entries, id, position);
        slot
    }

    fn unlink(&mut self, id: u32, position: Position) {
        self.levels[position.level].slots[position.slot].remove(&mut self.blocks, &mut self.entries, id);
        self.note_if_empty(position);
    }

    /// Takes the first few out of a slot, on account of `budget`. They are in no place then.
    fn take(&mut self, position: Position, budget: &mut usize) -> Taken {
        let slot = &mut self.levels[position.level].slots[position.slot];
        let taken = slot.take(&mut self.blocks, *budget);
        *budget -= taken.ids().len();
        self.note_if_empty(position);
        taken
    }

    fn note_if_empty(&mut self, position: Position) {
        let level = &mut self.levels[position.level];
        let slot = &mut level.slots[position.slot];
        if slot.is_empty() {
            level.occupied &= !(1 << position.slot);
            slot.postponed = false;
        }
    }

    fn slot(&self, Position { level, slot }: Position) -> &Slot {
        &self.levels[level].slots[slot]
    }

    /// The next slot in time, and the tick at which it begins. All of a lower level comes before the rest of a higher.
    fn next_slot(&self) -> Option<(u64, Position)> {
        self.levels.iter().enumerate().find_map(|(level, &Level { occupied, .. })| {
            level::next(level, occupied, self.cursor).map(|(tick, slot)| (tick, Position { level, slot }))
        })
    }
}
