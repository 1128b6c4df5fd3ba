/**
 * Limits for undici: a `connect` function for its `Agent`, `Client` and `Pool`.
 *
 * @module
 */
import { isIP, type NetConnectOpts, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { TimeoutError } from '../errors.js'
import { checkOptions } from '../sys/result.js'
import { connect, connectTls } from './connect.js'
import { type Phases, readPhases } from './phases.js'

/**
 * What undici asks a connector for.
 *
 * @example
 * const where: UndiciConnect = { hostname: host, host, protocol: 'http:', port: `${port}` }
 * undiciConnector({ connect: 2000 })(where, (error, socket) => console.log(error ?? socket?.remotePort))
 */
export interface UndiciConnect {
  /** The name or IP address to connect to. */
  hostname: string
  /** The same with the port, as in the URL. */
  host?: string | undefined
  /** `'https:'` is encrypted; anything else is not. */
  protocol: string
  /** The port as text; `''` is the protocol's own. */
  port: string
  /** The name that the certificate must have; that of `host` by default. */
  servername?: string | undefined
  /** The address to connect from. */
  localAddress?: string | null | undefined
  /** The connection to a proxy, which is to be encrypted. */
  httpSocket?: Socket | undefined
}

/**
 * undici's `buildConnector.connector`.
 *
 * @example
 * const connector: UndiciConnector = undiciConnector({ connect: 2000, response: 5000 })
 * const dispatcher = new Agent({ connect: connector })
 */
export type UndiciConnector = (
  options: UndiciConnect,
  callback: (...args: [error: null, socket: Socket | TLSSocket] | [error: Error, socket: null]) => void,
) => void

/**
 * How to connect, as undici's own connector takes it: options of `net.connect` and of TLS.
 *
 * @example
 * const options: UndiciConnectOptions = { ca, allowH2: true, keepAlive: true }
 * const dispatcher = new Agent({ connect: undiciConnector({ connect: 2000 }, options) })
 */
export type UndiciConnectOptions = ConnectionOptions &
  Omit<TcpNetConnectOpts, 'port' | 'host'> & {
    /** Offers HTTP/2. */
    allowH2?: boolean | undefined
    /** Sessions kept for the next handshake with the same server. Default 100. */
    maxCachedSessions?: number | undefined
    /** A Unix socket to connect to, whatever the URL says. */
    socketPath?: string | undefined
  }

/** What undici calls a connection that was not there in time. Its classes know theirs by this property. */
const CONNECT_TIMEOUT = Symbol.for('undici.error.UND_ERR')
const CONNECT_TIMEOUT_ERROR = Symbol.for('undici.error.UND_ERR_CONNECT_TIMEOUT')

function mapped(error: Error): Error {
  if (!(error instanceof TimeoutError)) return error
  const timeout = new Error(error.message, { cause: error })
  timeout.name = 'ConnectTimeoutError'
  return Object.assign(timeout, { code: 'UND_ERR_CONNECT_TIMEOUT', [CONNECT_TIMEOUT]: true, [CONNECT_TIMEOUT_ERROR]: true })
}

/**
 * A `connect` function for undici's dispatchers. undici ignores its own options of connecting where `connect` is a function, so they are
 * given here. A limit on the way to the connection is told as undici's `UND_ERR_CONNECT_TIMEOUT`, with the `TimeoutError` as its cause.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`
 * @example
 * const dispatcher = new Agent({ connect: undiciConnector({ lookup: 500, connect: 2000, secureConnect: 3000 }) })
 * await fetch(url, { dispatcher })
 */
export function undiciConnector(phases: Phases, options: UndiciConnectOptions = {}): UndiciConnector {
  const { secureConnect: _, ...plainPhases } = readPhases(phases)
  checkOptions(options)
  const {
    allowH2 = false,
    maxCachedSessions = 100,
    socketPath,
    keepAlive = true,
    keepAliveInitialDelay = 60_000,
    ...own
  } = options
  const sessions = new Map<string, Buffer>()

  const remember = (name: string, session: Buffer) => {
    sessions.delete(name)
    sessions.set(name, session)
    if (sessions.size > maxCachedSessions) sessions.delete(sessions.keys().next().value as string)
  }

  const target = ({ hostname, localAddress }: UndiciConnect, port: number) => ({
    ...(localAddress ? { localAddress } : {}),
    ...(socketPath === undefined ? {} : { path: socketPath }),
    host: hostname,
    port,
  })

  const secure = async (to: UndiciConnect): Promise<TLSSocket> => {
    const { hostname, host, port, servername, httpSocket } = to
    const name = servername ?? own.servername ?? (host !== undefined ? nameOf(host) : hostname)
    const session = own.session ?? sessions.get(name)
    const socket = await connectTls(
      {
        ALPNProtocols: allowH2 ? ['http/1.1', 'h2'] : ['http/1.1'],
        ...own,
        ...(isIP(name) === 0 ? { servername: name } : {}),
        ...(session === undefined ? {} : { session }),
        ...(httpSocket === undefined ? {} : { socket: httpSocket }),
        ...target(to, Number(port) || 443),
      },
      phases,
    )
    if (maxCachedSessions > 0) socket.on('session', (given: Buffer) => remember(name, given))
    return socket
  }

  const plain = (to: UndiciConnect): Promise<Socket> =>
    connect({ ...own, ...target(to, Number(to.port) || 80) } as NetConnectOpts, plainPhases)

  const made = async (options: UndiciConnect): Promise<Socket> =>
    options.protocol === 'https:' ? secure(options) : plain(options)

  return (options, callback) => {
    made(options).then(
      (socket) => callback(null, socket.setNoDelay(true).setKeepAlive(keepAlive, keepAliveInitialDelay)),
      (error: Error) => callback(mapped(error), null),
    )
  }
}

/** The name in what a `Host` header says. */
function nameOf(host: string): string {
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : (host.split(':')[0] as string)
}
