/**
 * The error of a limit that was exceeded.
 *
 * @module
 */
import { timedOut } from '../diagnostics.js'
import { type ConnectAttempt, TimeoutError } from '../errors.js'
import type { Limit } from './limit.js'
import type { Phase } from './phases.js'

const WHAT: Record<Phase, string> = {
  lookup: 'the lookup of its name was not over',
  connect: 'no connection was made',
  secureConnect: 'the TLS handshake was not over',
  idle: 'no byte went either way',
  response: 'nothing came in answer to what was written',
  read: 'nothing came',
  write: 'nothing could be written',
  total: 'the connection was not over',
}

const SYSCALL: Partial<Record<Phase, string>> = {
  lookup: 'getaddrinfo',
  connect: 'connect',
  response: 'read',
  read: 'read',
  write: 'write',
}

/** Who was at the other end, as far as it is known. */
export interface Peer {
  readonly host?: string | undefined
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/** Makes the error of `limit`. */
export function exceeded(
  { phase, ms }: Limit,
  elapsed: number,
  loopDelay: number,
  { host, address, port }: Peer,
  attempts?: readonly ConnectAttempt[],
): TimeoutError {
  const name = address ?? host
  const peer =
    name === undefined
      ? ''
      : `${name.includes(':') && port !== undefined ? `[${name}]` : name}${port === undefined ? '' : `:${port}`}: `
  const error = new TimeoutError(`${peer}${WHAT[phase]} within ${ms} ms (${phase})`, ms, elapsed)
  error.phase = phase
  error.loopDelay = loopDelay
  const syscall = SYSCALL[phase]
  if (syscall !== undefined) error.syscall = syscall
  if (name !== undefined) error.address = name
  if (port !== undefined) error.port = port
  if (attempts !== undefined) error.attempts = attempts
  return timedOut(error)
}
