//! The board: the memory that both sides see. TypeScript creates it (`src/board.ts`), nobody else ever gets at it.
//!
//! Three ArrayBuffers of 32-bit words: `control`, of fixed size; `slots`, the readiness words, and `timers`, the timers'
//! words of `asyncfd-core`, both replaced by larger ones as they grow.
//!
//! | `control` word | who writes | invariant |
//! |---|---|---|
//! | `WOKEN_COUNT` | native | entries of the woken ring that this batch has |
//! | `WOKEN_CURSOR` | JS, native sets 0 | entries already begun; moves on before a listener runs, so a throw skips nothing else |
//! | `SUBMIT_COUNT` | JS appends, native sets 0 | entries of the submission ring |
//! | `REFS` | JS | whether anything pending keeps the process alive |
//! | `REFD` | native | 1 while the driver's handle holds the loop; JS crosses over only when it is 0 |
//! | `ITERATION` | native | changes at least once per iteration of the event loop |
//! | `PARKED` | JS, and native with `LOOKED` | not 0: dispatch has work of its own in the next turn |
//! | `SUPERSEDED` | native, by `register` | 1 + the slot that lost its number to the new registration, or 0 |
//! | `TIMER_COUNT` | JS appends, native sets 0 | entries of the ring of submitted timers |
//! | `EXPIRED_COUNT` | native | entries of the ring of expired timers that this batch has |
//! | `EXPIRED_CURSOR` | JS, native sets 0 | as `WOKEN_CURSOR` |
//! | `OUTCOME` | JS, native sets 0 | how dispatch ended: it threw, that is reported, it returned; 0: JavaScript was terminated |
//! | `EAGER` | native | 1: dispatch asks natively for more when its batch is done |
//! | `WOKEN..` | native | the woken ring: slot, generation, bits; with `READ_OP` for bits, what became of a read: bytes or `-errno`, and the block |
//! | `STAMPED` | JS sets 1, native sets 0 | 1: JS wants to know when this iteration ends |
//! | `ENDED_AT` (two words, an f64) | native | when the one ended for which that was last set: milliseconds of the timers' clock |
//! | `LOOKS` | JS | looks at the kernel that were asked for |
//! | `LOOKED` | native | of them, those whose findings are all in this batch or in earlier ones |
//! | `FREE_COUNT`, `FREE..` | both | the blocks of the pool that are not in use; the last is the next to be taken |
//! | `SUBMIT..` | JS | the submission ring: slot, generation to arm again |
//! | `TIMER..` | JS | the ring of submitted timers |
//! | `TIMER_DRAINS` | native | how often that ring was drained; a timer submitted at this count is in it |
//! | `EXPIRED..` | native | the ring of expired timers |

use std::cell::{Cell, RefCell};
use std::ptr;

use asyncfd_core::collector::EVENTS_PER_TURN;
use asyncfd_core::ops::{self, Blocks, Outcome};
use asyncfd_core::reactor::News;
use asyncfd_core::readiness::{self, Readiness};
use asyncfd_core::registration::Key;
use asyncfd_core::timers::{self, TimerWords};
use napi::sys;

