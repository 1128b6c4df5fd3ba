/**
 * Drop-in limits for the sockets that people already have: lookup, connect, TLS handshake, idle, response, read, write and total.
 *
 * @module asyncfd/timeouts
 */
export { type ConnectAttempt, TimeoutError } from '../errors.js'
export { type ConnectOptions, connect, connectTls } from './connect.js'
export { createConnection, type OnConnection } from './create-connection.js'
export { TimeoutGuard, withTimeouts } from './guard.js'
export { pgStream } from './pg.js'
export type { Phases } from './phases.js'
export { type UndiciConnect, type UndiciConnectOptions, type UndiciConnector, undiciConnector } from './undici.js'
export { setUserTimeout } from './user-timeout.js'
