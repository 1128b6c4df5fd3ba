/**
 * A TCP stream with poll methods: each gives its result at once, or null and calls the waker when another try is worth it.
 * For code that keeps its own state machines and does not want a promise for every step.
 */
import { createServer } from 'node:net'
import { AsyncFd, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'

type Waker = () => void

export class PollTcpStream implements Disposable {
  readonly #inner: AsyncFd

  /** Takes a non-blocking socket over. */
  constructor(socket: number) {
    this.#inner = new AsyncFd(socket, { owned: true })
  }

  /** How many bytes came, 0 at the end; null: `waker` will be called. */
  pollRead(waker: Waker, buffer: Uint8Array): number | null {
    for (;;) {
      const guard = this.#inner.pollReadReady(waker)
      if (guard === null) return null
      const count = guard.tryIo((socket) => sys.recv(socket, buffer))
      if (count !== WouldBlock) return count
    }
  }

  /** How many bytes were taken; null: `waker` will be called. */
  pollWrite(waker: Waker, bytes: Uint8Array): number | null {
    for (;;) {
      const guard = this.#inner.pollWriteReady(waker)
      if (guard === null) return null
      const count = guard.tryIo((socket) => sys.send(socket, bytes))
      if (count !== WouldBlock) return count
    }
  }

  /** Sends no more. Never waits. */
  shutdown(): void {
    sys.shutdown(this.#inner, sys.constants.SHUT_WR)
  }

  [Symbol.dispose](): void {
    this.#inner.close()
  }
}

/** Sends and receives until the peer is done: one state machine, driven by one waker. */
function exchange(stream: PollTcpStream, message: Buffer, done: (error: unknown, reply: Buffer) => void): void {
  const buffer = Buffer.alloc(64 * 1024)
  const reply: Buffer[] = []
  let sent = 0
  let shut = false
  const step = (): void => {
    try {
      while (sent < message.length) {
        const count = stream.pollWrite(step, message.subarray(sent))
        if (count === null) break
        sent += count
      }
      if (sent === message.length && !shut) {
        shut = true
        stream.shutdown()
      }
      for (;;) {
        const count = stream.pollRead(step, buffer)
        if (count === null) return
        if (count === 0) break
        reply.push(Buffer.from(buffer.subarray(0, count)))
      }
    } catch (error) {
      done(error, Buffer.concat(reply))
      return
    }
    done(undefined, Buffer.concat(reply))
  }
  step()
}

// A peer of Node's that sends back what it gets.
const server = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as { port: number }

const number = sys.socket(sys.constants.AF_INET, sys.constants.SOCK_STREAM)
sys.connect(number, { address: '127.0.0.1', port }) // under way: the first write waits for it
using stream = new PollTcpStream(number)
const message = Buffer.from('poll, or be woken\n'.repeat(50_000))
const reply = await new Promise<Buffer>((resolve, reject) => {
  exchange(stream, message, (error, bytes) => (error === undefined ? resolve(bytes) : reject(error)))
})
server.close()

const same = reply.equals(message)
console.log(`sent ${message.length} bytes, got ${reply.length} back, ${same ? 'the same' : 'NOT the same'}`)
if (!same) process.exitCode = 1
