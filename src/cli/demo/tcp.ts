/** A TCP echo over loopback: both ends are sockets of `asyncfd/sys`, served by guards in this one process. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AsyncFd, Interest, WouldBlock } from '../../index.js'
import * as sys from '../../sys/index.js'
import { check, type Progress, type Station } from './station.js'

const ROUNDS = 12
const ROUND_BYTES = 64 * 1024

function listen(): { listener: AsyncFd; address: sys.InetAddress } {
  const { AF_INET, SOCK_STREAM } = sys.constants
  const listener = new AsyncFd(sys.socket(AF_INET, SOCK_STREAM), { interest: Interest.READABLE, owned: true })
  sys.bind(listener, { address: '127.0.0.1', port: 0 })
  sys.listen(listener)
  return { listener, address: sys.localAddress(listener) as sys.InetAddress }
}

async function connect(address: sys.InetAddress, signal: AbortSignal): Promise<AsyncFd> {
  const { AF_INET, SOCK_STREAM, SOL_SOCKET, SO_ERROR } = sys.constants
  const number = sys.socket(AF_INET, SOCK_STREAM)
  const connected = sys.connect(number, address)
  const client = new AsyncFd(number, { owned: true })
  if (connected === WouldBlock) await client.writable({ signal })
  const errno = sys.getSocketOption(client, SOL_SOCKET, SO_ERROR)
  check(errno === 0, `connect failed with errno ${errno}`)
  return client
}

async function receive(socket: AsyncFd, buffer: Buffer, signal: AbortSignal, progress?: Progress): Promise<number> {
  for (;;) {
    const guard = await socket.readable({ signal })
    progress?.woke(guard)
    const count = guard.tryIo((inner) => sys.recv(inner, buffer))
    if (count !== WouldBlock) return count
  }
}

async function sendAll(socket: AsyncFd, bytes: Buffer, signal: AbortSignal, progress?: Progress): Promise<void> {
  for (let sent = 0; sent < bytes.length; ) {
    const guard = await socket.writable({ signal })
    progress?.woke(guard)
    const count = guard.tryIo((inner) => sys.send(inner, bytes, sent))
    if (count !== WouldBlock) sent += count
  }
}

async function serveOne(listener: AsyncFd, signal: AbortSignal): Promise<void> {
  using peer = new AsyncFd(await listener.asyncIo(Interest.READABLE, (inner) => sys.accept(inner), { signal }), { owned: true })
  const buffer = Buffer.alloc(16 * 1024)
  for (;;) {
    const count = await receive(peer, buffer, signal)
    if (count === 0) return
    await sendAll(peer, buffer.subarray(0, count), signal)
  }
}

async function talk(address: sys.InetAddress, progress: Progress, signal: AbortSignal): Promise<number> {
  using client = await connect(address, signal)
  progress.watch(client.fd)
  const echoed = Buffer.alloc(ROUND_BYTES)
  for (let round = 1; round <= ROUNDS; round++) {
    const message = randomBytes(ROUND_BYTES)
    const sending = sendAll(client, message, signal, progress)
    let received = 0
    while (received < ROUND_BYTES) {
      const count = await receive(client, echoed.subarray(received), signal, progress)
      check(count > 0, 'the peer closed early')
      received += count
    }
    await sending
    check(echoed.equals(message), `round ${round} came back changed`)
    progress.say(`${(round * ROUND_BYTES) / 1024} KiB there and back`)
    await sleep(180)
  }
  sys.shutdown(client, sys.constants.SHUT_WR)
  check((await receive(client, echoed, signal)) === 0, 'the peer sent more than it got')
  return ROUNDS * ROUND_BYTES
}

export const tcp: Station = {
  name: 'TCP ↔ echo',
  async tour(progress, signal) {
    const { listener, address } = listen()
    try {
      progress.say(`connecting to port ${address.port}`)
      const [bytes] = await Promise.all([talk(address, progress, signal), serveOne(listener, signal)])
      return `${bytes / 1024} KiB there and back, every byte compared`
    } finally {
      listener.close()
    }
  },
}
