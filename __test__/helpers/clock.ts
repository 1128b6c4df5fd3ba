/** Tests on stopped time: one after another, as the clock is the environment's. */
import { clock, now } from 'asyncfd/time'
import type { ExecutionContext } from 'ava'
import test from './test.js'
import { turns } from './turns.js'

export { turns }

type T = ExecutionContext<unknown>

/** Declares a test whose clock stands still, on a whole millisecond, until the test advances it. */
export function onStoppedTime(title: string, body: (t: T) => Promise<void>): void {
  test.serial(title, async (t) => {
    clock.pause()
    try {
      await clock.advance(Math.ceil(now()) - now())
      await body(t)
    } finally {
      clock.resume()
    }
  })
}

/** What became of a promise, to be looked at without waiting for it. */
export class Watched<R> {
  state: 'pending' | 'resolved' | 'rejected' = 'pending'
  value: R | undefined
  error: unknown
  /** The instant at which it settled. */
  at = Number.NaN

  constructor(promise: PromiseLike<R>) {
    promise.then(
      (value) => {
        this.state = 'resolved'
        this.value = value
        this.at = now()
      },
      (error) => {
        this.state = 'rejected'
        this.error = error
        this.at = now()
      },
    )
  }
}

export const watch = <R>(promise: PromiseLike<R>): Watched<R> => new Watched(promise)

/** Lets stopped time pass in steps, with turns of the event loop in between for sockets of Node's. */
export async function pass(ms: number, step = 1): Promise<void> {
  for (let at = 0; at < ms; at += step) {
    await clock.advance(Math.min(step, ms - at))
    await turns()
  }
}
