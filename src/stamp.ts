/**
 * When something happened, for what happens so often that a look at the clock each time would cost too much: all that happens in one
 * iteration of the event loop has the same stamp, and the native side notes when that iteration is over.
 *
 * @module
 */
import { CONTROL, ENDED_AT, ITERATION, STAMPED } from './board.js'
import { theReactor } from './reactor.js'

/** What happened in one iteration, or in a part of it. */
export interface Stamp {
  /** When that was over; NaN until somebody has to know. */
  at: number
}

/** The same words as small integers. */
const control = new Int32Array(CONTROL.buffer)
const endedAt = new Float64Array(CONTROL.buffer, ENDED_AT * Int32Array.BYTES_PER_ELEMENT, 1)

let current: Stamp = { at: Number.NaN }
/** Which iteration that is for. */
let iteration = Number.NaN

/** The stamp of this moment. */
export function stamp(): Stamp {
  if (control[ITERATION] !== iteration) next()
  return current
}

function next(): void {
  const reactor = theReactor()
  // Where the reactor is not in the event loop, it does not see where an iteration ends.
  if (reactor.driver !== 'embedded') {
    current = { at: reactor.now() }
    return
  }
  current.at = end()
  current = { at: Number.NaN }
  iteration = control[ITERATION]!
  control[STAMPED] = 1
}

/** The end of the iteration that was stamped last; it may go on. */
function end(): number {
  const reactor = theReactor()
  return control[STAMPED] === 0 ? endedAt[0]! + reactor.behind : reactor.now()
}

/** The instant of a stamp: not before anything that it was given to, and later by no more than the rest of that iteration. */
export function instantOf({ at }: Stamp): number {
  return Number.isNaN(at) ? end() : at
}
