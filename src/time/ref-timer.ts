/**
 * What all that can be awaited again and again has in common: what is pending of it may keep the process alive.
 *
 * @module
 */
import { theReactor } from '../reactor.js'
import { BaseTimer } from '../timer-queue.js'

export abstract class RefTimer extends BaseTimer {
  /** What is awaited of it keeps the process alive. The default. */
  ref(): this {
    theReactor().timers.setRef(this, true)
    return this
  }

  /** What is awaited of it does not keep the process alive. */
  unref(): this {
    theReactor().timers.setRef(this, false)
    return this
  }

  /** Whether it keeps the process alive now. */
  hasRef(): boolean {
    return this.refd && this.id !== -1
  }
}
