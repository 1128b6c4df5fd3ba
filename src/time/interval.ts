/**
 * Ticks at a steady pace: tokio's `Interval`.
 *
 * @module
 */
import { checkSignal } from '../abort.js'
import { ErrorCode, invalidArgValue, stateError } from '../errors.js'
import { theReactor } from '../reactor.js'
import { checkDuration, checkInstant, checkPeriod } from './check.js'
import { RefTimer } from './ref-timer.js'

/**
 * What becomes of ticks that were missed (by more than 5 ms, as in tokio). `'burst'`: they follow at once, until the pace is
 * caught up with. `'delay'`: the pace starts afresh from now. `'skip'`: they are left out, and the pace is kept.
 *
 * @example
 * const behavior: MissedTickBehavior = 'delay'
 * using pace = interval(10, { missedTickBehavior: behavior })
 */
export type MissedTickBehavior = 'burst' | 'delay' | 'skip'

/**
 * When an interval begins, and what it makes of ticks that were missed.
 *
 * @example
 * const options: IntervalOptions = { startAt: now() + 5, missedTickBehavior: 'skip', signal }
 * using pace = interval(10, options)
 * await pace.tick()
 */
export interface IntervalOptions {
  /** The instant of the first tick. Default: now. */
  startAt?: number | undefined
  /** Default `'burst'`. */
  missedTickBehavior?: MissedTickBehavior | undefined
  /** Ends it: pending and later ticks reject with `signal.reason`. */
  signal?: AbortSignal | undefined
}

const LATE_MS = 5
const BEHAVIORS: readonly MissedTickBehavior[] = ['burst', 'delay', 'skip']

interface Tick {
  resolve(instant: number): void
  reject(reason: unknown): void
}

/**
 * Made by {@link interval}.
 *
 * @example
 * using pace: Interval = interval(10)
 * await pace.tick() // at once
 * await pace.tick() // 10 ms later
 * pace.reset()
 */
export class Interval extends RefTimer implements AsyncIterable<number>, Disposable {
  /** Milliseconds between two ticks. */
  readonly period: number
  #behavior: MissedTickBehavior
  /** When the next tick is due. */
  #due: number
  /** Who waits for a tick: each gets one, in order. */
  readonly #ticks: Tick[] = []
  #ended: { reason: unknown } | undefined
  #detach: (() => void) | undefined

  /** @internal */
  constructor(period: number, options: IntervalOptions) {
    super(true)
    this.period = checkPeriod('ms', period)
    checkSignal(options)
    const { startAt, missedTickBehavior, signal } = options
    this.#behavior = checkBehavior(missedTickBehavior ?? 'burst')
    this.#due = startAt === undefined ? theReactor().now() : checkInstant('options.startAt', startAt)
    if (signal?.aborted) this.#end(signal.reason)
    else if (signal !== undefined) {
      const onAbort = () => this.#end(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#detach = () => signal.removeEventListener('abort', onAbort)
    }
  }

  /** What becomes of ticks that are missed. */
  get missedTickBehavior(): MissedTickBehavior {
    return this.#behavior
  }

  /** What becomes of ticks that are missed from now on. @throws `ERR_INVALID_ARG_VALUE` */
  set missedTickBehavior(behavior: MissedTickBehavior) {
    this.#behavior = checkBehavior(behavior)
  }

  /** Resolves at the next tick, with the instant at which it was due. Several callers get successive ticks. */
  tick(options?: { signal?: AbortSignal | undefined }): Promise<number> {
    if (options !== undefined) checkSignal(options)
    const signal = options?.signal
    if (this.#ended !== undefined) return Promise.reject(this.#ended.reason)
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const tick: Tick = {
        resolve: (instant) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(instant)
        },
        reject: (reason) => {
          signal?.removeEventListener('abort', onAbort)
          reject(reason)
        },
      }
      const onAbort = () => {
        this.#ticks.splice(this.#ticks.indexOf(tick), 1)
        if (this.#ticks.length === 0) theReactor().timers.cancel(this)
        reject(signal?.reason)
      }
      this.#ticks.push(tick)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (this.id === -1) theReactor().timers.at(this, this.#due)
    })
  }

  /** @internal */
  fire(): void {
    const reactor = theReactor()
    const due = this.#due
    const now = reactor.now()
    this.#due = now > due + LATE_MS ? this.#after(due, now) : due + this.period
    this.#ticks.shift()?.resolve(due)
    if (this.#ticks.length > 0) reactor.timers.at(this, this.#due)
  }

  #after(due: number, now: number): number {
    switch (this.#behavior) {
      case 'burst':
        return due + this.period
      case 'delay':
        return now + this.period
      case 'skip':
        return now + this.period - ((now - due) % this.period)
    }
  }

  /** The next tick comes a period from now. */
  reset(): void {
    this.#move(theReactor().now() + this.period)
  }

  /** The next tick comes at once. */
  resetImmediately(): void {
    this.#move(theReactor().now())
  }

  /** The next tick comes in `ms` milliseconds. */
  resetAfter(ms: number): void {
    this.#move(theReactor().now() + checkDuration('ms', ms))
  }

  /** The next tick comes at an instant. */
  resetAt(instant: number): void {
    this.#move(checkInstant('instant', instant))
  }

  #move(instant: number): void {
    this.#due = instant
    if (this.#ticks.length > 0) theReactor().timers.at(this, instant)
  }

  /** Ends it: pending and later ticks reject, loops over it end. */
  close(): void {
    if (this.#ended === undefined) this.#end(stateError(ErrorCode.CLOSED, 'the interval was closed'))
  }

  #end(reason: unknown): void {
    this.#ended = { reason }
    this.#detach?.()
    theReactor().timers.cancel(this)
    for (const tick of this.#ticks.splice(0)) tick.reject(reason)
  }

  /** Ticks for ever: `close()` ends the loop, an abort throws. Leaving the loop leaves the interval as it is. */
  async *[Symbol.asyncIterator](): AsyncGenerator<number, void, undefined> {
    for (;;) {
      try {
        yield await this.tick()
      } catch (error) {
        if ((error as { code?: unknown } | null)?.code === ErrorCode.CLOSED) return
        throw error
      }
    }
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close()
  }
}

function checkBehavior(behavior: MissedTickBehavior): MissedTickBehavior {
  if (!BEHAVIORS.includes(behavior)) throw invalidArgValue('missedTickBehavior', "must be 'burst', 'delay' or 'skip'", behavior)
  return behavior
}

/**
 * Ticks every `ms` milliseconds, the first time at once. It does not drift.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE` (a period is more than 0, and finite)
 * @example
 * for await (const due of interval(10)) if (!report(due)) break
 */
export function interval(ms: number, options: IntervalOptions = {}): Interval {
  return new Interval(ms, options)
}
