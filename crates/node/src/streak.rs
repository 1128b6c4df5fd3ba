//! Whether looking for events once more, before going back to libuv, is likely to find some.
//!
//! The way through libuv's loop costs about as much as all else of a wake-up. When turns follow each other without a
//! pause the next event is probably there already, so a turn looks again, itself. Looking in vain costs a system call:
//! an isolated wake-up never does it, and each failure makes the next attempt rarer.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Turns this close have not let the loop wait in between.
const PAUSE: Duration = Duration::from_micros(10);
/// Close turns in a row after which a turn looks again; doubled by each failure, up to the second number.
const PATIENCE: (u32, u32) = (4, 4096);
/// Looks per turn, at most, so that the rest of the loop breathes.
const LOOKS: u32 = 32;
/// After this long a turn does not look again.
const BUDGET: Duration = Duration::from_millis(1);

/// Where in a turn more is looked for. The two succeed in different programs, so each learns for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// By dispatch, after the listeners: finds what callbacks caused.
    InDispatch,
    /// After the callback scope has run the microtasks: finds what continuations of promises caused.
    AfterMicrotasks,
}

/// What is known of the recent past.
#[derive(Default)]
pub struct Streak {
    began: Cell<Option<Instant>>,
    ended: Cell<Option<Instant>>,
    /// Turns so far without a pause before them.
    length: Cell<u32>,
    looks: Cell<u32>,
    dispatch: Patience,
    microtasks: Patience,
}

struct Patience(Cell<u32>);

impl Default for Patience {
    fn default() -> Self {
        Patience(Cell::new(PATIENCE.0))
    }
}

impl Streak {
    fn patience(&self, when: When) -> &Cell<u32> {
        match when {
            When::InDispatch => &self.dispatch.0,
            When::AfterMicrotasks => &self.microtasks.0,
        }
    }

    /// A turn begins. True if dispatch should ask for more.
    pub fn begin(&self) -> bool {
        let now = Instant::now();
        let close = self.ended.get().is_some_and(|ended| now.duration_since(ended) < PAUSE);
        self.length.set(if close { self.length.get().saturating_add(1) } else { 0 });
        self.began.set(Some(now));
        self.looks.set(0);
        self.promises(When::InDispatch)
    }

    pub fn end(&self) {
        self.ended.set(Some(Instant::now()));
    }

    /// Whether it is worth looking now.
    pub fn promises(&self, when: When) -> bool {
        self.length.get() >= self.patience(when).get()
            && self.looks.get() < LOOKS
            && self.began.get().is_some_and(|began| began.elapsed() < BUDGET)
    }

    /// What a look gave.
    pub fn note(&self, when: When, found: bool) {
        self.looks.set(self.looks.get() + 1);
        let patience = self.patience(when);
        if found {
            patience.set(PATIENCE.0);
        } else {
            patience.set((patience.get() * 2).min(PATIENCE.1));
            self.length.set(0);
        }
    }
}