const WOKEN_COUNT: usize = 0;
const WOKEN_CURSOR: usize = 1;
const SUBMIT_COUNT: usize = 2;
const REFS: usize = 3;
const REFD: usize = 4;
const ITERATION: usize = 5;
const PARKED: usize = 6;
const SUPERSEDED: usize = 7;
const TIMER_COUNT: usize = 8;
const EXPIRED_COUNT: usize = 9;
const EXPIRED_CURSOR: usize = 10;
const EAGER: usize = 11;
const OUTCOME: usize = 12;
const THREW: u32 = 1;
const REPORTED: u32 = 2;
const RETURNED: u32 = 3;
const TIMER_DRAINS: usize = 13;
const FREE_COUNT: usize = 14;
const STAMPED: usize = 15;
const WOKEN: usize = 16;
const WOKEN_STRIDE: usize = 5;
/// An event may tell of a read and wake others as well.
const WOKEN_CAPACITY: usize = 2 * EVENTS_PER_TURN;
const SUBMIT: usize = WOKEN + WOKEN_CAPACITY * WOKEN_STRIDE;
const SUBMIT_STRIDE: usize = 2;
const SUBMIT_CAPACITY: usize = 1024;
const TIMER: usize = SUBMIT + SUBMIT_CAPACITY * SUBMIT_STRIDE;
const TIMER_CAPACITY: usize = 4096;
const EXPIRED: usize = TIMER + TIMER_CAPACITY;
/// Timers that fire or move in one turn, at most: half a millisecond where none of them is in the cache.
pub const EXPIRED_CAPACITY: usize = 2048;
/// Counts stay small integers in JavaScript. One that comes round again does harm only to a timer that is refreshed, for the first
/// time since, in the very drain that has its number: that refresh is lost.
const DRAINS_MASK: u32 = 0x3fff_ffff;
const FREE: usize = EXPIRED + EXPIRED_CAPACITY;
/// Blocks of the pool, and bytes of each.
const BLOCKS: usize = 32;
const BLOCK_BYTES: usize = 128 * 1024;
/// At an even word, so that it is a double of JavaScript's.
const ENDED_AT: usize = (FREE + BLOCKS).next_multiple_of(2);
const LOOKS: usize = ENDED_AT + 2;
const LOOKED: usize = LOOKS + 1;
const CONTROL_WORDS: usize = LOOKED + 1;
/// The result that has JavaScript attempt a read itself.
const ATTEMPT: i32 = i32::MIN;
/// No block.
const NO_BLOCK: u32 = u32::MAX;

/// The layout by the names of `src/board.ts`, which refuses to start on another.
pub const LAYOUT: &[(&str, usize)] = &[
    ("WOKEN_COUNT", WOKEN_COUNT),
    ("WOKEN_CURSOR", WOKEN_CURSOR),
    ("SUBMIT_COUNT", SUBMIT_COUNT),
    ("REFS", REFS),
    ("REFD", REFD),
    ("ITERATION", ITERATION),
    ("PARKED", PARKED),
    ("SUPERSEDED", SUPERSEDED),
    ("TIMER_COUNT", TIMER_COUNT),
    ("EXPIRED_COUNT", EXPIRED_COUNT),
    ("EXPIRED_CURSOR", EXPIRED_CURSOR),
    ("OUTCOME", OUTCOME),
    ("THREW", THREW as usize),
    ("REPORTED", REPORTED as usize),
    ("RETURNED", RETURNED as usize),
    ("EAGER", EAGER),
    ("TIMER_DRAINS", TIMER_DRAINS),
    ("FREE_COUNT", FREE_COUNT),
    ("STAMPED", STAMPED),
    ("ENDED_AT", ENDED_AT),
    ("LOOKS", LOOKS),
    ("LOOKED", LOOKED),
    ("WOKEN", WOKEN),
    ("WOKEN_STRIDE", WOKEN_STRIDE),
    ("SUBMIT", SUBMIT),
    ("SUBMIT_STRIDE", SUBMIT_STRIDE),
    ("SUBMIT_CAPACITY", SUBMIT_CAPACITY),
    ("TIMER", TIMER),
    ("TIMER_CAPACITY", TIMER_CAPACITY),
    ("EXPIRED", EXPIRED),
    ("FREE", FREE),
    ("BLOCKS", BLOCKS),
    ("BLOCK_BYTES", BLOCK_BYTES),
    ("CONTROL_WORDS", CONTROL_WORDS),
    ("STRIDE", readiness::STRIDE),
    ("READ_BITS", readiness::READ_BITS),
    ("READ_TICK", readiness::READ_TICK),
    ("WRITE_BITS", readiness::WRITE_BITS),
    ("WRITE_TICK", readiness::WRITE_TICK),
    ("WANTED", readiness::WANTED),
    ("GENERATION", readiness::GENERATION),
    ("READ", readiness::READ),
    ("READ_OP", ops::READ_OP as usize),
    ("BY_RECV", ops::BY_RECV as usize),
    ("SHORT_IS_ALL", ops::SHORT_IS_ALL as usize),
    ("TELL", ops::TELL as usize),
    ("TIMER_STRIDE", timers::STRIDE),
    ("TIMER_TIME", timers::TIME),
    ("TIMER_STATE", timers::STATE),
    ("IDLE", timers::IDLE as usize),
    ("AFTER", timers::AFTER as usize),
    ("AT", timers::AT as usize),
    ("HAS_EXPIRED", timers::EXPIRED as usize),
    ("NOTED", timers::NOTED as usize),
];

