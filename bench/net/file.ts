/**
 * A server that pipes what it receives to a file. Prints the port, then how long each connection took.
 *
 *     node file.js asyncfd|node FILE
 *
 * @module
 */
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:net'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const [, , kind, file] = process.argv

function announce(port: number): void {
  console.log(port)
  process.stdin.on('end', () => process.exit()).resume()
}

async function receive(source: Readable): Promise<void> {
  const from = performance.now()
  const cpu = process.cpuUsage()
  const sink = createWriteStream(file!)
  await pipeline(source, sink)
  const { user, system } = process.cpuUsage(cpu)
  console.log(JSON.stringify({ bytes: sink.bytesWritten, ms: performance.now() - from, cpuMs: (user + system) / 1000 }))
}

const kinds: Record<string, () => Promise<void>> = {
  asyncfd: async () => {
    const { TcpListener } = await import('asyncfd/net')
    const listener = await TcpListener.bind('127.0.0.1:0')
    announce(listener.localAddress.port)
    for await (const stream of listener.incoming()) void receive(stream.toReadable())
  },
  node: async () => {
    const server = createServer((socket) => void receive(socket))
    server.listen(0, '127.0.0.1', () => announce((server.address() as { port: number }).port))
  },
}

await kinds[kind!]!()
