/**
 * Finds loops that wait for readiness which nobody clears or uses up: they keep the processor busy, and nothing else notices.
 *
 * @module
 */
import { tell } from './diagnostics.js'
import type { Registration } from './registration.js'

/** Waits put off in a row, with no event between them: each stands for a whole iteration of the event loop full of waits. */
const SUSPICIOUS = 100
const ONCE_IN_MS = 1000

interface Suspect {
  readTick: number
  writeTick: number
  count: number
  told: number
}

const suspects = new WeakMap<Registration, Suspect>()

/** A wait for what is ready was put off, since there were too many in this iteration. */
export function noteSpin(registration: Registration): void {
  const { readTick, writeTick } = registration
  const last = suspects.get(registration)
  const again = last !== undefined && last.readTick === readTick && last.writeTick === writeTick
  const suspect = { readTick, writeTick, count: again ? last.count + 1 : 1, told: last?.told ?? -Infinity }
  suspects.set(registration, suspect)
  const now = performance.now()
  if (suspect.count < SUSPICIOUS || now - suspect.told < ONCE_IN_MS) return
  suspect.told = now
  tell('spin', { fd: registration.fd, parked: suspect.count })
}