/// An ArrayBuffer of ours: a strong reference keeps it, and since no user ever holds it nobody can detach it.
struct Memory {
    env: sys::napi_env,
    /// Null once released.
    reference: Cell<sys::napi_ref>,
    words: *const Cell<u32>,
    /// 0 once released.
    len: Cell<usize>,
}

impl Memory {
    /// `None` if the value is no ArrayBuffer, or not made of aligned 32-bit words.
    fn new(env: sys::napi_env, buffer: sys::napi_value) -> Option<Self> {
        let (mut is_buffer, mut data, mut bytes, mut reference) =
            (false, ptr::null_mut(), 0, ptr::null_mut());
        // SAFETY: env and buffer belong to the call that this is part of; the out pointers outlive the calls.
        let ok = unsafe {
            sys::napi_is_arraybuffer(env, buffer, &mut is_buffer) == sys::Status::napi_ok
                && is_buffer
                && sys::napi_get_arraybuffer_info(env, buffer, &mut data, &mut bytes) == sys::Status::napi_ok
                && !data.is_null()
                && data.cast::<u32>().is_aligned()
                && sys::napi_create_reference(env, buffer, 1, &mut reference) == sys::Status::napi_ok
        };
        ok.then(|| Memory {
            env,
            reference: Cell::new(reference),
            words: data.cast(),
            len: Cell::new(bytes / 4),
        })
    }

    fn words(&self) -> &[Cell<u32>] {
        // SAFETY: the buffer is held by `reference`, private to `src/board.ts`, never transferred, resized or shared,
        // so its memory stays where it is; it is aligned and `len` words long (checked in `new`). Both sides touch
        // it on the JS thread only, and `Cell` allows for JavaScript's writes between two of our reads.
        unsafe { std::slice::from_raw_parts(self.words, self.len.get()) }
    }
}

impl Memory {
    /// Gives the buffer back. The environment's cleanup does it, as references must not outlive the environment.
    fn release(&self) {
        self.len.set(0);
        let reference = self.reference.replace(ptr::null_mut());
        if !reference.is_null() {
            // SAFETY: on the JS thread while the environment lives; deleted once.
            unsafe { sys::napi_delete_reference(self.env, reference) };
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.release();
    }
}

/// How a call of dispatch ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dispatched {
    /// In the midst of it, by the end of JavaScript.
    Terminated,
    Threw,
    /// It threw, and that is reported.
    Reported,
    /// What fails after that are Node's ticks, which run before the call is over.
    Returned,
}

pub struct Board {
    control: Memory,
    slots: RefCell<Memory>,
    timers: RefCell<Memory>,
    /// The blocks of the pool, once JavaScript has made it.
    pool: RefCell<Option<Memory>>,
}

impl Board {
    pub fn new(env: sys::napi_env, [control, slots, timers]: [sys::napi_value; 3]) -> Option<Self> {
        let control = Memory::new(env, control).filter(|memory| memory.len.get() == CONTROL_WORDS)?;
        let [slots, timers] = [Memory::new(env, slots)?, Memory::new(env, timers)?].map(RefCell::new);
        Some(Board { control, slots, timers, pool: RefCell::new(None) })
    }

    /// Goes over to a larger memory for the slots, into which JS has copied the words.
    pub fn grow_slots(&self, env: sys::napi_env, slots: sys::napi_value) -> bool {
        grow(&self.slots, env, slots)
    }

    /// As above, for the timers.
    pub fn grow_timers(&self, env: sys::napi_env, timers: sys::napi_value) -> bool {
        grow(&self.timers, env, timers)
    }

    /// Lends the readiness words; the closure must not run JavaScript.
    pub fn readiness<R>(&self, with: impl FnOnce(Readiness) -> R) -> R {
        with(Readiness::new(self.slots.borrow().words()))
    }

