/**
 * Sleeping: once, by a function, or again and again, by an object that can be reset.
 *
 * @module
 */
import { checkSignal } from '../abort.js'
import { ErrorCode, stateError } from '../errors.js'
import { theReactor } from '../reactor.js'
import { BaseTimer } from '../timer-queue.js'
import { checkDuration, checkInstant, checkSleepOptions } from './check.js'
import { RefTimer } from './ref-timer.js'

/**
 * What may end a sleep, and whether it keeps the process alive.
 *
 * @example
 * const options: SleepOptions = { signal, ref: false }
 * await sleep(5, options)
 */
export interface SleepOptions {
  /** Ends it; it then rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** Whether it keeps the process alive. Default true. */
  ref?: boolean | undefined
}

/** Resolves at an instant. */
class Waiting extends BaseTimer {
  #resolve: (() => void) | undefined
  #detach: (() => void) | undefined

  start(instant: number, signal: AbortSignal | undefined): Promise<void> {
    const { timers } = theReactor()
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      timers.at(this, instant)
      if (signal === undefined) return
      const onAbort = () => {
        timers.cancel(this)
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#detach = () => signal.removeEventListener('abort', onAbort)
    })
  }

  fire(): void {
    this.#detach?.()
    this.#resolve?.()
  }
}

/**
 * Resolves when `ms` milliseconds have passed: never earlier, and with sub-millisecond precision. `Infinity` is never.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 * @example
 * await sleep(1.5)
 */
export function sleep(ms: number, options?: SleepOptions): Promise<void> {
  checkDuration('ms', ms)
  return until(theReactor().now() + ms, options)
}

/**
 * Resolves at an instant of {@link now}: at once, but not before other work had its turn, if that is past.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 * @example
 * const start = now()
 * for (let frame = 1; frame <= 3; frame++) await sleepUntil(start + frame * 5)
 */
export function sleepUntil(instant: number, options?: SleepOptions): Promise<void> {
  return until(checkInstant('instant', instant), options)
}

function until(instant: number, options: SleepOptions | undefined): Promise<void> {
  if (options !== undefined) checkSleepOptions(options)
  const signal = options?.signal
  if (signal?.aborted) return Promise.reject(signal.reason)
  return new Waiting(options?.ref ?? true).start(instant, signal)
}

/**
 * A sleep whose deadline can be moved, also while it is awaited: tokio's `Sleep`. It holds the process only while awaited.
 *
 * @example
 * const idle = new Sleep(30)
 * socket.on('data', () => idle.reset(30))
 * await idle.wait()
 */
export class Sleep extends RefTimer implements Disposable {
  #deadline: number
  #cancelled = false
  #waits = new Set<{ resolve: () => void; reject: (reason: unknown) => void }>()

  /** Sleeps until `ms` milliseconds from now. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
  constructor(ms: number) {
    super(true)
    this.#deadline = theReactor().now() + checkDuration('ms', ms)
  }

  /** The instant at which it ends. */
  get deadline(): number {
    return this.#deadline
  }

  /** Whether the deadline has passed. */
  get isElapsed(): boolean {
    return theReactor().now() >= this.#deadline
  }

  /** Resolves when the deadline has passed; any number of callers may wait. Rejects if it is cancelled. */
  wait(options?: Pick<SleepOptions, 'signal'>): Promise<void> {
    if (options !== undefined) checkSignal(options)
    const signal = options?.signal
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#cancelled) return Promise.reject(cancelled())
    return new Promise((resolve, reject) => {
      const settled = () => {
        this.#waits.delete(wait)
        signal?.removeEventListener('abort', onAbort)
      }
      const wait = {
        resolve: () => {
          settled()
          resolve()
        },
        reject: (reason: unknown) => {
          settled()
          reject(reason)
        },
      }
      const onAbort = () => {
        wait.reject(signal?.reason)
        if (this.#waits.size === 0) theReactor().timers.cancel(this)
      }
      this.#waits.add(wait)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (this.id === -1) theReactor().timers.at(this, this.#deadline)
    })
  }

  /** Moves the deadline to `ms` milliseconds from now. */
  reset(ms: number): void {
    this.#move(theReactor().now() + checkDuration('ms', ms))
  }

  /** Moves the deadline to an instant. */
  resetAt(instant: number): void {
    this.#move(checkInstant('instant', instant))
  }

  #move(instant: number): void {
    this.#cancelled = false
    this.#deadline = instant
    if (this.#waits.size > 0) theReactor().timers.at(this, instant)
  }

  /** Ends it: pending waits reject. A reset starts it again. */
  cancel(): void {
    this.#cancelled = true
    theReactor().timers.cancel(this)
    for (const wait of this.#waits) wait.reject(cancelled())
  }

  /** @internal */
  fire(): void {
    for (const wait of this.#waits) wait.resolve()
  }

  /** As {@link cancel}. */
  [Symbol.dispose](): void {
    this.cancel()
  }
}

function cancelled(): Error {
  return stateError(ErrorCode.CLOSED, 'the Sleep was cancelled')
}
