/** Sockets of Node's for tests: what they open is closed when the test ends. */
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { TimeoutError } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import type { ExecutionContext } from 'ava'
import { own, type Port } from './fixtures.js'
import { turns } from './turns.js'

type T = ExecutionContext<unknown>

/** Ends a socket with the test, whatever error it has or gets. */
export function ending<S extends Socket>(t: T, socket: S): S {
  socket.on('error', () => {})
  t.teardown(async () => {
    if (socket.closed) return
    const closed = once(socket, 'close')
    socket.destroy()
    await closed
  })
  return socket
}

/** Closes a server with the test, and all of its connections. */
export async function listening(t: T, server: net.Server, where: net.ListenOptions = { host: '127.0.0.1', port: 0 }) {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.on('close', () => sockets.delete(socket))
  }
  server
    .on('connection', keep)
    .on('secureConnection', keep)
    .on('tlsClientError', () => {})
  server.listen(where)
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return server.address() as net.AddressInfo
}

/** A server on loopback, or on a path, that hands every connection to `onConnection`. */
export function serve(
  t: T,
  onConnection: (socket: Socket) => void = () => {},
  where?: net.ListenOptions,
  options: net.ServerOpts = {},
): Promise<net.AddressInfo> {
  return listening(t, net.createServer({ noDelay: true, ...options }, onConnection), where)
}

/** Two connected sockets, of TCP or of a path. Neither reads until the test makes it. */
export async function connectedPair(
  t: T,
  { path, ...options }: Partial<net.TcpNetConnectOpts> & { path?: string } = {},
): Promise<[socket: Socket, peer: Socket]> {
  let arrived: (peer: Socket) => void = () => {}
  const peer = new Promise<Socket>((resolve) => {
    arrived = resolve
  })
  const where = path === undefined ? undefined : { path }
  const { port } = await serve(t, arrived, where, { allowHalfOpen: options.allowHalfOpen ?? false, pauseOnConnect: true })
  const socket = ending(t, net.connect(path === undefined ? { port, host: '127.0.0.1', ...options } : { path, ...options }))
  await once(socket, 'connect')
  return [socket, await peer]
}

/** A listener that accepts nothing more: whoever connects gets no answer. */
export async function fullListener(t: Pick<T, 'teardown'>): Promise<Port> {
  const { AF_INET, SOCK_STREAM, POLLOUT } = sys.constants
  const fd = own(t, sys.socket(AF_INET, SOCK_STREAM))
  sys.bind(fd, { address: '127.0.0.1', port: 0 })
  sys.listen(fd, 0)
  const address = sys.localAddress(fd) as Port
  for (let connected = true; connected; ) {
    const one = own(t, sys.socket(AF_INET, SOCK_STREAM))
    sys.connect(one, address)
    connected = sys.poll([{ fd: one, events: POLLOUT }], 100)[0]!.revents !== 0
  }
  return address
}

/** What became of a socket: its error, or null for none so far. */
export class Fate {
  error: (Error & { code?: string }) | null = null
  closed = false

  constructor(socket: Socket) {
    socket.on('error', (error) => {
      this.error = error
    })
    socket.on('close', () => {
      this.closed = true
    })
  }

  /** The phase whose limit ended it, or what else did. */
  get phase(): string | undefined {
    return this.error instanceof TimeoutError ? this.error.phase : (this.error?.code ?? this.error?.message)
  }
}

/** A peer that reads for a moment. */
export async function sip(peer: Socket): Promise<void> {
  peer.resume()
  await turns(2)
  peer.pause()
}
