/**
 * Timers on the board: started, refreshed and cancelled by writing there, fired by the turn. The native wheel keeps them.
 *
 * @module
 */

import type { Board } from './board.js'
import * as board from './board.js'
import type { Reactor } from './reactor.js'

/** Something that happens once, at a time. All of it is internal: public classes are such timers. */
export interface WheelTimer {
  /** @internal Its number on the board while it runs, else -1. */
  id: number
  /** @internal The drain that it was last submitted for, -1 unless it runs; see {@link isFresh}. */
  drain: number
  /** @internal Whether it keeps the process alive while it runs. */
  readonly refd: boolean
  /** @internal The time has come; `id` was its number. Runs in the turn; may throw what a listener throws. */
  fire(id: number): void
  /** @internal Reads what {@link fire} will read. Many are due at once, far apart in memory: read ahead, the waiting overlaps. */
  touch(): number
}

/** What the classes have in common, but for those that are made by the thousand: a call of `super` costs them a fifth. */
export abstract class BaseTimer implements WheelTimer {
  // In the order of their use: what a refresh reads lies beside the object's own head.
  /** @internal */
  drain = -1
  /** @internal */
  id = -1
  /** @internal */
  refd: boolean

  /** @internal */
  constructor(refd: boolean) {
    this.refd = refd
  }

  /** @internal */
  abstract fire(id: number): void

  /** @internal */
  touch(): number {
    return this.drain
  }
}

/** The board's words, at hand: there is one reactor, so one board. Constant, so that compiled code knows where they are. */
const control = new Int32Array(board.CONTROL.buffer)
/** The words of timers. Replaced when they grow. */
let words = new Int32Array(0)
let times = new Float64Array(0)

/** From a timer's number to its words, of which there is a power of two. */
const TIMER_SHIFT = 31 - Math.clz32(board.TIMER_STRIDE)

/** Timers looked ahead for in dispatch. */
export const AHEAD = 32

/**
 * Whether a timer runs for a duration, and will be stamped at the next drain anyway, so that a refresh has nothing to do.
 * The hottest path of all: nothing else is looked at.
 */
export function isFresh(timer: WheelTimer): boolean {
  return timer.drain === control[board.TIMER_DRAINS]
}

export class TimerQueue {
  readonly #reactor: Reactor
  readonly #board: Board
  /** Who runs under each number. */
  readonly #running: (WheelTimer | undefined)[] = []
  /** The first number that was used and is free, which names the next one in its words; or -1. */
  #free = -1
  /** The first of the numbers that come after all that are in use. */
  #fresh = 0
  #live = 0
  /** What looking ahead has read; kept, or it would not be read. */
  ahead = 0

  constructor(reactor: Reactor) {
    this.#reactor = reactor
    this.#board = reactor.board
    words = this.#board.timers
    times = this.#board.times
  }

  /** Starts `timer`, or starts it again, to fire when `ms` have passed: never earlier. */
  after(timer: WheelTimer, ms: number): void {
    this.#start(timer, ms, board.AFTER)
  }

  /** As {@link after}, at an instant of the reactor's clock. */
  at(timer: WheelTimer, instant: number): void {
    this.#start(timer, instant, board.AT)
  }

  /** As {@link after}, for who will ask for {@link elapsed} and {@link remaining}. */
  noted(timer: WheelTimer, ms: number): void {
    this.#start(timer, ms, board.NOTED)
  }

