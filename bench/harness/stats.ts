/**
 * A number measured several times, and the ratio of two such numbers.
 *
 * @module
 */

/** `at` of 0 to 1 in sorted values. */
export function quantile(sorted: readonly number[], at: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? Number.NaN
}

/** What the rounds gave. */
export interface Spread {
  median: number
  min: number
  max: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

/** The ratios of the rounds: what disturbs a round disturbs both sides of it. */
export function ratio(of: readonly number[], to: readonly number[]): Spread {
  return spread(of.slice(0, to.length).map((value, round) => value / to[round]!))
}
