/**
 * A cheap, refreshable limit with a signal.
 *
 * @module
 */
import { timedOut } from '../diagnostics.js'
import { TimeoutError } from '../errors.js'
import { theReactor } from '../reactor.js'
import { isFresh, type WheelTimer } from '../timer-queue.js'
import { checkDuration } from './check.js'

/**
 * Made by {@link deadline}.
 *
 * @example
 * using limit: Deadline = deadline(50)
 * while (!limit.expired) await sleep(10)
 */
export class Deadline implements WheelTimer, Disposable {
  /** @internal */
  id = -1
  /** @internal */
  drain = -1
  #ms: number
  /** Once it has passed and nobody had asked for its signal: after how many milliseconds. */
  #controller: AbortController | number | undefined

  /** @internal */
  constructor(ms: number) {
    const { timers } = theReactor()
    this.#ms = checkDuration('ms', ms)
    timers.noted(this, ms)
  }

  /** @internal */
  get refd(): boolean {
    return false
  }

  /** Aborted with a `TimeoutError` when the deadline passes. Made when it is first asked for. */
  get signal(): AbortSignal {
    const elapsed = this.#controller
    if (typeof elapsed === 'object') return elapsed.signal
    const controller = new AbortController()
    this.#controller = controller
    if (elapsed !== undefined) Deadline.#abort(controller, this.#ms, elapsed)
    return controller.signal
  }

  static #abort(controller: AbortController, ms: number, elapsed: number): void {
    controller.abort(timedOut(new TimeoutError(`the deadline of ${ms} ms passed`, ms, elapsed)))
  }

  /** Starts the time afresh, or another one. False, with no effect, once it has passed or was cancelled. */
  refresh(ms: number = this.#ms): boolean {
    if (checkDuration('ms', ms) === this.#ms && isFresh(this)) return true
    if (this.id === -1) return false
    this.#ms = ms
    theReactor().timers.noted(this, ms)
    return true
  }

  /** Milliseconds left; 0 once it has passed, `Infinity` once it was cancelled. */
  get remaining(): number {
    if (this.expired) return 0
    return this.id === -1 ? Infinity : theReactor().timers.remaining(this)
  }

  /** Whether it has passed. */
  get expired(): boolean {
    const controller = this.#controller
    return typeof controller === 'object' ? controller.signal.aborted : controller !== undefined
  }

  /** It will not pass any more. */
  cancel(): void {
    // Throws for what is none: the queue would take its properties for those of a timer.
    void this.#ms
    theReactor().timers.cancel(this)
  }

  /** @internal */
  touch(): number {
    return this.#ms
  }

  /** @internal */
  fire(id: number): void {
    const elapsed = theReactor().timers.elapsed(id, this.#ms)
    if (typeof this.#controller === 'object') Deadline.#abort(this.#controller, this.#ms, elapsed)
    else this.#controller = elapsed
  }

  /** As {@link cancel}. */
  [Symbol.dispose](): void {
    this.cancel()
  }
}

/**
 * A deadline `ms` milliseconds from now: `AbortSignal.timeout`, but it can be refreshed and cancelled, and costs next to nothing
 * until its signal is asked for. It does not keep the process alive.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 * @example
 * using limit = deadline(5000)
 * for await (const chunk of body) {
 *   limit.refresh()
 *   await upload(chunk, { signal: limit.signal })
 * }
 */
export function deadline(ms: number): Deadline {
  return new Deadline(ms)
}