    /// Lends the timers' words; the closure must not run JavaScript.
    pub fn timers<R>(&self, with: impl FnOnce(TimerWords) -> R) -> R {
        with(TimerWords::new(self.timers.borrow().words()))
    }

    /// Gives the memories back when the environment ends.
    pub fn release(&self) {
        self.control.release();
        self.slots.borrow().release();
        self.timers.borrow().release();
        *self.pool.borrow_mut() = None;
    }

    fn word(&self, word: usize) -> &Cell<u32> {
        &self.control.words()[word]
    }

    /// Whether dispatch has something to do: woken slots it has not begun, or work of its own.
    pub fn has_work(&self) -> bool {
        self.leftover() || self.expired_leftover() || self.word(PARKED).get() != 0
    }

    /// Whether expired timers of this batch have not been begun.
    pub fn expired_leftover(&self) -> bool {
        self.word(EXPIRED_CURSOR).get() < self.word(EXPIRED_COUNT).get()
    }

    pub fn begin_expired(&self) {
        self.word(EXPIRED_COUNT).set(0);
        self.word(EXPIRED_CURSOR).set(0);
    }

    /// Appends an expired timer; a batch has [`EXPIRED_CAPACITY`] at most.
    pub fn expired(&self, id: u32) {
        let count = self.word(EXPIRED_COUNT).get();
        self.word(EXPIRED + count as usize).set(id);
        self.word(EXPIRED_COUNT).set(count + 1);
    }

    /// Empties the ring of submitted timers.
    pub fn submitted_timers(&self) -> impl Iterator<Item = u32> + '_ {
        let count = (self.word(TIMER_COUNT).replace(0) as usize).min(TIMER_CAPACITY);
        let drains = self.word(TIMER_DRAINS);
        drains.set(drains.get().wrapping_add(1) & DRAINS_MASK);
        (0..count).map(|index| self.word(TIMER + index).get())
    }

    pub fn timers_submitted(&self) -> bool {
        self.word(TIMER_COUNT).get() != 0
    }

    /// How dispatch ended, since this was last asked.
    pub fn take_outcome(&self) -> Dispatched {
        match self.word(OUTCOME).replace(0) {
            THREW => Dispatched::Threw,
            REPORTED => Dispatched::Reported,
            RETURNED => Dispatched::Returned,
            _ => Dispatched::Terminated,
        }
    }

    /// Whether woken slots of this batch have not been begun.
    pub fn leftover(&self) -> bool {
        self.word(WOKEN_CURSOR).get() < self.word(WOKEN_COUNT).get()
    }

    pub fn begin_batch(&self) {
        self.word(WOKEN_COUNT).set(0);
        self.word(WOKEN_CURSOR).set(0);
    }

    /// Appends a wake-up, or what became of a read; a batch has at most both per collected event, so there is room.
    pub fn woken(&self, key: Key, news: News) {
        let count = self.word(WOKEN_COUNT).get();
        let entry = WOKEN + count as usize * WOKEN_STRIDE;
        let (bits, result, block) = match news {
            News::Ready(bits) => (bits, 0, NO_BLOCK),
            News::Read(Outcome::Read { count, block }) => (ops::READ_OP, count as i32, block),
            News::Read(Outcome::Ended(Ok(()))) => (ops::READ_OP, 0, NO_BLOCK),
            News::Read(Outcome::Ended(Err(errno))) => (ops::READ_OP, -errno.raw_os_error(), NO_BLOCK),
            News::Read(Outcome::Attempt | Outcome::Pending) => (ops::READ_OP, ATTEMPT, NO_BLOCK),
        };
        for (at, value) in [key.slot, key.generation, bits, result as u32, block].into_iter().enumerate() {
            self.word(entry + at).set(value);
        }
        self.word(WOKEN_COUNT).set(count + 1);
    }

    /// Takes the pool, which is memory that nobody can detach. False if it is not of the layout.
    pub fn use_pool(&self, env: sys::napi_env, pool: sys::napi_value) -> bool {
        let memory = Memory::new(env, pool).filter(|memory| memory.len.get() == BLOCKS * BLOCK_BYTES / 4);
        let taken = memory.is_some();
        *self.pool.borrow_mut() = memory;
        taken
    }

    /// Lends the blocks; the closure must not run JavaScript.
    pub fn blocks<R>(&self, with: impl FnOnce(&Pool) -> R) -> R {
        let pool = self.pool.borrow();
        with(&Pool { board: self, memory: pool.as_ref().map_or(&[], Memory::words) })
    }

    /// Empties the submission ring. Counts come from JavaScript, so they are checked.
    pub fn drain(&self, mut submit: impl FnMut(Key)) {
        let count = (self.word(SUBMIT_COUNT).replace(0) as usize).min(SUBMIT_CAPACITY);
        for index in 0..count {
            let entry = SUBMIT + index * SUBMIT_STRIDE;
            submit(Key { slot: self.word(entry).get(), generation: self.word(entry + 1).get() });
        }
    }

    /// Whether anything that was submitted waits to be drained.
    pub fn submitted(&self) -> bool {
        self.word(SUBMIT_COUNT).get() != 0
    }

    pub fn wants_ref(&self) -> bool {
        self.word(REFS).get() != 0
    }

    pub fn is_refd(&self) -> bool {
        self.word(REFD).get() != 0
    }

    pub fn set_refd(&self, refd: bool) {
        self.word(REFD).set(refd.into());
    }

    /// An iteration, or a part of one, is over. Asks `now_ms` only if somebody wants to know when.
    pub fn next_iteration(&self, now_ms: impl FnOnce() -> f64) {
        let word = self.word(ITERATION);
        word.set(word.get().wrapping_add(1));
        if self.word(STAMPED).replace(0) != 0 {
            let bytes = now_ms().to_ne_bytes();
            for (word, half) in bytes.chunks_exact(4).enumerate() {
                let half = u32::from_ne_bytes([half[0], half[1], half[2], half[3]]);
                self.word(ENDED_AT + word).set(half);
            }
        }
    }

    /// How many looks were asked for, if that is more than were had.
    pub fn wanted_look(&self) -> Option<u32> {
        let asked = self.word(LOOKS).get();
        (asked != self.word(LOOKED).get()).then_some(asked)
    }

    /// What was ready when so many looks had been asked for is all told: dispatch has somebody to tell that.
    pub fn set_looked(&self, number: u32) {
        self.word(LOOKED).set(number);
        self.word(PARKED).set(1);
    }

    pub fn set_eager(&self, eager: bool) {
        self.word(EAGER).set(eager.into());
    }

    pub fn set_superseded(&self, slot: Option<u32>) {
        self.word(SUPERSEDED).set(slot.map_or(0, |slot| slot + 1));
    }
}

