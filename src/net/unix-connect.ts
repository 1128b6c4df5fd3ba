/**
 * Unix sockets that are connected: to a listener, or to each other.
 *
 * @module
 */
import { connecting } from '../diagnostics.js'
import { theReactor } from '../reactor.js'
import type { UnixAddress } from '../sys/address.js'
import { constants } from '../sys/constants.js'
import { close } from '../sys/descriptor.js'
import { connect, socket, socketpair } from '../sys/socket.js'
import { sleep } from '../time/sleep.js'
import { checkWaitOptions, expired, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import { type UnixPath, unixAddress } from './unix-address.js'

const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 50

/** How long to wait before a further attempt, where the kernel tells of nothing: longer than the last time. */
export function nextPause(last = FIRST_PAUSE_MS / 2): number {
  return Math.min(last * 2, LONGEST_PAUSE_MS)
}

/** Connects a socket; notes on an error what was to be reached, as Node does. */
function connectTo(fd: number, address: UnixAddress): undefined | WouldBlock {
  try {
    return connect(fd, address)
  } catch (error) {
    throw Object.assign(error as Error, { address: address.path })
  }
}

/** A full backlog refuses with EAGAIN, and no event tells when it is not full any more. */
async function connected(fd: number, address: UnixAddress, { signal, timeout = Infinity }: WaitOptions): Promise<void> {
  const begun = theReactor().now()
  for (let pause = nextPause(); connectTo(fd, address) === WouldBlock; pause = nextPause(pause)) {
    const elapsed = theReactor().now() - begun
    if (elapsed >= timeout) throw expired(timeout, elapsed)
    await sleep(Math.min(pause, timeout - elapsed), { signal })
  }
}

async function connectNew<S>(type: number, address: UnixAddress, limits: WaitOptions, take: (fd: number) => S): Promise<S> {
  limits.signal?.throwIfAborted()
  const done = connecting(address.path)
  const fd = socket(constants.AF_UNIX, type)
  try {
    await connected(fd, address, limits)
    done()
  } catch (error) {
    done(error)
    close(fd)
    throw error
  }
  return take(fd)
}

/** Connects a new socket, which `take` takes over, even if it throws. Bad input throws, all else rejects. */
export function connectUnix<S>(type: number, path: UnixPath, options: WaitOptions, take: (fd: number) => S): Promise<S> {
  const address = unixAddress(path, 'connect')
  checkWaitOptions(options)
  return connectNew(type, address, { signal: options.signal, timeout: options.timeout }, take)
}

/** Two sockets that are connected to each other; `take` takes each over, even if it throws. */
export function pairOf<S extends { destroy(): void }>(type: number, take: (fd: number) => S): [S, S] {
  const [a, b] = socketpair(constants.AF_UNIX, type)
  let first: S
  try {
    first = take(a)
  } catch (error) {
    close(b)
    throw error
  }
  try {
    return [first, take(b)]
  } catch (error) {
    first.destroy()
    throw error
  }
}
