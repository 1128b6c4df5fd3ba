/**
 * Connecting with a limit on every step: `connect` and `connectTls`.
 *
 * @module
 */
import type { NetConnectOpts, Socket } from 'node:net'
import { type ConnectionOptions, createSecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { checkSignal, onAbort } from '../abort.js'
import { Connecting, checkTarget } from './connecting.js'
import { checkSocket, TimeoutGuard } from './guard.js'
import { type Limits, type Phases, readPhases } from './phases.js'

/**
 * Options of `connect`, those of `net.connect`.
 *
 * @example
 * const options: ConnectOptions = { host, port, noDelay: true, signal: AbortSignal.timeout(60_000) }
 * const socket = await connect(options, { connect: 2000 })
 */
export type ConnectOptions = NetConnectOpts & {
  /** Ends connecting; it then rejects with `signal.reason`. It has no effect on a socket that is connected. */
  signal?: AbortSignal | undefined
}

/** What is left for a socket that is connected. */
function rest({ lookup: _lookup, connect: _connect, secureConnect: _secure, ...limits }: Limits): Limits {
  return limits
}

const any = (limits: Limits): boolean => Object.values(limits).some((ms) => ms > 0)

/**
 * `net.connect` as a promise, with limits: the lookup has its own, all addresses share one for connecting and are tried side by side,
 * and the others go on with the socket. Rejects with `TimeoutError`, which tells what was tried; with `signal.reason`; with the error of
 * the lookup or of the address, or an AggregateError of all addresses.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_SOCKET_BAD_PORT`
 * @example
 * const socket = await connect({ host, port }, { lookup: 500, connect: 2000, response: 5000 })
 */
export function connect(options: ConnectOptions, phases: Phases): Promise<Socket> {
  const limits = readPhases(phases)
  const connecting = new Connecting(checkTarget(options), limits)
  return connected(connecting, rest(limits))
}

async function connected(connecting: Connecting, limits: Limits): Promise<Socket> {
  const socket = await connecting.socket()
  if (any(limits)) new TimeoutGuard(socket, limits, connecting.begun, connecting.attempts)
  return socket
}

/**
 * `tls.connect` as a promise, with limits; see {@link connect}. Resolves when the handshake is over and the certificate was accepted.
 * `options.socket` may be a connection that is there already.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_STATE`
 * @example
 * // Needs: the network
 * const socket = await connectTls({ host: 'example.org', port: 443 }, { connect: 2000, secureConnect: 3000 })
 * console.log(socket.getProtocol())
 */
export function connectTls(
  options: ConnectionOptions & { signal?: AbortSignal | undefined },
  phases: Phases,
): Promise<TLSSocket> {
  const limits = readPhases(phases)
  if (options?.socket !== undefined) {
    checkSocket(options.socket)
    checkSignal(options)
    return handshake(options, limits)
  }
  const target = checkTarget(options as NetConnectOpts)
  // Certificates and keys that cannot be used are told of now.
  const secureContext = options.secureContext ?? createSecureContext(options)
  return connectedTls({ ...options, secureContext }, limits, new Connecting(target, limits))
}

async function connectedTls(
  options: ConnectionOptions & { signal?: AbortSignal | undefined },
  limits: Limits,
  connecting: Connecting,
): Promise<TLSSocket> {
  const socket = await connecting.socket()
  try {
    return await handshake({ ...options, socket }, limits, connecting)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function handshake(
  options: ConnectionOptions & { signal?: AbortSignal | undefined },
  limits: Limits,
  connecting?: Connecting,
): Promise<TLSSocket> {
  const { signal, ...own } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      options.socket?.destroy()
      reject(signal.reason)
      return
    }
    const socket = tlsConnect(own)
    const settled = () => {
      off?.()
      socket.off('secureConnect', onSecure).off('error', onError).off('close', onClose)
    }
    const onSecure = () => {
      settled()
      resolve(socket)
    }
    const onError = (error: Error) => {
      settled()
      // What comes of it later is nobody's any more.
      socket.on('error', () => {})
      reject(error)
    }
    const onClose = () =>
      onError(Object.assign(new Error('the socket was closed before the TLS handshake was over'), { code: 'ECONNRESET' }))
    const off =
      signal === undefined
        ? undefined
        : onAbort(signal, () => {
            onError(signal.reason)
            socket.destroy()
          })
    socket.on('secureConnect', onSecure).on('error', onError).on('close', onClose)
    new TimeoutGuard(socket, limits, connecting?.begun, connecting?.attempts)
  })
}