/// The pool as core sees it.
pub struct Pool<'a> {
    board: &'a Board,
    memory: &'a [Cell<u32>],
}

impl<'a> Blocks<'a> for Pool<'a> {
    fn take(&self) -> Option<(u32, &'a [Cell<u8>])> {
        const WORDS: usize = BLOCK_BYTES / 4;
        let free = self.board.word(FREE_COUNT);
        let count = (free.get() as usize).min(BLOCKS).checked_sub(1)?;
        let number = self.board.word(FREE + count).get();
        // Numbers come from JavaScript.
        let block = self.memory.get(number as usize * WORDS..)?.get(..WORDS)?;
        free.set(count as u32);
        // SAFETY: a cell of four bytes is four cells of one; the borrow is as long.
        Some((number, unsafe { std::slice::from_raw_parts(block.as_ptr().cast(), BLOCK_BYTES) }))
    }

    fn is_empty(&self) -> bool {
        self.board.word(FREE_COUNT).get() == 0
    }

    fn give_back(&self, number: u32) {
        let free = self.board.word(FREE_COUNT);
        let count = (free.get() as usize).min(BLOCKS - 1);
        self.board.word(FREE + count).set(number);
        free.set(count as u32 + 1);
    }
}

fn grow(old: &RefCell<Memory>, env: sys::napi_env, larger: sys::napi_value) -> bool {
    match Memory::new(env, larger) {
        Some(memory) if memory.len.get() >= old.borrow().len.get() => {
            *old.borrow_mut() = memory;
            true
        }
        _ => false,
    }
}
