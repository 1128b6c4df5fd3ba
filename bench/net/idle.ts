/**
 * A server whose connections stay idle, each with an armed idle timeout. Prints the port, then its memory whenever it is asked.
 *
 *     node --expose-gc idle.js asyncfd|callback|node|await|loop
 *
 * @module
 */
import { closeSync, readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'

const IDLE_MS = 600_000
let connections = 0

/** Resident memory without the pages of files: code of Node's own that runs for the first time belongs to no connection. */
function resident(): number {
  try {
    return Number(/^RssAnon:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))![1]) * 1024
  } catch {
    return process.memoryUsage().rss // Not Linux.
  }
}

function announce(port: number): void {
  console.log(port)
  process.stdin.on('end', () => process.exit())
  process.stdin.on('data', async () => {
    // What is garbage is nobody's.
    for (let i = 0; i < 5; i++) {
      ;(globalThis as unknown as { gc(): void }).gc()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const { heapUsed, external } = process.memoryUsage()
    console.log(JSON.stringify({ connections, resident: resident(), heapUsed, external }))
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

async function descriptors(serve: (peer: number) => unknown): Promise<void> {
  const { descriptors } = await import('./descriptors.js')
  announce(
    descriptors((peer) => {
      connections++
      serve(peer)
    }),
  )
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
    await descriptors((peer) => {
      const fd = new AsyncFd(peer, { owned: true })
      const limit = deadline(IDLE_MS)
      fd.subscribe(Interest.READABLE, (guard) => {
        if (guard === null) return
        const count = sys.recv(fd, buffer)
        if (count === 0 || limit.expired) fd.close()
        else if (typeof count === 'number' && limit.refresh()) sys.send(fd, buffer, 0, count)
      })
    })
  },
  // No library at all: what a loop that waits takes by itself.
  loop: () => {
    const waiting: unknown[] = []
    const next = () => new Promise<IteratorResult<number>>((resolve) => waiting.push(resolve))
    const input = { [Symbol.asyncIterator]: () => ({ next }) }
    return descriptors(async (peer) => {
      try {
        for await (const byte of input) connections += byte
      } finally {
        closeSync(peer)
      }
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
