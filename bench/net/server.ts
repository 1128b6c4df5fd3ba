/**
 * Echo servers of one kind each, as their users write them. Prints the port, and serves until standard input ends.
 *
 *     node server.js lend|copy|read|callback|udp|udp-many|node|dgram|bun|deno
 *
 * @module
 */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

const kind = process.argv[2]
const SIZE = 64 * 1024

function announce(port: number): void {
  console.log(port)
  process.stdin.on('end', () => process.exit()).resume()
}

/** Connections that end are the load generator's business. */
const ignore = (): void => {}

async function streams(serve: (stream: import('asyncfd/net').TcpStream) => Promise<void>): Promise<void> {
  const { TcpListener } = await import('asyncfd/net')
  const listener = await TcpListener.bind('127.0.0.1:0')
  announce(listener.localAddress.port)
  for await (const stream of listener.incoming()) {
    stream.setNoDelay()
    serve(stream)
      .catch(ignore)
      .finally(() => stream.destroy())
  }
}

/** The callback tier: no promise, no stream. */
async function callbacks(): Promise<void> {
  const { AsyncFd, Interest } = await import('asyncfd')
  const sys = await import('asyncfd/sys')
  const { descriptors } = await import('./descriptors.js')
  const { IPPROTO_TCP, TCP_NODELAY } = sys.constants
  const buffer = Buffer.allocUnsafeSlow(SIZE)
  const port = descriptors((peer) => {
    sys.setSocketOption(peer, IPPROTO_TCP, TCP_NODELAY, true)
    const fd = new AsyncFd(peer, { owned: true })
    /** What did not go out yet. */
    let rest: Buffer | null = null
    const pump = (): void => {
      for (;;) {
        if (rest !== null) {
          const sent = sys.send(fd, rest)
          if (typeof sent !== 'number') return
          rest = sent < rest.length ? rest.subarray(sent) : null
          continue
        }
        const count = sys.recv(fd, buffer)
        if (typeof count !== 'number') return
        if (count === 0) return fd.close()
        const sent = sys.send(fd, buffer, 0, count)
        if (sent !== count) rest = Buffer.from(buffer.subarray(typeof sent === 'number' ? sent : 0, count))
        // A short read has read it all.
        else if (count < SIZE) return
      }
    }
    fd.subscribe(Interest.READABLE | Interest.WRITABLE, (guard) => {
      if (guard === null) return
      try {
        pump()
      } catch {
        fd.close()
      }
    })
  })
  announce(port)
}

interface BunSocket {
  write(data: Uint8Array): number
  data: Uint8Array | undefined
}
declare const Bun: {
  listen(options: {
    hostname: string
    port: number
    socket: Record<'data' | 'drain' | 'open', (socket: BunSocket, data: Uint8Array) => void>
  }): { port: number }
}
interface DenoConn {
  readonly readable: ReadableStream<Uint8Array>
  read(buffer: Uint8Array): Promise<number | null>
  write(data: Uint8Array): Promise<number>
  setNoDelay(on: boolean): void
  close(): void
}
declare const Deno: { listen(options: { hostname: string; port: number }): AsyncIterable<DenoConn> & { addr: { port: number } } }

const kinds: Record<string, () => unknown> = {
  lend: () =>
    streams(async (stream) => {
      for await (const chunk of stream.chunks({ lend: true })) await stream.writeAll(chunk)
    }),
  copy: () =>
    streams(async (stream) => {
      for await (const chunk of stream.chunks()) await stream.writeAll(chunk)
    }),
  read: () =>
    streams(async (stream) => {
      const buffer = Buffer.allocUnsafeSlow(SIZE)
      for (let count = await stream.read(buffer); count > 0; count = await stream.read(buffer)) {
        await stream.writeAll(count === buffer.length ? buffer : buffer.subarray(0, count))
      }
    }),
  callback: callbacks,
  node: () => {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('data', (chunk) => socket.write(chunk))
      socket.on('error', ignore)
    })
    server.listen(0, '127.0.0.1', () => announce((server.address() as { port: number }).port))
  },
  udp: async () => {
    const { UdpSocket } = await import('asyncfd/net')
    const socket = await UdpSocket.bind('127.0.0.1:0')
    announce(socket.localAddress.port)
    const buffer = Buffer.alloc(2048)
    for (;;) {
      const { bytes, address } = await socket.recvFrom(buffer)
      await socket.sendTo(buffer.subarray(0, bytes), address)
    }
  },
  'udp-many': async () => {
    const { UdpSocket } = await import('asyncfd/net')
    const socket = await UdpSocket.bind('127.0.0.1:0')
    announce(socket.localAddress.port)
    for (;;) await socket.sendMany(await socket.recvMany())
  },
  dgram: () => {
    const socket = createSocket('udp4')
    socket.on('message', (message, from) => socket.send(message, from.port, from.address))
    socket.bind(0, '127.0.0.1', () => announce(socket.address().port))
  },
  bun: () => {
    const flush = (socket: BunSocket, data: Uint8Array) => {
      const sent = socket.write(data)
      socket.data = sent < data.length ? data.slice(sent) : undefined
    }
    const server = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        open: ignore,
        data: (socket, data) => {
          if (socket.data === undefined) flush(socket, data)
          else socket.data = Buffer.concat([socket.data, data])
        },
        drain: (socket) => {
          if (socket.data !== undefined) flush(socket, socket.data)
        },
      },
    })
    announce(server.port)
  },
  deno: async () => {
    const listener = Deno.listen({ hostname: '127.0.0.1', port: 0 })
    announce(listener.addr.port)
    const serve = async (conn: DenoConn) => {
      conn.setNoDelay(true)
      const buffer = new Uint8Array(SIZE)
      for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
        for (let at = 0; at < count; ) at += await conn.write(buffer.subarray(at, count))
      }
      conn.close()
    }
    for await (const conn of listener) serve(conn).catch(ignore)
  },
}

await kinds[kind!]!()
