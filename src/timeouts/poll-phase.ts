/**
 * One poll phase of the event loop: what the kernel has ready is handled in it. A loop that was blocked gets one before a peer is
 * blamed for what lay there all the time.
 *
 * @module
 */
import { setImmediate, setTimeout } from 'node:timers'
import { ON_DENO } from '../reactor.js'

const waiting: (() => void)[] = []

/** Calls `call` when a whole poll phase has gone by. All that ask in the same phase share it. */
export function afterPollPhase(call: () => void): void {
  // The first immediate runs after the phase that is under way, the second after the next one.
  if (waiting.push(call) === 1) setImmediate(() => next(run, waiting.splice(0)))
}

/** Deno's sockets live on another thread: what they have comes by a message, which an immediate does not wait for. */
const next = (call: (calls: readonly (() => void)[]) => void, calls: readonly (() => void)[]) =>
  ON_DENO ? setTimeout(call, 2, calls) : setImmediate(call, calls)

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
