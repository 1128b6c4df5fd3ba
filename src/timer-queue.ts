/**
 * Timers on the board: started, refreshed and cancelled by writing there, fired by the turn. The native wheel keeps them.
 *
 * @module
 */

import type { Board } from './board.js'
import * as board from './board.js'
import type { Reactor } from './reactor.js'

/** Something that happens once, at a time. */
export interface WheelTimer {
  /** Its number on the board while it runs, else -1. */
  id: number
  /** Whether it keeps the process alive while it runs. */
  refd: boolean
  /** The time has come. Runs in the turn; may throw what a listener throws. */
  fire(): void
}

/** The board's words of timers, at hand: there is one reactor, so one board. Replaced when they grow. */
let words = new Int32Array(0)
let times = new Float64Array(0)

/**
 * Whether a timer that runs for a duration will be stamped at the next drain anyway, so that a refresh has nothing to do.
 * The hottest path of all: nothing else is looked at.
 */
export function isFresh({ id }: WheelTimer): boolean {
  return id !== -1 && words[(id << 2) + board.TIMER_QUEUED] === 1
}

export class TimerQueue {
  readonly #reactor: Reactor
  readonly #board: Board
  readonly #control: Int32Array
  /** Who runs under each number. */
  readonly #running: (WheelTimer | undefined)[] = []
  readonly #free: number[] = []

  constructor(reactor: Reactor) {
    this.#reactor = reactor
    this.#board = reactor.board
    this.#control = new Int32Array(this.#board.control.buffer)
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

  #start(timer: WheelTimer, time: number, state: number): void {
    let { id } = timer
    if (id === -1) {
      id = this.#free.length > 0 ? this.#free.pop()! : this.#another()
      timer.id = id
      this.#running[id] = timer
      if (timer.refd) this.#reactor.hold(1)
    }
    times[id * (board.TIMER_STRIDE / 2)] = time
    words[id * board.TIMER_STRIDE + board.TIMER_STATE] = state
    // Submitted again even if it is in the ring under its last owner: timers of one tick fire in the order of their starts.
    this.#submit(id)
  }

  #another(): number {
    const id = this.#running.length
    if (id === this.#board.timerCapacity) {
      this.#reactor.growTimers()
      words = this.#board.timers
      times = this.#board.times
    }
    return id
  }

  /** Has a running timer start its duration afresh: costs a write or two. */
  refresh(timer: WheelTimer): void {
    const at = timer.id * board.TIMER_STRIDE
    if (words[at + board.TIMER_QUEUED] !== 0) return
    // One that has expired and waits for its turn to run is called back.
    words[at + board.TIMER_STATE] = board.AFTER
    this.#submit(timer.id)
  }

  /** Ends a timer; no effect if it does not run. */
  cancel(timer: WheelTimer): void {
    const { id } = timer
    if (id === -1) return
    const at = id * board.TIMER_STRIDE
    words[at + board.TIMER_STATE] = board.IDLE
    if (words[at + board.TIMER_QUEUED] === 0) this.#submit(id)
    this.#end(timer, id)
  }

  #submit(id: number): void {
    const control = this.#control
    words[id * board.TIMER_STRIDE + board.TIMER_QUEUED] = 1
    const count = control[board.TIMER_COUNT]!
    control[board.TIMER + count] = id
    control[board.TIMER_COUNT] = count + 1
    if (count === board.TIMER_CAPACITY - 1) this.#reactor.flush()
    else if (count === 0) this.#reactor.submitted()
  }

  #end(timer: WheelTimer, id: number): void {
    timer.id = -1
    this.#running[id] = undefined
    this.#free.push(id)
    if (timer.refd) this.#reactor.release(1)
  }

  /** Takes an expired number off the board: the timer to fire, unless it was cancelled or started again meanwhile. */
  take(id: number): WheelTimer | undefined {
    const at = id * board.TIMER_STRIDE + board.TIMER_STATE
    if (words[at] !== board.HAS_EXPIRED) return undefined
    words[at] = board.IDLE
    const timer = this.#running[id]!
    this.#end(timer, id)
    return timer
  }

  setRef(timer: WheelTimer, refd: boolean): void {
    if (timer.refd === refd) return
    timer.refd = refd
    if (timer.id === -1) return
    if (refd) this.#reactor.hold(1)
    else this.#reactor.release(1)
  }
}
