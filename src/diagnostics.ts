/**
 * What happens, for whoever watches: published on channels of `node:diagnostics_channel`, and written to stderr with
 * `NODE_DEBUG=asyncfd`. Costs next to nothing while nobody does.
 *
 * @module
 */
import { type Channel, channel } from 'node:diagnostics_channel'
import * as util from 'node:util'
import type { TimeoutError } from './errors.js'

/**
 * What is published; the channel is called `asyncfd:` and the event's name. Milliseconds are of the monotonic clock.
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel'
 * import type { DiagnosticEvents } from 'asyncfd'
 *
 * subscribe('asyncfd:connect', (message) => {
 *   const { address, elapsed, error } = message as DiagnosticEvents['connect']
 *   console.log(address, elapsed, error?.message ?? 'connected')
 * })
 */
export interface DiagnosticEvents {
  /** An attempt to connect is over, of `asyncfd/net` or `asyncfd/timeouts`: of a name with several addresses there are several. */
  connect: {
    /** The IP address, or a Unix socket's path. */
    address: string
    port?: number
    /** How long it took, in milliseconds. */
    elapsed: number
    /** Why it failed; absent if it did not. */
    error?: Error
  }
  /** A limit passed: of a wait, of a socket, or of `asyncfd/time`'s `timeout`. Who set it gets the same error. */
  timeout: { error: TimeoutError }
  /** Somebody waits again and again for readiness that is not cleared, or never used up. At most once a second. */
  spin: {
    fd: number
    /** How many waits were put off in a row, to let the event loop go on. */
    parked: number
  }
  /** A listener pauses, as descriptors or memory have run out. */
  'accept-backoff': {
    fd: number
    /** How long it pauses, in milliseconds. */
    pause: number
    error: Error
  }
}

const log = util.debuglog('asyncfd')

/** Whether `NODE_DEBUG` asks for traces. Bun's `debuglog` does not say. */
export const isTracing = log.enabled ?? /\basyncfd\b|\*/i.test(process.env.NODE_DEBUG ?? '')

/** Writes a trace, in `util.format`'s manner. Ask {@link isTracing} first where it is hot. */
export function trace(text: string, ...values: unknown[]): void {
  log(text, ...values)
}

const channels: Record<keyof DiagnosticEvents, Channel> = {
  connect: channel('asyncfd:connect'),
  timeout: channel('asyncfd:timeout'),
  spin: channel('asyncfd:spin'),
  'accept-backoff': channel('asyncfd:accept-backoff'),
}

/** Whether anybody wants to know. */
export const isWatched = (event: keyof DiagnosticEvents): boolean => isTracing || channels[event].hasSubscribers

/** Tells of an event. */
export function tell<E extends keyof DiagnosticEvents>(event: E, message: DiagnosticEvents[E]): void {
  if (isTracing) trace('%s %o', event, message)
  if (channels[event].hasSubscribers) channels[event].publish(message)
}

/** Tells that a limit passed. Returns the error, to be thrown. */
export function timedOut<T extends TimeoutError>(error: T): T {
  if (isWatched('timeout')) tell('timeout', { error })
  return error
}

const nobody = (): void => {}

/** An attempt to connect begins: what is returned is to be called when it is over, with the error if it failed. */
export function connecting(address: string, port?: number): (error?: unknown) => void {
  if (!isWatched('connect')) return nobody
  const begun = performance.now()
  return (error) => {
    const message = { address, ...(port !== undefined && { port }), elapsed: performance.now() - begun }
    tell('connect', error === undefined ? message : { ...message, error: error as Error })
  }
}
