/**
 * A limit on any work.
 *
 * @module
 */
import { timedOut } from '../diagnostics.js'
import { invalidArgType, stackless, TimeoutError } from '../errors.js'
import { theReactor } from '../reactor.js'
import { BaseTimer } from '../timer-queue.js'
import { checkDuration, checkInstant } from './check.js'

/**
 * Work: a promise, or a function that starts it and is given a signal that is aborted when time is up.
 *
 * @example
 * const work: Work<number> = (signal) => (signal.aborted ? Promise.reject(signal.reason) : Promise.resolve(7))
 * console.log(await timeout(100, work))
 */
export type Work<R> = PromiseLike<R> | ((signal: AbortSignal) => PromiseLike<R>)

class Limit<R> extends BaseTimer {
  #reject!: (error: Error) => void
  #controller: AbortController | undefined
  #isOver = false

  /** The error is made before the limit is armed, so that its stack is the caller's. */
  constructor(
    readonly begun: number,
    readonly error: TimeoutError,
  ) {
    super(true)
  }

  run(deadline: number, work: Work<R>): Promise<R> {
    const { timers } = theReactor()
    let running: PromiseLike<R>
    if (typeof work === 'function') {
      this.#controller = new AbortController()
      running = work(this.#controller.signal)
    } else {
      running = work
    }
    return new Promise<R>((resolve, reject) => {
      this.#reject = reject
      timers.at(this, deadline)
      // The loser's rejection ends here, whenever it comes.
      Promise.resolve(running).then(
        (value) => {
          this.end()
          resolve(value)
        },
        (error) => {
          this.end()
          reject(error)
        },
      )
    })
  }

  private end(): void {
    this.#isOver = true
    theReactor().timers.cancel(this)
  }

  fire(): void {
    const elapsed = Math.max(this.error.timeout, theReactor().now() - this.begun)
    theReactor().grace.before(() => {
      if (this.#isOver) return
      this.error.elapsed = elapsed
      timedOut(this.error)
      this.#controller?.abort(this.error)
      this.#reject(this.error)
    })
  }
}

function limited<R>(begun: number, deadline: number, work: Work<R>, caller: (...args: never[]) => unknown): Promise<R> {
  if (typeof work !== 'function' && typeof (work as PromiseLike<R> | null | undefined)?.then !== 'function') {
    throw invalidArgType('work', 'a promise or a function that returns one', work)
  }
  const ms = Math.max(0, deadline - begun)
  const error = stackless(() => new TimeoutError(`not done within ${ms} ms`, ms, ms))
  Error.captureStackTrace?.(error, caller)
  return new Limit<R>(begun, error).run(deadline, work)
}

/**
 * Waits for `work` for at most `ms` milliseconds. Work that is settled already wins over a limit of 0, and work that was over in time over
 * one that passed while the event loop was blocked. When time is up it rejects with `TimeoutError`, which is also the reason of the signal;
 * what the work does later is ignored.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; what `work` throws
 * @example
 * const answer = await timeout(500, (signal) => fetch(url, { signal }))
 */
export function timeout<R>(ms: number, work: Work<R>): Promise<R> {
  checkDuration('ms', ms)
  const begun = theReactor().now()
  return limited(begun, begun + ms, work, timeout)
}

/**
 * As {@link timeout}, until an instant of `now()`. One in the past still lets work that is settled win.
 *
 * @example
 * const end = now() + 500
 * const both = [await timeoutAt(end, fetch(url)), await timeoutAt(end, fetch(url))] // 500 ms for the two
 */
export function timeoutAt<R>(instant: number, work: Work<R>): Promise<R> {
  checkInstant('instant', instant)
  return limited(theReactor().now(), instant, work, timeoutAt)
}
