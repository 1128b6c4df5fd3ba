/**
 * async-io's `Timer`: once, or again and again, set anew at will.
 *
 * @module
 */
import { checkSignal } from '../abort.js'
import { theReactor } from '../reactor.js'
import { checkDuration, checkInstant, checkPeriod } from './check.js'
import { RefTimer } from './ref-timer.js'

interface Next {
  resolve(instant: number): void
  reject(reason: unknown): void
}

/**
 * Emits the instants at which it is due.
 *
 * @example
 * const timer = Timer.after(100)
 * await timer.next()
 */
export class Timer extends RefTimer implements AsyncIterable<number>, Disposable {
  /** When it is due, or null for never. */
  #due: number | null = null
  /** Infinity: once. */
  #period = Infinity
  readonly #nexts = new Set<Next>()

  private constructor() {
    super(true)
  }

  static #make(due: number | null, period = Infinity): Timer {
    const timer = new Timer()
    timer.#due = due
    timer.#period = period
    return timer
  }

  /** A timer that is never due, until it is set. */
  static never(): Timer {
    return Timer.#make(null)
  }

  /** Due once, in `ms` milliseconds; `Infinity` is never. */
  static after(ms: number): Timer {
    return Timer.#make(finite(theReactor().now() + checkDuration('ms', ms)))
  }

  /** Due once, at an instant of `now()`. */
  static at(instant: number): Timer {
    return Timer.#make(finite(checkInstant('instant', instant)))
  }

  /** Due every `ms` milliseconds, first in `ms` milliseconds. */
  static interval(ms: number): Timer {
    const period = checkPeriod('ms', ms)
    return Timer.#make(theReactor().now() + period, period)
  }

  /** Due at an instant, and every `ms` milliseconds from there. */
  static intervalAt(instant: number, ms: number): Timer {
    return Timer.#make(finite(checkInstant('instant', instant)), checkPeriod('ms', ms))
  }

  /** Whether it will be due again. */
  willFire(): boolean {
    return this.#due !== null
  }

  /** Resolves when it is next due, with that instant; all who wait get it. Never, if it is never due. */
  next(options?: { signal?: AbortSignal | undefined }): Promise<number> {
    if (options !== undefined) checkSignal(options)
    const signal = options?.signal
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const next: Next = {
        resolve: (instant) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(instant)
        },
        reject,
      }
      const onAbort = () => {
        this.#nexts.delete(next)
        if (this.#nexts.size === 0) theReactor().timers.cancel(this)
        reject(signal?.reason)
      }
      this.#nexts.add(next)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#arm()
    })
  }

  #arm(): void {
    const { timers } = theReactor()
    if (this.#due === null || this.#nexts.size === 0) timers.cancel(this)
    else timers.at(this, this.#due)
  }

  /** @internal */
  fire(): void {
    const due = this.#due!
    this.#due = this.#period === Infinity ? null : due + this.#period
    const nexts = [...this.#nexts]
    this.#nexts.clear()
    for (const next of nexts) next.resolve(due)
  }

  #set(due: number | null, period = Infinity): void {
    this.#due = due
    this.#period = period
    this.#arm()
  }

  /** Due once, in `ms` milliseconds, whatever was set before. */
  setAfter(ms: number): void {
    this.#set(finite(theReactor().now() + checkDuration('ms', ms)))
  }

  /** Due once, at an instant. */
  setAt(instant: number): void {
    this.#set(finite(checkInstant('instant', instant)))
  }

  /** Due every `ms` milliseconds. */
  setInterval(ms: number): void {
    const period = checkPeriod('ms', ms)
    this.#set(theReactor().now() + period, period)
  }

  /** Due at an instant, and every `ms` milliseconds from there. */
  setIntervalAt(instant: number, ms: number): void {
    this.#set(finite(checkInstant('instant', instant)), checkPeriod('ms', ms))
  }

  /** Never due any more, until it is set. Who waits goes on waiting. */
  clear(): void {
    this.#set(null)
  }

  /** The instants at which it is due, until it is never due any more. */
  async *[Symbol.asyncIterator](): AsyncGenerator<number, void, undefined> {
    while (this.willFire()) yield await this.next()
  }

  /** As {@link clear}. */
  [Symbol.dispose](): void {
    this.clear()
  }
}

function finite(instant: number): number | null {
  return instant === Infinity ? null : instant
}
