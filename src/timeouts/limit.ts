/**
 * One limit of a phase. When its time has come nothing is said of the peer before the kernel was asked: what lies there while our
 * own loop was blocked is not the peer's fault.
 *
 * @module
 */
import type { Answer } from '../kernel.js'
import { theReactor } from '../reactor.js'
import { BaseTimer } from '../timer-queue.js'
import type { Phase } from './phases.js'
import { afterPollPhase } from './poll-phase.js'

/** Whose limits these are. */
export interface Limited {
  /** Brings up to date which limits run; what ends on the way is stopped. */
  sync(): void
  /** Something came that nobody was told of. */
  hearPackets?(): void
  /** Whether a limit has to be told of every write has changed. */
  hearWrites?(): void
  /** The limit was exceeded. */
  exceeded(limit: Limit, elapsed: number, loopDelay: number): void
}

/** One limit. It does not keep the process alive, unless it is told to. */
export abstract class Limit extends BaseTimer {
  readonly phase: Phase
  readonly ms: number
  protected readonly owner: Limited
  /** From when it counts. */
  protected since = 0
  /** When it was set to look. */
  #due = 0
  running = false

  constructor(owner: Limited, phase: Phase, ms: number, refd = false) {
    super(refd)
    this.owner = owner
    this.phase = phase
    this.ms = ms
  }

  /** Begins to count, from `since`. */
  start(since: number = theReactor().now()): void {
    this.running = true
    this.since = since
    this.begin()
  }

  stop(): void {
    this.running = false
    theReactor().timers.cancel(this)
  }

  /** Notes the counters of the socket: what has moved by now is no news later. */
  look(): void {}

  /** Starts the timer, if it has to run from the beginning on. */
  protected begin(): void {
    this.arm(this.since + this.ms - theReactor().now())
  }

  /** Looks in `ms` milliseconds. */
  protected arm(ms: number): void {
    this.#due = theReactor().now() + ms
    // By the instant: a duration would be counted from the next turn of the loop, which may be blocked until then.
    theReactor().timers.at(this, this.#due)
  }

  /** Milliseconds until the next look; 0 or less if the limit is exceeded, `Infinity` if there is nothing to look for now. */
  protected left(now: number): number {
    return this.since + this.ms - now
  }

  /** Whether the peer did its part, and our loop is behind. */
  protected abstract isAnswered(): Answer

  /** Starts afresh, as the peer did its part; or does not. */
  protected afresh(): boolean {
    return false
  }

  fire(): void {
    const late = Math.max(0, theReactor().now() - this.#due)
    this.owner.sync()
    if (!this.running) return
    const now = theReactor().now()
    const left = this.left(now)
    if (left > 0) {
      this.#wait(left)
      return
    }
    const answer = this.isAnswered()
    if (answer === false) this.#exceeded(late)
    else afterPollPhase(() => this.#again(late, answer), late)
  }

  #wait(left: number): void {
    if (left < Infinity) this.arm(left)
  }

  /** The loop had its poll phase. */
  #again(late: number, answer: Answer): void {
    if (this.running) this.owner.sync()
    if (!this.running || (answer === true && this.afresh())) return
    // Where the kernel could not be asked, what was read by now is all there is to know.
    const left = this.left(theReactor().now())
    if (left > 0) this.#wait(left)
    else this.#exceeded(late)
  }

  #exceeded(late: number): void {
    const elapsed = Math.max(this.ms, theReactor().now() - this.since)
    this.stop()
    this.owner.exceeded(this, elapsed, late)
  }
}

/** A span of the connection's life: it begins, and has to end. A peer that drips gets no more than one poll phase. */
export class Span extends Limit {
  readonly #isAnswered: () => Answer

  constructor(owner: Limited, phase: Phase, ms: number, isAnswered: () => Answer, refd = false) {
    super(owner, phase, ms, refd)
    this.#isAnswered = isAnswered
  }

  protected override isAnswered(): Answer {
    return this.#isAnswered()
  }
}
