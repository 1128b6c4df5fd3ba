/**
 * Connecting to a name: all of its addresses, within one limit.
 *
 * @module
 */
import { type StopDeadline, startDeadline } from '../deadline.js'
import { connecting } from '../diagnostics.js'
import { type AsyncFdError, systemError } from '../errors.js'
import { theReactor } from '../reactor.js'
import type { InetAddress } from '../sys/address.js'
import { constants } from '../sys/constants.js'
import { getSocketOption } from '../sys/option.js'
import { expired, Limits, type WaitOptions } from '../wait.js'

/** How long an attempt has to itself before the next address is tried beside it: RFC 8305's "Connection Attempt Delay". */
const ATTEMPT_DELAY_MS = 250

/** An attempt that is under way. */
export interface Attempt<S> {
  stream: S
  /** Resolves when it is connected. */
  connected: Promise<void>
  /** Ends it. */
  destroy(): void
}

/** Families take turns, as one of them may lead nowhere: RFC 8305, section 4. The first address stays the first. */
export function interleaved(addresses: readonly InetAddress[]): InetAddress[] {
  if (addresses.length < 2) return [...addresses]
  const first = addresses.filter(({ family }) => family === addresses[0]!.family)
  const second = addresses.filter(({ family }) => family !== addresses[0]!.family)
  return Array.from({ length: Math.max(first.length, second.length) }, (_, i) => [first[i], second[i]])
    .flat()
    .filter((address) => address !== undefined)
}

/** Notes on an error which address it is about, as Node does; that of what failed first stays. */
export function told(error: unknown, { address, port }: InetAddress): Error {
  return 'address' in (error as Error) ? (error as Error) : Object.assign(error as Error, { address, port })
}

/** What became of an attempt, by the kernel. @throws what it failed with */
export function checkConnected(fd: number): void {
  const errno = getSocketOption(fd, constants.SOL_SOCKET, constants.SO_ERROR)
  if (errno !== 0) throw systemError(errno, 'connect', fd)
}

/** One error of those of all addresses: that of the only one, or all of them. */
function failure(errors: readonly Error[]): Error {
  if (errors.length === 1) return errors[0]!
  const first = errors[0] as AsyncFdError
  const where = errors.map((error) => `${(error as { address?: string }).address} ${(error as AsyncFdError).code}`)
  const all = new AggregateError(
    errors,
    `${first.code}: none of ${errors.length} addresses could be connected to: ${where.join(', ')}`,
  )
  const { code, errno, syscall } = first
  return Object.assign(all, { code, errno, syscall })
}

/** The part of `options` that is left after `begun`. */
export function rest({ signal, timeout }: WaitOptions, begun: number): WaitOptions {
  if (timeout === undefined || timeout === Infinity) return { signal }
  return { signal, timeout: Math.max(0, timeout - (theReactor().now() - begun)) }
}

/**
 * Rejects when the limits of `options` are reached before `work` is over, and then calls `giveUp`, as when `work` fails. What was
 * over in time, while the event loop was blocked, has its turn to say so.
 */
export function within<R>(
  work: Promise<R>,
  { signal, timeout = Infinity }: WaitOptions,
  giveUp: () => void = () => {},
): Promise<R> {
  if (signal === undefined && timeout === Infinity) return work
  return new Promise((resolve, reject) => {
    let limits: Limits | undefined
    let isOver = false
    const over = () => {
      isOver = true
      limits?.stop()
    }
    const fail = (reason: unknown) => {
      if (isOver) return
      over()
      giveUp()
      reject(reason)
    }
    work.then((result) => {
      over()
      resolve(result)
    }, fail)
    if (signal?.aborted) {
      fail(signal.reason)
      return
    }
    const expire = (elapsed: number) => {
      theReactor().grace.before(() => {
        if (!isOver) fail(expired(timeout, elapsed))
      })
    }
    try {
      limits = new Limits({ signal, timeout }, (_, elapsed) => expire(elapsed), fail)
    } catch (error) {
      fail(error) // A signal that is not the platform's.
      return
    }
    // What waits for nothing has this turn of the loop all the same.
    if (timeout === 0) startDeadline(0, expire)
  })
}

/** Attempts at all addresses of a name. */
export interface Attempts<S> {
  /** The first that is connected; the others are ended. Rejects with the error of the one address, or an AggregateError of all. */
  readonly first: Promise<S>
  /** Gives all of them up: nothing comes of {@link first} any more. */
  end(): void
}

/** Tries the addresses: each has `delay` milliseconds to itself, then the next is tried beside it. */
export function tryAll<S>(
  addresses: readonly InetAddress[],
  start: (address: InetAddress) => Attempt<S>,
  delay = ATTEMPT_DELAY_MS,
): Attempts<S> {
  const running = new Set<Attempt<S>>()
  const errors: Error[] = []
  const waiting = interleaved(addresses)
  const total = waiting.length
  let stopWaiting: StopDeadline = () => {}
  let over = false

  const end = () => {
    over = true
    stopWaiting()
    for (const attempt of running) attempt.destroy()
    running.clear()
  }
  const first = new Promise<S>((resolve, reject) => {
    const fail = (error: unknown, address: InetAddress) => {
      errors.push(told(error, address))
      if (errors.length === total) reject(failure(errors))
      else next()
    }
    const one = (address: InetAddress) => {
      const done = connecting(address.address, address.port)
      let attempt: Attempt<S>
      try {
        attempt = start(address)
      } catch (error) {
        done(error)
        fail(error, address)
        return
      }
      running.add(attempt)
      attempt.connected.then(
        () => {
          running.delete(attempt)
          if (over) {
            attempt.destroy()
            return
          }
          done()
          resolve(attempt.stream)
          end()
        },
        (error) => {
          running.delete(attempt)
          attempt.destroy()
          if (over) return
          done(error)
          fail(error, address)
        },
      )
    }
    /** Tries the next address: when its time has come, or when one before it has failed. */
    const next = () => {
      stopWaiting()
      const address = waiting.shift()
      if (address === undefined || over) return
      if (waiting.length > 0) stopWaiting = startDeadline(delay, next)
      one(address)
    }
    next()
  })
  return { first, end }
}

/** Connects to the first of `addresses` that answers, within limits: rejects also with `TimeoutError` and `signal.reason`. */
export function connectToAny<S>(
  addresses: readonly InetAddress[],
  start: (address: InetAddress) => Attempt<S>,
  options: WaitOptions,
): Promise<S> {
  const { first, end } = tryAll(addresses, start)
  return within(first, options, end)
}
