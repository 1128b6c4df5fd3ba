/**
 * One deadline of a wait, on the wheel: never early. It does not keep the process alive: the wait does.
 *
 * @module
 */
import { theReactor } from './reactor.js'
import { BaseTimer } from './timer-queue.js'

/** Disarms the deadline; no effect once it has passed. */
export type StopDeadline = () => void

class WaitDeadline extends BaseTimer {
  constructor(
    readonly ms: number,
    readonly expired: (elapsed: number) => void,
  ) {
    super(false)
  }

  fire(id: number): void {
    this.expired(theReactor().timers.elapsed(id, this.ms))
  }
}

/** Calls `expired` with the elapsed milliseconds once `ms` have passed. */
export function startDeadline(ms: number, expired: (elapsed: number) => void): StopDeadline {
  const { timers } = theReactor()
  const deadline = new WaitDeadline(ms, expired)
  timers.noted(deadline, ms)
  return () => timers.cancel(deadline)
}
