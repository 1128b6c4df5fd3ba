/**
 * When something happened, for what happens so often that a look at the clock each time would cost too much: what happens first in an
 * iteration of the event loop gets the time, and all that follows in it has one stamp, of the end of that iteration, which the native
 * side notes.
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

/** For what follows in this iteration. */
let rest: Stamp = { at: Number.NaN }
/** Which iteration that is. */
let iteration = Number.NaN

/** The stamp of this moment. */
export function stamp(): Stamp {
  return control[ITERATION] === iteration ? rest : first()
}

function first(): Stamp {
  const reactor = theReactor()
  // Where the reactor is not in the event loop, it does not see where an iteration ends.
  if (reactor.driver === 'embedded') {
    rest.at = end()
    rest = { at: Number.NaN }
    iteration = control[ITERATION]!
    control[STAMPED] = 1
  }
  return { at: reactor.now() }
}

/** The end of the iteration that was stamped last; it may go on. */
function end(): number {
  const reactor = theReactor()
  return control[STAMPED] === 0 ? endedAt[0]! + reactor.behind : reactor.now()
}

/** The instant of a stamp: not before what it was given to, and later by no more than the rest of that iteration. */
export function instantOf({ at }: Stamp): number {
  return Number.isNaN(at) ? end() : at
}
