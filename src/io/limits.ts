/**
 * Limits of a stream as a whole, beside those of single operations: they cost nothing per packet.
 *
 * @module
 */
import { timedOut } from '../diagnostics.js'
import { TimeoutError } from '../errors.js'
import { Interest } from '../interest.js'
import { notSentSince, Outflow } from '../kernel.js'
import { readLimits } from '../phases.js'
import { theReactor } from '../reactor.js'
import { BaseTimer } from '../timer-queue.js'
import type { Port } from './port.js'

/**
 * Milliseconds, fractions allowed; 0, `undefined` and `Infinity` are no limit.
 *
 * @example
 * const limits: StreamTimeouts = { read: 5000, write: 5000, total: 60_000 }
 * async.setTimeouts(limits)
 */
export interface StreamTimeouts {
  /** How long a pending read may go without a byte. */
  read?: number | undefined
  /** How long a pending write may go without the kernel taking a byte, and on Linux the other end getting one. */
  write?: number | undefined
  /** How long nothing may go either way, whether anything is pending or not. */
  idle?: number | undefined
  /** How long the stream may live, from now on. */
  total?: number | undefined
}

type Phase = keyof StreamTimeouts
const PHASES: readonly Phase[] = ['read', 'write', 'idle', 'total']

/** Reads limits, 0 for none. @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` */
export const readTimeouts = (timeouts: StreamTimeouts): StreamTimeouts => readLimits('timeouts', timeouts, PHASES)

/** Part of a limit after which it looks whether anything has moved: so late it may be, and never early. */
const LATE = 0.1

/** One limit of a stream, which has a list of them. It does not keep the process alive. */
export class Limit extends BaseTimer {
  readonly #port: Port
  readonly #phase: Phase
  readonly #ms: number
  readonly #next: Limit | null
  /** When something was last seen to have moved; of the whole, when it began. */
  #since = theReactor().now()
  #moved: number
  /** Undefined before the first look. */
  #outflow: Outflow | null | undefined
  #stopped = false

  private constructor(port: Port, phase: Phase, ms: number, next: Limit | null) {
    super(false)
    this.#port = port
    this.#phase = phase
    this.#ms = ms
    this.#next = next
    this.#moved = this.moves()
    this.arm(this.#since)
  }

  /** Starts the limits of a stream. @returns the first of them */
  static start(port: Port, timeouts: StreamTimeouts): Limit | null {
    let first: Limit | null = null
    for (const phase of PHASES) {
      const ms = timeouts[phase] ?? 0
      if (ms > 0) first = new Limit(port, phase, ms, first)
    }
    return first
  }

  /** Ends this one, and those after it. */
  stop(): void {
    for (let limit: Limit | null = this; limit !== null; limit = limit.#next) {
      limit.#stopped = true
      theReactor().timers.cancel(limit)
    }
  }

  private arm(now: number): void {
    const left = this.#ms - (now - this.#since)
    theReactor().timers.after(this, this.#phase === 'total' ? left : Math.min(left, this.#ms * LATE))
  }

  /** A number that changes when something moves, or begins. */
  private moves(): number {
    const { received, sent } = this.#port.activity
    return this.#phase === 'read' ? received : this.#phase === 'write' ? sent : received + sent
  }

  /** Whether the limit is for what goes on now. */
  private get applies(): boolean {
    const { reading, writing } = this.#port.activity
    return this.#phase === 'read' ? reading : this.#phase === 'write' ? writing : true
  }

  /** Whether the peer has done its part, and we are behind. */
  private get isReady(): boolean {
    const asked = this.#phase === 'write' ? Interest.WRITABLE : Interest.READABLE
    return this.#port.probe(asked)
  }

  fire(): void {
    if (this.#port.closed) return
    const now = theReactor().now()
    if (this.#phase === 'total') {
      // What the loop was kept from gets its time, and no more.
      theReactor().grace.before(() => this.end())
      return
    }
    const moves = this.moves()
    const moved = moves !== this.#moved
    if (moved || !this.applies || (now - this.#since >= this.#ms && this.isReady)) {
      this.#moved = moves
      this.#since = now
    }
    if (this.#phase !== 'read') {
      this.watch(moved, now)
      if (now - this.#since >= this.#ms) this.#since = notSentSince(this.#port.fd, this.#since, now)
    }
    if (now - this.#since >= this.#ms) this.end()
    else this.arm(now)
  }

  /** Looks at what is left of what was written. */
  private watch(moved: boolean, now: number): void {
    if (moved || this.#outflow === undefined) this.#outflow = Outflow.of(this.#port.fd)
    else if (this.#outflow?.look(this.#port.fd)) this.#since = now
    if (this.#outflow?.isOver) this.#outflow = null
  }

  private end(): void {
    // Taken away while the loop had its turn.
    if (this.#stopped) return
    const now = theReactor().now()
    const elapsed = Math.max(this.#ms, now - this.#since)
    const what = { read: 'nothing came', write: 'nothing could be written', idle: 'nothing moved', total: 'it was not over' }[
      this.#phase
    ]
    const error = new TimeoutError(`${what} within ${this.#ms} ms`, this.#ms, elapsed)
    error.phase = this.#phase
    this.#port.destroy(timedOut(error))
  }
}
