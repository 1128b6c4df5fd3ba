/**
 * A cheap, refreshable limit with a signal.
 *
 * @module
 */
import { timedOut } from '../diagnostics.js'
import { TimeoutError } from '../errors.js'
import { theReactor } from '../reactor.js'
import type { WheelTimer } from '../timer-queue.js'
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
  #begun: number
  #ms: number
  /** Null once it has passed and nobody had asked for its signal. */
  #controller: AbortController | null | undefined

  /** @internal */
  constructor(ms: number) {
    const reactor = theReactor()
    this.#ms = checkDuration('ms', ms)
    this.#begun = reactor.now()
    reactor.timers.after(this, ms)
  }

  /** @internal */
  get refd(): boolean {
    return false
  }

  /** Aborted with a `TimeoutError` when the deadline passes. Made when it is first asked for. */
  get signal(): AbortSignal {
    const passed = this.#controller === null
    this.#controller ??= new AbortController()
    if (passed) Deadline.#abort(this.#controller, this.#ms, this.#begun)
    return this.#controller.signal
  }

  static #abort(controller: AbortController, ms: number, begun: number): void {
    const elapsed = Math.max(ms, theReactor().now() - begun)
    controller.abort(timedOut(new TimeoutError(`the deadline of ${ms} ms passed`, ms, elapsed)))
  }

  /** Starts the time afresh, or another one. False, with no effect, once it has passed or was cancelled. */
  refresh(ms: number = this.#ms): boolean {
    const isAnother = checkDuration('ms', ms) !== this.#ms
    if (this.id === -1) return false
    const reactor = theReactor()
    this.#begun = reactor.now()
    if (isAnother) {
      this.#ms = ms
      reactor.timers.after(this, ms)
    } else {
      reactor.timers.refresh(this)
    }
    return true
  }

  /** Milliseconds left; 0 once it has passed, `Infinity` once it was cancelled. */
  get remaining(): number {
    if (this.expired) return 0
    return this.id === -1 ? Infinity : Math.max(0, this.#begun + this.#ms - theReactor().now())
  }

  /** Whether it has passed. */
  get expired(): boolean {
    return this.#controller === null || this.#controller?.signal.aborted === true
  }

  /** It will not pass any more. */
  cancel(): void {
    // Throws for what is none: the queue would take its properties for those of a timer.
    void this.#ms
    theReactor().timers.cancel(this)
  }

  /** @internal */
  touch(): number {
    return this.#begun
  }

  /** @internal */
  fire(): void {
    if (this.#controller) Deadline.#abort(this.#controller, this.#ms, this.#begun)
    else this.#controller = null
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
