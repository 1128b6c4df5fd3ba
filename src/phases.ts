/**
 * Names and values of limits, as users write them: checked the same way wherever an object of limits is taken.
 *
 * @module
 */
import { checkObject, invalidArgType, invalidArgValue } from './errors.js'

/** How many letters have to be changed, added or left out to make one word of another. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[to.length]!
}

/** The name that was probably meant. */
function similar(name: string, names: readonly string[]): string {
  const near = names
    .map((candidate) => ({ candidate, letters: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.letters - b.letters)[0]!
  return near.letters <= 3 ? `; did you mean "${near.candidate}"?` : `; there are: ${names.join(', ')}`
}

/**
 * Reads an object of limits in milliseconds, once. Fractions are allowed; 0, `undefined` and `Infinity` are no limit, and read as 0.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`
 */
export function readLimits<N extends string>(argument: string, limits: unknown, names: readonly N[]): Partial<Record<N, number>> {
  checkObject(argument, limits)
  const read: Partial<Record<N, number>> = {}
  for (const [name, ms] of Object.entries(limits)) {
    if (!(names as readonly string[]).includes(name)) {
      throw invalidArgValue(argument, `has no limit of this name${similar(name, names)}`, name)
    }
    if (ms !== undefined && typeof ms !== 'number') throw invalidArgType(`${argument}.${name}`, 'a number of milliseconds', ms)
    if (ms !== undefined && !(ms >= 0)) throw invalidArgValue(`${argument}.${name}`, 'must not be negative or NaN', ms)
    read[name as N] = ms === undefined || ms === Infinity ? 0 : ms
  }
  return read
}
