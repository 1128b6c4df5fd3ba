/**
 * A timer that is made once and started any number of times: for what has a limit again and again, as a connection does.
 *
 * @module
 */
import { captureContext, runInContext } from '../context.js'
import { invalidArgType } from '../errors.js'
import { theReactor } from '../reactor.js'
import { checkOptions } from '../sys/result.js'
import { isFresh as isTimerFresh, type TimerQueue } from '../timer-queue.js'
import { checkDuration, checkRef } from './check.js'
import { RefTimer } from './ref-timer.js'

/** As a constant of this module: compiled code knows what it is, while what is imported is looked up at each use. */
const isFresh = isTimerFresh

/**
 * How a {@link CallbackTimer} is made.
 *
 * @example
 * const options: CallbackTimerOptions = { ref: false }
 * const timer = new CallbackTimer(hangUp, options).start(30_000)
 * socket.on('data', () => timer.refresh())
 */
export interface CallbackTimerOptions {
  /** Whether it keeps the process alive while it is pending. Default true. */
  ref?: boolean | undefined
}

/** On a timer, with no arguments: an array of them would be made for each call. */
let callBack: (this: CallbackTimer) => void
/** Throws for what is no timer: the queue would take its properties for those of one. */
let queueOf: (timer: CallbackTimer) => TimerQueue

/** As {@link CallbackTimer.refresh}, where that has something to do. Apart from it, as then its callers hold less in their registers. */
let again: (timer: CallbackTimer) => boolean

/**
 * Calls back once for each start, unless it is cancelled before: libuv's `uv_timer_t`, Go's `time.AfterFunc`. Starting,
 * refreshing and cancelling make nothing, so they cost a few writes to memory; `setTimeout` makes a timer each time.
 *
 * The callback runs in the `AsyncLocalStorage` context in which the timer was made. Timers that are due together are called one
 * directly after the other, as listeners of descriptors are: `process.nextTick`, promises and microtasks follow when all were called.
 *
 * @example
 * const limit = new CallbackTimer(hangUp)
 * for (let request = 1; request <= 3; request++) {
 *   limit.start(5000)
 *   await sleep(1)
 *   limit.cancel()
 * }
 */
export class CallbackTimer extends RefTimer implements Disposable {
  static {
    callBack = function () {
      const callback = this.#callback
      callback(this)
    }
    queueOf = (timer) => {
      void timer.#callback
      return theReactor().timers
    }
    again = (timer) => {
      void timer.#callback
      if (timer.id === -1) return false
      theReactor().timers.refresh(timer)
      return true
    }
  }

  readonly #callback: (timer: CallbackTimer) => void
  readonly #context = captureContext('ASYNCFD_TIMER')

  /** Makes it; it is not started. @throws `ERR_INVALID_ARG_TYPE` */
  constructor(callback: (timer: CallbackTimer) => void, options?: CallbackTimerOptions) {
    if (typeof callback !== 'function') throw invalidArgType('callback', 'of type function', callback)
    if (options !== undefined) checkOptions(options)
    super(checkRef(options?.ref))
    this.#callback = callback
  }

  /**
   * Calls back when `ms` milliseconds have passed, never earlier, whatever it was started for before; `Infinity` is never. The time
   * counts from the next drain, as that of `setTimeout` does.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  start(ms: number): this {
    checkDuration('ms', ms)
    queueOf(this).after(this, ms)
    return this
  }

  /** Starts its time afresh. False, with no effect, unless it is pending. */
  refresh(): boolean {
    return isFresh(this) || again(this)
  }

  /** It does not call back, until it is started again. */
  cancel(): void {
    queueOf(this).cancel(this)
  }

  /** Whether it was started and has neither called back nor been cancelled since. */
  get isPending(): boolean {
    return this.id !== -1
  }

  /** @internal */
  fire(): void {
    runInContext(this.#context, callBack, this, null)
  }

  /** As {@link cancel}. */
  [Symbol.dispose](): void {
    this.cancel()
  }
}
