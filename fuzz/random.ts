/**
 * The fuzzer's only source of chance. Every call starts it afresh from the seed and the number of the call, so that what
 * one call drew changes nothing for the next: a replay stays close even where the kernel answers differently.
 *
 * @module
 */

let state = 1

/** Starts afresh for one call of one run. */
export function restart(seed: number, call: number): void {
  state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(call + 1, 0xc2b2ae35)
  next()
  next()
}

/** Mulberry32. */
function next(): number {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return (t ^ (t >>> 14)) >>> 0
}

/** An integer in `0..bound - 1`. */
export function below(bound: number): number {
  return Math.floor((next() / 0x100000000) * bound)
}

export function chance(probability: number): boolean {
  return next() / 0x100000000 < probability
}

export function pick<T>(choices: readonly T[]): T {
  return choices[below(choices.length)]!
}

/** 32 random bits, signed. */
export function bits(): number {
  return next() | 0
}
