/**
 * Accepting connections, whatever happens to some of them.
 *
 * @module
 */
import { tell } from '../diagnostics.js'
import { Interest } from '../interest.js'
import { iterate } from '../io/chunks.js'
import type { Port } from '../io/port.js'
import { theReactor } from '../reactor.js'
import { accept } from '../sys/socket.js'
import { checkWaitOptions, expired, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import { rest } from './connect.js'

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

const nothing = (): void => {}

const codeOf = (error: unknown) => String((error as { code?: unknown } | null)?.code)

/** An error that comes so often in a row is none of a connection: this is no listener, or it may not accept. */
const MOST_OVER = 1000

function acceptNext(fd: number): number | WouldBlock {
  for (let passed = 0; ; passed++) {
    try {
      return accept(fd)
    } catch (error) {
      if (passed === MOST_OVER || !OVER.has(codeOf(error))) throw error
    }
  }
}

/**
 * Waits for a connection: its descriptor, which the caller closes. Where descriptors or memory have run out it pauses, for longer and
 * longer, and goes on: a listener that gave up would never come back.
 */
async function acceptFrom(port: Port<number>, options: WaitOptions | undefined): Promise<number> {
  const { timeout = Infinity, signal } = options ?? {}
  const reactor = theReactor()
  const begun = timeout === Infinity ? 0 : reactor.now()
  let left = options
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await port.call(Interest.READABLE, acceptNext, nothing, left)
    } catch (error) {
      if (!EXHAUSTED.has(codeOf(error))) throw error
      reactor.countAcceptPause()
      const elapsed = timeout === Infinity ? 0 : reactor.now() - begun
      if (elapsed >= timeout) throw expired(timeout, elapsed)
      const length = Math.min(pause, timeout - elapsed)
      tell('accept-backoff', { fd: port.asyncFd.fd, pause: length, error: error as Error })
      await port.pause(length, signal)
      left = rest({ signal, timeout }, begun)
    }
  }
}

/** The connection that is there, if one is. What accepting fails with is seen by who then waits for one. */
function acceptNow<S>(port: Port<number>, take: (fd: number) => S): S | undefined {
  let fd: number | WouldBlock
  try {
    fd = port.now(Interest.READABLE, acceptNext)
  } catch {
    return undefined
  }
  return fd === WouldBlock ? undefined : take(fd)
}

/** As the listeners' `accept`: `take` makes a connection of a descriptor, and closes it if it throws. */
export function acceptOne<S>(port: Port<number>, options: WaitOptions | undefined, take: (fd: number) => S): Promise<S> {
  if (options !== undefined) checkWaitOptions(options)
  return acceptFrom(port, options).then(take)
}

/** As the listeners' `incoming`. */
export function acceptAll<S>(
  port: Port<number>,
  options: WaitOptions | undefined,
  take: (fd: number) => S,
): AsyncIterableIterator<S> {
  if (options !== undefined) checkWaitOptions(options)
  const now = options === undefined ? () => acceptNow(port, take) : undefined
  return iterate(port, () => acceptOne(port, options, take), now)
}
