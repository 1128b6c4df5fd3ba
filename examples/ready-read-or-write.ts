/**
 * Reads and writes one TCP stream from one loop: waits until it is ready for either, does what it is ready for, and clears
 * only what blocked. A blocked read says nothing about writing.
 */
import { createServer } from 'node:net'
import { AsyncFd, Interest, Ready, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'

// A peer of Node's that sends back what it gets.
const server = createServer((socket) => void socket.pipe(socket))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as { port: number }

const socket = sys.socket(sys.constants.AF_INET, sys.constants.SOCK_STREAM)
sys.connect(socket, { address: '127.0.0.1', port }) // under way: writable once it is connected
using stream = new AsyncFd(socket, { owned: true })
sys.setSocketOption(socket, sys.constants.SOL_SOCKET, sys.constants.SO_SNDBUF, 64 * 1024) // so that writes block, too

const message = Buffer.from('hello world\n'.repeat(100_000))
const buffer = Buffer.alloc(64 * 1024)
const echo: Buffer[] = []
let [sent, received, blockedReads, blockedWrites] = [0, 0, 0, 0]
while (received < message.length) {
  // What there is nothing to do for is not asked for: a socket with room is always ready for writing.
  const guard = await stream.ready(sent < message.length ? Interest.READABLE | Interest.WRITABLE : Interest.READABLE)
  if (guard.isReadable) {
    const count = sys.recv(stream, buffer)
    if (count === WouldBlock) {
      blockedReads++
      guard.clearReadyMatching(Ready.READABLE)
    } else if (count === 0) {
      throw new Error('the peer closed early')
    } else {
      echo.push(Buffer.from(buffer.subarray(0, count)))
      received += count
    }
  }
  if (guard.isWritable && sent < message.length) {
    const count = sys.send(stream, message, sent)
    if (count === WouldBlock) {
      blockedWrites++
      guard.clearReadyMatching(Ready.WRITABLE)
    } else {
      sent += count
    }
  }
}
stream.close()
server.close()

const same = Buffer.concat(echo).equals(message)
console.log(`sent ${sent} bytes, got ${received} back, ${same ? 'the same' : 'NOT the same'}`)
console.log(`${blockedReads} reads and ${blockedWrites} writes blocked, and each cleared its own direction only`)
if (!same) process.exitCode = 1
