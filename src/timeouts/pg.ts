/**
 * Limits for pg: its `stream` option.
 *
 * @module
 */
import type { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { invalidArgValue } from '../errors.js'
import { TimeoutGuard } from './guard.js'
import { type Phases, readPhases } from './phases.js'

/** pg's `Connection`: it calls what it was given as a method, and tells when it has encrypted the socket. */
type Connection = EventEmitter & { stream: Socket | TLSSocket }

/**
 * The `stream` option of pg's `Client` and `Pool`: sockets with limits. pg encrypts its socket itself, after it has asked the server; the
 * limits go over to the encrypted one.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`
 * @example
 * const pool = new Pool({ host: 'db.example', stream: pgStream({ connect: 2000, response: 30_000 }) })
 */
export function pgStream(phases: Phases): () => Socket {
  const { secureConnect, ...limits } = readPhases(phases)
  return function (this: unknown): Socket {
    const connection = this as Partial<Connection> | undefined
    const tells = typeof connection?.once === 'function'
    if (secureConnect && !tells) {
      throw invalidArgValue('phases.secureConnect', 'needs a pg that calls stream() as a method of its connection', secureConnect)
    }
    const socket = new Socket()
    const guard = new TimeoutGuard(socket, limits)
    if (!tells) return socket
    const onSecure = () => {
      const { stream } = connection as Connection
      guard[Symbol.dispose]()
      if (stream !== socket && !stream.destroyed)
        new TimeoutGuard(stream, { ...limits, secureConnect: secureConnect ?? 0 }, guard.begun)
    }
    ;(connection as Connection).once('sslconnect', onSecure)
    socket.once('close', () => (connection as Connection).off('sslconnect', onSecure))
    return socket
  }
}
