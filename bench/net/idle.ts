/**
 * A server whose connections stay idle, each with an armed idle timeout. Prints the port, then its memory whenever it is asked.
 *
 *     node --expose-gc idle.js asyncfd|callback|node|await
 *
 * @module
 */
import { createServer, type Socket } from 'node:net'

const IDLE_MS = 600_000
let connections = 0

function announce(port: number): void {
  console.log(port)
  process.stdin.on('end', () => process.exit())
  process.stdin.on('data', async () => {
    // What is garbage is nobody's.
    for (let i = 0; i < 5; i++) {
      ;(globalThis as unknown as { gc(): void }).gc()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const { rss, heapUsed, external } = process.memoryUsage()
    console.log(JSON.stringify({ connections, rss, heapUsed, external }))
  })
}

async function streams(serve: (stream: import('asyncfd/net').TcpStream) => unknown): Promise<void> {
  const { TcpListener } = await import('asyncfd/net')
  const listener = await TcpListener.bind('127.0.0.1:0')
  announce(listener.localAddress.port)
  for await (const stream of listener.incoming()) {
    connections++
    serve(stream)
  }
}

function sockets(serve: (socket: Socket) => unknown): void {
  const server = createServer((socket) => {
    connections++
    socket.setTimeout(IDLE_MS, () => socket.destroy())
    serve(socket)
  })
  server.listen(0, '127.0.0.1', () => announce((server.address() as { port: number }).port))
}

const kinds: Record<string, () => Promise<void>> = {
  asyncfd: () =>
    streams(async (stream) => {
      try {
        stream.setTimeouts({ idle: IDLE_MS })
        for await (const chunk of stream.chunks({ lend: true })) await stream.writeAll(chunk)
      } catch {
        // Its end is the client's business.
      } finally {
        stream.destroy()
      }
    }),
  callback: async () => {
    const { AsyncFd, Interest } = await import('asyncfd')
    const sys = await import('asyncfd/sys')
    const { deadline } = await import('asyncfd/time')
    const buffer = Buffer.allocUnsafeSlow(64 * 1024)
    await streams((stream) => {
      const fd = new AsyncFd(stream.intoInner(), { owned: true })
      const limit = deadline(IDLE_MS)
      fd.subscribe(Interest.READABLE, (guard) => {
        if (guard === null) return
        const count = sys.recv(fd, buffer)
        if (count === 0 || limit.expired) fd.close()
        else if (typeof count === 'number' && limit.refresh()) sys.send(fd, buffer, 0, count)
      })
    })
  },
  node: async () =>
    sockets((socket) => {
      socket.on('data', (chunk) => socket.write(chunk))
      socket.on('error', () => {})
    }),
  await: async () =>
    sockets(async (socket) => {
      try {
        for await (const chunk of socket) socket.write(chunk)
      } catch {
        // Likewise.
      }
    }),
}

await kinds[process.argv[2]!]!()
