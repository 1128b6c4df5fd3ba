/**
 * A second of work on real descriptors: each resolves with what was measured, or rejects with what is wrong.
 *
 * @module
 */
import { type Async, AsyncFd, Interest, TimeoutError, WouldBlock } from '../index.js'
import { TcpListener, TcpStream, UnixStream } from '../net/index.js'
import * as sys from '../sys/index.js'
import { now, sleep } from '../time/index.js'

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!

const WAKE_UPS = 1000
const SLEEPS = 20
const ECHO_BYTES = 1 << 20

/** Sends `bytes` there and back, and compares. */
async function echo(client: UnixStream, server: UnixStream, bytes: Buffer, signal: AbortSignal): Promise<void>
async function echo(client: TcpStream, server: TcpStream, bytes: Buffer, signal: AbortSignal): Promise<void>
async function echo(client: Async<unknown>, server: Async<unknown>, bytes: Buffer, signal: AbortSignal): Promise<void> {
  const serve = async () => {
    let left = bytes.length
    for await (const chunk of server.chunks({ signal })) {
      await server.writeAll(chunk, { signal })
      left -= chunk.length
      if (left === 0) return
    }
  }
  const receive = async () => {
    const got: Buffer[] = []
    let length = 0
    for await (const chunk of client.chunks({ signal })) {
      got.push(Buffer.from(chunk))
      length += chunk.length
      if (length >= bytes.length) break
    }
    check(Buffer.concat(got).equals(bytes), 'what came back is not what was sent')
  }
  await Promise.all([client.writeAll(bytes, { signal }), serve(), receive()])
}

const random = (): Buffer => Buffer.from(Array.from({ length: ECHO_BYTES }, (_, i) => (i * 7919 + (i >> 8)) & 255))

export const SELF_TESTS: Record<string, (signal: AbortSignal) => Promise<string>> = {
  async 'a wake-up'(signal) {
    const [reader, writer] = sys.pipe()
    using sender = new sys.OwnedFd(writer)
    using fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
    const byte = Buffer.alloc(1)
    const took: number[] = []
    for (let i = 0; i < WAKE_UPS; i++) {
      let written = 0
      setImmediate(() => {
        written = performance.now()
        sys.write(sender, byte)
      })
      const count = await fd.asyncIo(Interest.READABLE, (inner) => sys.read(inner, byte), { signal })
      took.push(performance.now() - written)
      check(count === 1, 'a byte was lost')
    }
    check(sys.read(fd.inner, byte) === WouldBlock, 'a byte too many')
    return `${(median(took) * 1000).toFixed(0)} us (median of ${WAKE_UPS})`
  },
  async 'a time limit'(signal) {
    const [reader, writer] = sys.pipe()
    using _ = new sys.OwnedFd(writer)
    using fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
    const begun = now()
    const error: unknown = await fd.readable({ signal, timeout: 20 }).catch((reason) => reason)
    const elapsed = now() - begun
    if (!(error instanceof TimeoutError)) throw error
    check(elapsed >= 20, `early: after ${elapsed} ms instead of 20`)
    return `of 20 ms passed after ${elapsed.toFixed(2)} ms`
  },
  async timers() {
    const late: number[] = []
    for (let i = 0; i < SLEEPS; i++) {
      const due = now() + 1 + i / 4
      await sleep(1 + i / 4)
      late.push(now() - due)
    }
    check(Math.min(...late) >= 0, 'one was early')
    return `none of ${SLEEPS} early, ${median(late).toFixed(2)} ms late (median)`
  },
  async 'a Unix stream'(signal) {
    const [client, server] = UnixStream.pair()
    await using _ = client
    await using __ = server
    await echo(client, server, random(), signal)
    return '1 MiB there and back, every byte compared'
  },
  async 'TCP on loopback'(signal) {
    await using listener = await TcpListener.bind('127.0.0.1:0')
    const [client, server] = await Promise.all([
      TcpStream.connect(listener.localAddress, { signal }),
      listener.accept({ signal }),
    ])
    await using _ = client
    await using __ = server
    await echo(client, server, random(), signal)
    return '1 MiB there and back, every byte compared'
  },
}
