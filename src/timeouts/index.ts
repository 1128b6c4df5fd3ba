/**
 * Drop-in limits for the sockets that people already have: lookup, connect, TLS handshake, idle, response, read, write and total.
 *
 * @module
 */
export { type ConnectAttempt, TimeoutError } from '../errors.js'
export { TimeoutGuard, withTimeouts } from './guard.js'
export type { Phases } from './phases.js'
