/**
 * What clients take to make a connection of their own: `createConnection`.
 *
 * @module
 */
import { isIP, type NetConnectOpts, connect as netConnect, Socket } from 'node:net'
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls'
import { checkOptions } from '../sys/result.js'
import { TimeoutGuard, targetIn } from './guard.js'
import { type Limits, type Phases, readPhases } from './phases.js'
import { inside } from './traffic.js'

/**
 * Called when the connection is made, by agents that wait for one. As in Node's types, there is no socket where there is an error.
 *
 * @example
 * const onConnection: OnConnection = (error, socket) => console.log(error?.message ?? socket.remotePort)
 * createConnection({ connect: 2000 })({ host, port }, onConnection)
 */
export type OnConnection = (error: Error | null, socket: Socket) => void

/** What agents and clients hand over; each its own kind of options. */
type AnyOptions = object & {
  protocol?: string | null
  /** Of `http.request` and `https.request`. */
  _defaultAgent?: { protocol?: string }
  /** Of mysql2. */
  config?: { host?: string; port?: number; socketPath?: string; enableKeepAlive?: boolean; keepAliveInitialDelay?: number }
}

type Maker = (this: unknown, options: object, callback?: OnConnection) => Socket | null | undefined

/** How whoever calls would have connected: an agent as its class does, which keeps its TLS sessions. */
function maker(agent: unknown, { protocol, _defaultAgent }: AnyOptions): Maker {
  if (typeof agent === 'object' && agent !== null && 'addRequest' in agent) {
    const own: unknown = Object.getPrototypeOf(agent).createConnection
    if (typeof own === 'function') return own as Maker
  }
  const secure = (protocol ?? _defaultAgent?.protocol) === 'https:'
  return (options) => (secure ? tlsConnect(options as ConnectionOptions) : netConnect(options as NetConnectOpts))
}

/** Options of `net.connect`: those given, or what mysql2 makes of its own where it connects itself. */
function targetOf(options: AnyOptions): object {
  const { config } = options
  if (config === undefined || 'port' in options || 'path' in options) return options
  const { host, port, socketPath, enableKeepAlive = false, keepAliveInitialDelay = 0 } = config
  return socketPath ? { path: socketPath } : { host, port, noDelay: true, keepAlive: enableKeepAlive, keepAliveInitialDelay }
}

/** A URL, or what looks like one. */
interface Authority {
  readonly protocol?: string
  readonly hostname?: string
  readonly host?: string
  readonly port?: string | number
}

interface SessionOptions extends Authority {
  readonly allowHTTP1?: boolean
  readonly servername?: string
}

/** Options of `tls.connect` or `net.connect`, as `http2.connect` makes them of what it hands over. */
function sessionTarget(authority: Authority, options: SessionOptions): object {
  const protocol = authority.protocol || options.protocol || 'https:'
  const host = (authority.hostname || authority.host || 'localhost').replace(/^\[(.*)\]$/, '$1')
  const port = authority.port || (protocol === 'http:' ? 80 : 443)
  const target = { host, port, ...options, protocol }
  if (protocol !== 'https:') return target
  const ALPNProtocols = options.allowHTTP1 === true ? ['h2', 'http/1.1'] : ['h2']
  return { ...target, ALPNProtocols, servername: options.servername || (isIP(host) === 0 ? host : undefined) }
}

function guarded(socket: Socket, limits: Limits, target: object): void {
  const { secureConnect, ...others } = limits
  const own = inside(socket).encrypted === true ? limits : others
  new TimeoutGuard(socket, own, undefined, undefined, targetIn([target]))
}

/**
 * A `createConnection` with limits: for `http.Agent`, `https.Agent`, `http.request`, `http2.connect`, ws, and mysql2's `stream`. The
 * socket it returns is on its way already; `secureConnect` is for those that are encrypted from the start.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`
 * @example
 * const agent = new https.Agent({ keepAlive: true })
 * agent.createConnection = createConnection({ connect: 2000, secureConnect: 3000, response: 10_000 })
 */
export function createConnection(phases: Phases): (options: object, more?: OnConnection | object) => Socket {
  const limits = readPhases(phases)
  return function (this: unknown, options: object, more?: OnConnection | object): Socket {
    checkOptions(options)
    const asked = typeof more === 'object' && more !== null ? sessionTarget(options, more) : options
    const target = targetOf(asked)
    const onConnection: OnConnection = (error, later) => {
      if (later instanceof Socket) guarded(later, limits, target)
      if (typeof more === 'function') (more as OnConnection)(error, later)
    }
    const socket = maker(this, asked).call(this, target, onConnection)
    if (socket instanceof Socket) guarded(socket, limits, target)
    // An agent that makes its connection later calls back; its types do not say so.
    return socket as Socket
  }
}
