/**
 * A server whose connections stay idle, each with an armed idle timeout. Prints the port, then its memory whenever it is asked.
 *
 *     node --expose-gc idle.js asyncfd|node
 *
 * @module
 */
import { createServer } from 'node:net'

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

const kinds: Record<string, () => Promise<void>> = {
  asyncfd: async () => {
    const { TcpListener } = await import('asyncfd/net')
    const listener = await TcpListener.bind('127.0.0.1:0')
    announce(listener.localAddress.port)
    const serve = async (stream: import('asyncfd/net').TcpStream) => {
      connections++
      stream.setTimeouts({ idle: IDLE_MS })
      for await (const chunk of stream.chunks({ lend: true })) await stream.writeAll(chunk)
      stream.destroy()
    }
    for await (const stream of listener.incoming()) serve(stream).catch(() => stream.destroy())
  },
  node: async () => {
    const server = createServer((socket) => {
      connections++
      socket.setTimeout(IDLE_MS, () => socket.destroy())
      socket.on('data', (chunk) => socket.write(chunk))
      socket.on('error', () => {})
    })
    server.listen(0, '127.0.0.1', () => announce((server.address() as { port: number }).port))
  },
}

await kinds[process.argv[2]!]!()
