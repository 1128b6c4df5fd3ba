/**
 * One poll phase of the event loop: what the kernel has ready is handled in it. A loop that was blocked gets one before a peer is
 * blamed for what lay there all the time.
 *
 * @module
 */
import process from 'node:process'
import { setImmediate } from 'node:timers'

const waiting: (() => void)[] = []

/** Calls `call` when a whole poll phase has gone by. All that ask in the same phase share it. */
export function afterPollPhase(call: () => void): void {
  // The first immediate runs after the phase that is under way, the second after the next one.
  if (waiting.push(call) === 1) setImmediate(() => setImmediate(run, waiting.splice(0)))
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
