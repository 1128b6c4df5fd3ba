/**
 * Rounds: every contender once, then every contender once more, so that a disturbance of the machine meets all.
 *
 * @module
 */
import type { Measured } from './measure.js'

/** What each contender gave in each round, by its name. */
export type Rounds = Map<string, Measured[]>

export interface Entry {
  name: string
  run(): Promise<Measured>
}

/** Runs `entries` in turn, `rounds` times, each round beginning with another one. Says on standard error where it is. */
export async function interleave(title: string, entries: readonly Entry[], rounds: number): Promise<Rounds> {
  const results: Rounds = new Map(entries.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < entries.length; step++) {
      const entry = entries[(round + step) % entries.length]!
      progress(`${title}: round ${round + 1} of ${rounds}, ${entry.name}`)
      results.get(entry.name)!.push(await entry.run())
    }
  }
  progress('')
  return results
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

/** One figure of one contender, a number per round. */
export function figure(rounds: Rounds, name: string, key: string): number[] {
  return (rounds.get(name) ?? []).map((measured) => measured[key] ?? Number.NaN)
}
