/**
 * What this module accepts as a time.
 *
 * @module
 */
import { checkSignal } from '../abort.js'
import { invalidArgType, outOfRange } from '../errors.js'

/** A duration in milliseconds: 0 or more, fractions allowed, `Infinity` for never. */
export function checkDuration(name: string, ms: unknown): number {
  if (typeof ms !== 'number') throw invalidArgType(name, 'a number of milliseconds', ms)
  if (!(ms >= 0)) throw outOfRange(name, '>= 0', ms)
  return ms
}

/** An instant of {@link now}, past ones included, `Infinity` for never. */
export function checkInstant(name: string, instant: unknown): number {
  if (typeof instant !== 'number') throw invalidArgType(name, 'an instant in milliseconds', instant)
  if (Number.isNaN(instant)) throw outOfRange(name, 'an instant of now()', instant)
  return instant
}

/** The period of an interval: more than 0, and finite. */
export function checkPeriod(name: string, ms: unknown): number {
  if (typeof ms !== 'number') throw invalidArgType(name, 'a number of milliseconds', ms)
  if (!(ms > 0 && ms < Infinity)) throw outOfRange(name, '> 0 and finite', ms)
  return ms
}

/** Whether something is to keep the process alive, which is the default. @throws `ERR_INVALID_ARG_TYPE` */
export function checkRef(ref: unknown): boolean {
  if (ref !== undefined && typeof ref !== 'boolean') throw invalidArgType('options.ref', 'of type boolean', ref)
  return ref ?? true
}

/** What every sleep takes, those of `asyncfd/timers` too. @throws `ERR_INVALID_ARG_TYPE` */
export function checkSleepOptions(options: {
  readonly signal?: AbortSignal | undefined
  readonly ref?: boolean | undefined
}): void {
  checkSignal(options)
  checkRef(options.ref)
}
