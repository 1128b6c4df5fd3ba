/**
 * One call: how its arguments are made, and what follows from its result.
 *
 * @module
 */
import { below } from './random.js'
import { junk } from './values.js'

export type Callable = (...args: unknown[]) => unknown

export interface Op {
  /** How often, relative to others; 1 if absent. */
  weight?: number
  args(): unknown[]
  /** No junk and no argument missing: without its timeout the call would wait for ever, as it should. */
  exact?: boolean
  /** What to call instead of the function of that name. */
  call?: Callable
  /** Looks at the result, and keeps the books of descriptors and objects. */
  after?(result: unknown, args: unknown[]): void
  /** Looks at what the call must not have changed: the returned function is called after it. */
  guard?(args: unknown[]): (result: unknown) => void
}

/** The arguments of a call, now and then with junk in one place, one too few, or one too many. */
export function drawArguments(op: Op): unknown[] {
  const args = op.args()
  if (op.exact) return args
  const drawn = below(100)
  if (drawn < 6 && args.length > 0) args[below(args.length)] = junk()
  else if (drawn >= 96) args.pop()
  else if (drawn >= 94) args.push(junk())
  return args
}
