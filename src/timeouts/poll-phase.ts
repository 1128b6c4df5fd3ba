/**
 * One poll phase of the event loop: what the kernel has ready is handled in it. A loop that was blocked gets one before a peer is
 * blamed for what lay there all the time.
 *
 * @module
 */
import { setImmediate, setTimeout } from 'node:timers'
import { ON_DENO } from '../driver.js'

const waiting: (() => void)[] = []

/** Calls `call` when a whole poll phase has gone by. All that ask in the same phase share it. `late` is how long the loop was blocked. */
export function afterPollPhase(call: () => void, late: number): void {
  // The first immediate runs after the phase that is under way, the second after the next one.
  if (waiting.push(call) === 1) setImmediate(next, late)
}

/**
 * Deno's sockets live on another thread: what they have comes by a message, which an immediate does not wait for. After a blocked loop
 * there are many, and nobody can be asked whether that was all.
 */
function next(late: number): void {
  const calls = waiting.splice(0)
  if (ON_DENO) setTimeout(run, Math.min(Math.max(2, late / 4), 50), calls)
  else setImmediate(run, calls)
}

function run(calls: readonly (() => void)[]): void {
  for (const call of calls) {
    try {
      call()
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
  }
}
