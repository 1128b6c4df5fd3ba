/** A TCP stream with async methods, made of a socket and an AsyncFd: wait, try, and wait again if it would have blocked. */
import { createServer } from 'node:net'
import { AsyncFd, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'

export class AsyncTcpStream implements Disposable {
  readonly #inner: AsyncFd<sys.OwnedFd>

  /** Takes a connected, non-blocking socket over. */
  constructor(socket: sys.OwnedFd) {
    this.#inner = new AsyncFd(socket, { owned: true })
  }

  static async connect(address: sys.SocketAddressInput): Promise<AsyncTcpStream> {
    const { AF_INET, SOCK_STREAM, SOL_SOCKET, SO_ERROR } = sys.constants
    const socket = new sys.OwnedFd(sys.socket(AF_INET, SOCK_STREAM))
    try {
      const connected = sys.connect(socket, address)
      const stream = new AsyncTcpStream(socket)
      if (connected === WouldBlock) await stream.#inner.writable()
      const errno = sys.getSocketOption(socket, SOL_SOCKET, SO_ERROR)
      if (errno !== 0) throw new Error(`connect failed with errno ${errno}`)
      return stream
    } catch (error) {
      socket.close()
      throw error
    }
  }

  /** Resolves with how many bytes came; 0 is the end. */
  async read(buffer: Uint8Array): Promise<number> {
    for (;;) {
      const guard = await this.#inner.readable()
      const count = guard.tryIo((socket) => sys.recv(socket, buffer))
      if (count !== WouldBlock) return count
    }
  }

  /** Resolves with how many bytes were taken, which may be fewer than asked. */
  async write(bytes: Uint8Array): Promise<number> {
    for (;;) {
      const guard = await this.#inner.writable()
      const count = guard.tryIo((socket) => sys.send(socket, bytes))
      if (count !== WouldBlock) return count
    }
  }

  /** Sends no more; the other direction goes on. */
  end(): void {
    sys.shutdown(this.#inner, sys.constants.SHUT_WR)
  }

  [Symbol.dispose](): void {
    this.#inner.close()
  }
}

// A peer of Node's that sends back what it gets, in capitals.
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.setEncoding('utf8').on('data', (text) => socket.write(text.toString().toUpperCase()))
  socket.on('end', () => socket.end())
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as { port: number }

const message = Buffer.from('wait, then try\n'.repeat(50_000))
let reply = ''
{
  using stream = await AsyncTcpStream.connect({ address: '127.0.0.1', port })
  // Both directions at once: each waits for its own readiness.
  const sending = (async () => {
    for (let sent = 0; sent < message.length; ) sent += await stream.write(message.subarray(sent))
    stream.end()
  })()
  const buffer = Buffer.alloc(64 * 1024)
  for (;;) {
    const count = await stream.read(buffer)
    if (count === 0) break
    reply += buffer.toString('latin1', 0, count)
  }
  await sending
}
server.close()

const same = reply === message.toString().toUpperCase()
console.log(
  `sent ${message.length} bytes, got ${reply.length} back, ${same ? 'all of them in capitals' : 'NOT what was expected'}`,
)
if (!same) process.exitCode = 1
