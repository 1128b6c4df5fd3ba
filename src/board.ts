/**
 * The board: the memory shared with the native side. The layout is declared natively in `crates/node/src/board.rs` and
 * `crates/core/src/readiness.rs`, which say who writes what; the numbers here are checked against those at start-up.
 * Nothing of it is ever handed to a user, so nobody can detach it.
 *
 * @module
 */

// Words of `control`.
export const WOKEN_COUNT = 0
export const WOKEN_CURSOR = 1
export const SUBMIT_COUNT = 2
export const REFS = 3
export const REFD = 4
export const ITERATION = 5
export const PARKED = 6
export const SUPERSEDED = 7
export const TIMER_COUNT = 8
export const EXPIRED_COUNT = 9
export const EXPIRED_CURSOR = 10
export const EAGER = 11
export const OUTCOME = 12
export const TIMER_DRAINS = 13
export const FREE_COUNT = 14
export const STAMPED = 15
export const WOKEN = 16
export const WOKEN_STRIDE = 5
export const SUBMIT = 10256
export const SUBMIT_STRIDE = 2
export const SUBMIT_CAPACITY = 1024
export const TIMER = 12304
export const TIMER_CAPACITY = 4096
export const EXPIRED = 16400
export const FREE = 18448
/** Blocks of the pool, and bytes of each. */
export const BLOCKS = 32
export const BLOCK_BYTES = 131072
export const ENDED_AT = 18480
export const LOOKS = 18482
export const LOOKED = 18483
const CONTROL_WORDS = 18484

// How a dispatch ended.
export const THREW = 1
export const REPORTED = 2
export const RETURNED = 3

// Words of a slot.
export const STRIDE = 8
export const READ_BITS = 0
export const READ_TICK = 1
export const WRITE_BITS = 2
export const WRITE_TICK = 3
export const WANTED = 4
export const GENERATION = 5
export const READ = 6

/** In a slot's `WANTED`: a read is asked for. In the woken ring: the entry tells of one. */
export const READ_OP = 1 << 30
/** In a slot's `READ`, besides the most bytes: how to read. */
export const BY_RECV = 1 << 24
export const SHORT_IS_ALL = 1 << 25
export const TELL = 1 << 26
/** The result that asks for an attempt by JavaScript. */
export const ATTEMPT = -0x80000000
/** The number of no block. */
export const NO_BLOCK = 0xffffffff

// Words of a timer, and what its state can be.
export const TIMER_STRIDE = 4
export const TIMER_TIME = 0
export const TIMER_STATE = 2
/** Of a free one: the next free one. */
export const TIMER_NEXT = 3
export const IDLE = 0
export const AFTER = 1
export const AT = 2
export const HAS_EXPIRED = 3
export const NOTED = 4

/** The numbers above, as the native side names its own. */
export const LAYOUT: Readonly<Record<string, number>> = {
  WOKEN_COUNT,
  WOKEN_CURSOR,
  SUBMIT_COUNT,
  REFS,
  REFD,
  ITERATION,
  PARKED,
  SUPERSEDED,
  TIMER_COUNT,
  EXPIRED_COUNT,
  EXPIRED_CURSOR,
  OUTCOME,
  THREW,
  REPORTED,
  RETURNED,
  EAGER,
  TIMER_DRAINS,
  FREE_COUNT,
  STAMPED,
  ENDED_AT,
  LOOKS,
  LOOKED,
  WOKEN,
  WOKEN_STRIDE,
  SUBMIT,
  SUBMIT_STRIDE,
  SUBMIT_CAPACITY,
  TIMER,
  TIMER_CAPACITY,
  EXPIRED,
  FREE,
  BLOCKS,
  BLOCK_BYTES,
  CONTROL_WORDS,
  STRIDE,
  READ_BITS,
  READ_TICK,
  WRITE_BITS,
  WRITE_TICK,
  WANTED,
  GENERATION,
  READ,
  READ_OP,
  BY_RECV,
  SHORT_IS_ALL,
  TELL,
  TIMER_STRIDE,
  TIMER_TIME,
  TIMER_STATE,
  IDLE,
  AFTER,
  AT,
  HAS_EXPIRED,
  NOTED,
}

const FIRST_CAPACITY = 64

/** @internal The words that there are once: one environment has one reactor, and so one board. */
export const CONTROL = new Uint32Array(new ArrayBuffer(CONTROL_WORDS * 4))

/** @internal The readiness words of all slots, likewise. Replaced as they grow, so never kept across a call. */
export let slots = new Uint32Array(new ArrayBuffer(FIRST_CAPACITY * STRIDE * 4))

export class Board {
  /** @internal */
  readonly control = CONTROL

  /** @internal The words of all timers, and the same memory as doubles; replaced likewise. */
  timers = new Int32Array(new ArrayBuffer(FIRST_CAPACITY * TIMER_STRIDE * 4))
  /** @internal */
  times = new Float64Array(this.timers.buffer)

  /** How many slots there is room for. */
  get capacity(): number {
    return slots.length / STRIDE
  }

  /** Doubles the room for slots. */
  growSlots(): ArrayBuffer {
    slots = doubled(slots)
    return slots.buffer
  }

  /** How many timers there is room for. */
  get timerCapacity(): number {
    return this.timers.length / TIMER_STRIDE
  }

  /** Doubles the room for timers. */
  growTimers(): ArrayBuffer {
    const larger = new Int32Array(new ArrayBuffer(this.timers.byteLength * 2))
    larger.set(this.timers)
    this.timers = larger
    this.times = new Float64Array(this.timers.buffer)
    return this.timers.buffer
  }
}

function doubled(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(new ArrayBuffer(words.byteLength * 2))
  larger.set(words)
  return larger
}
