/**
 * Numbers that look random and are the same in every run.
 *
 * @module
 */

/** A linear congruential generator (Numerical Recipes' constants): each call gives an integer below `limit`. */
export function generator(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