  #start(timer: WheelTimer, time: number, state: number): void {
    let { id } = timer
    if (id === -1) {
      id = this.#free
      if (id === -1) id = this.#another()
      else this.#free = words[(id << TIMER_SHIFT) + board.TIMER_NEXT]!
      this.#live++
      timer.id = id
      this.#running[id] = timer
      if (timer.refd) this.#reactor.hold(1)
    }
    times[id << (TIMER_SHIFT - 1)] = time
    words[(id << TIMER_SHIFT) + board.TIMER_STATE] = state
    // Submitted again even if it is in the ring under its last owner: timers of one tick fire in the order of their starts.
    timer.drain = control[board.TIMER_DRAINS]!
    this.#submit(id)
  }

  #another(): number {
    const id = this.#fresh++
    if (id === this.#board.timerCapacity) {
      this.#reactor.growTimers()
      words = this.#board.timers
      times = this.#board.times
    }
    return id
  }

  /** Has a running timer start its duration afresh: costs a write or two. */
  refresh(timer: WheelTimer): void {
    const now = control[board.TIMER_DRAINS]!
    if (timer.drain === now) return
    timer.drain = now
    // One that has expired and waits for its turn to run is called back.
    words[(timer.id << TIMER_SHIFT) + board.TIMER_STATE] = board.AFTER
    this.#submit(timer.id)
  }

  /** Ends a timer; no effect if it does not run. */
  cancel(timer: WheelTimer): void {
    const { id } = timer
    if (id === -1) return
    words[(id << TIMER_SHIFT) + board.TIMER_STATE] = board.IDLE
    const submitted = isFresh(timer)
    this.#end(timer, id)
    if (!submitted) this.#submit(id)
  }

  #submit(id: number): void {
    const count = control[board.TIMER_COUNT]!
    control[board.TIMER + count] = id
    control[board.TIMER_COUNT] = count + 1
    if (count === board.TIMER_CAPACITY - 1) this.#reactor.flush()
    else if (count === 0) this.#reactor.submitted()
  }

  #end(timer: WheelTimer, id: number): void {
    timer.id = -1
    timer.drain = -1
    this.#running[id] = undefined
    words[(id << TIMER_SHIFT) + board.TIMER_NEXT] = this.#free
    this.#free = id
    if (--this.#live === 0) {
      // Numbers in their order again: timers made one after the other then lie side by side in every memory.
      this.#free = -1
      this.#fresh = 0
    }
    if (timer.refd) this.#reactor.release(1)
  }

  /** Takes an expired number off the board: the timer to fire, unless it was cancelled or started again meanwhile. */
  take(id: number): WheelTimer | undefined {
    if (words[(id << TIMER_SHIFT) + board.TIMER_STATE] !== board.HAS_EXPIRED) return undefined
    words[(id << TIMER_SHIFT) + board.TIMER_STATE] = board.IDLE
    const timer = this.#running[id]!
    this.#end(timer, id)
    return timer
  }

  /** Within `fire(id)` of a timer that was started by {@link noted}: how long ago that is. */
  elapsed(id: number, ms: number): number {
    const { behind } = this.#reactor
    return Math.max(ms, this.#reactor.now() - behind - (times[id << (TIMER_SHIFT - 1)]! - ms))
  }

  /** Milliseconds that a running timer that was started by {@link noted} has left. */
  remaining(timer: WheelTimer): number {
    const { id } = timer
    const time = times[id << (TIMER_SHIFT - 1)]!
    const isDrained = words[(id << TIMER_SHIFT) + board.TIMER_STATE] !== board.NOTED
    return isDrained ? Math.max(0, time + this.#reactor.behind - this.#reactor.now()) : time
  }

  /** Reads ahead of {@link take}, for the expired from one place in their ring to another. */
  lookAhead(from: number, to: number): void {
    let seen = 0
    for (let cursor = from; cursor < to; cursor++) {
      const id = control[board.EXPIRED + cursor]!
      seen += words[id << TIMER_SHIFT]! + (this.#running[id]?.touch() ?? 0)
    }
    this.ahead = seen
  }

  setRef(timer: WheelTimer & { refd: boolean }, refd: boolean): void {
    if (timer.refd === refd) return
    timer.refd = refd
    // Not by its number alone: the methods of timers can be called on anything.
    if (this.#running[timer.id] !== timer) return
    if (refd) this.#reactor.hold(1)
    else this.#reactor.release(1)
  }
}
