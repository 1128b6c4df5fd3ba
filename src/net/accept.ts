/**
 * Accepting connections, whatever happens to some of them.
 *
 * @module
 */

import { Interest } from '../interest.js'
import type { Port } from '../io/port.js'
import { theReactor } from '../reactor.js'
import { accept } from '../sys/socket.js'
import { expired, type WaitOptions } from '../wait.js'
import type { WouldBlock } from '../would-block.js'

/** Errors of a connection that was over before it was taken: the next one may be fine. */
const OVER = new Set([
  'ECONNABORTED',
  'EPROTO',
  'ENETDOWN',
  'ENOPROTOOPT',
  'EHOSTDOWN',
  'ENONET',
  'EHOSTUNREACH',
  'EOPNOTSUPP',
  'ENETUNREACH',
  'EPERM',
])
/** Errors of running out of something that others give back: the connection waits in the kernel. */
const EXHAUSTED = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 1000

const codeOf = (error: unknown) => String((error as { code?: unknown } | null)?.code)

function acceptNext(fd: number): number | WouldBlock {
  for (;;) {
    try {
      return accept(fd)
    } catch (error) {
      if (!OVER.has(codeOf(error))) throw error
    }
  }
}

/**
 * Waits for a connection: its descriptor, which the caller closes. Where descriptors or memory have run out it pauses, for longer and
 * longer, and goes on: a listener that gave up would never come back.
 */
export async function acceptFrom(port: Port<number>, options: WaitOptions | undefined): Promise<number> {
  const { timeout = Infinity, signal } = options ?? {}
  const reactor = theReactor()
  const begun = timeout === Infinity ? 0 : reactor.now()
  let left = options
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await port.with(Interest.READABLE, acceptNext, left)
    } catch (error) {
      if (!EXHAUSTED.has(codeOf(error))) throw error
      reactor.countAcceptPause()
      const elapsed = timeout === Infinity ? 0 : reactor.now() - begun
      if (elapsed >= timeout) throw expired(timeout, elapsed)
      await port.pause(Math.min(pause, timeout - elapsed), signal)
      if (timeout !== Infinity) left = { signal, timeout: Math.max(0, timeout - (reactor.now() - begun)) }
    }
  }
}
