/**
 * A peer that reads slowly, as one over a slow connection does: the kernel takes much at once, and it is long until the peer has it. On
 * the kernel's own time, which nobody can stop: the limits are several times what the kernel needs for its next bytes.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Async, type TimeoutError } from 'asyncfd'
import { TcpStream, UnixStream } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { type Phases, withTimeouts } from 'asyncfd/timeouts'
import { accept, folder, noLeaks, own, type Port, pipe, release } from './helpers/fixtures.js'
import { ending, Fate } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>
const { AF_INET, AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_RCVBUF } = sys.constants

noLeaks(test)

/** The system tells what it is sending, and the runtime of which descriptor. */
const told = process.platform === 'linux' && !('deno' in process.versions) ? test : test.skip
const toldOfStreams = process.platform === 'linux' ? test : test.skip

const LIMIT_MS = 1000
/** More than the kernel takes at once, and what it takes at once. */
const [MUCH, LITTLE] = [8_000_000, 250_000]

/** The kernel keeps what is for a process of this host in the pieces in which it was written, and tells only of whole ones. */
const PIECE = 8000
/** What it takes at once even there. */
const AT_ONCE = 19 * PIECE

/** A listener whose connections have room for little in the kernel. */
function tcpListener(t: T): [fd: number, address: Port] {
  const fd = own(t, sys.socket(AF_INET, SOCK_STREAM))
  sys.setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, 8192)
  sys.bind(fd, { address: '127.0.0.1', port: 0 })
  sys.listen(fd)
  return [fd, sys.localAddress(fd) as Port]
}

function unixListener(t: T): [fd: number, address: { path: string }] {
  const fd = own(t, sys.socket(AF_UNIX, SOCK_STREAM))
  const address = { path: join(folder(t), 'socket') }
  sys.bind(fd, address)
  sys.listen(fd)
  return [fd, address]
}

interface Transport {
  listen: (t: T) => [fd: number, address: Port | { path: string }]
  /** Bytes of one write. */
  piece: number
}
const TCP: Transport = { listen: tcpListener, piece: Infinity }
const UNIX: Transport = { listen: unixListener, piece: PIECE }
const transports = { TCP, 'a Unix socket': UNIX }

/** Reads slowly, for so long or until it has so many bytes. */
async function sipFor(fd: number, ms: number, bytes = Infinity, most = 2048): Promise<void> {
  const buffer = Buffer.alloc(most)
  const from = performance.now()
  for (let count = 0; count < bytes && performance.now() - from < ms; await delay(15)) {
    const read = sys.read(fd, buffer)
    if (read === 0) return
    if (typeof read === 'number') count += read
  }
}

const drained = (socket: Socket) => new Promise((resolve) => socket.once('drain', resolve))

/** Writes it all: at once, or in pieces as there is room. */
async function pour(socket: Socket, bytes: number, { piece }: Transport): Promise<void> {
  for (let left = bytes; left > 0 && !socket.destroyed; left -= piece) {
    if (!socket.write(Buffer.alloc(Math.min(left, piece)))) await Promise.race([drained(socket), closed(socket)])
  }
}

async function limited(t: T, { listen }: Transport, phases: Phases): Promise<{ socket: Socket; peer: number; fate: Fate }> {
  const [fd, address] = listen(t)
  const socket = ending(t, net.connect('path' in address ? address : { port: address.port, host: address.address }))
  await once(socket, 'connect')
  withTimeouts(socket, phases)
  return { socket, peer: accept(t, fd), fate: new Fate(socket) }
}

/** Whatever error it has. */
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))

for (const phase of ['idle', 'write'] as const) {
  for (const [name, transport] of Object.entries(transports)) {
    for (const bytes of phase === 'idle' ? [LITTLE, MUCH] : [MUCH]) {
      told(
        `${phase}, ${name}: ${bytes} bytes on their way to a slow reader are no silence; those that it leaves are`,
        async (t) => {
          const { socket, peer, fate } = await limited(t, transport, { [phase]: LIMIT_MS })
          const pouring = pour(socket, bytes, transport)
          await sipFor(peer, 2.2 * LIMIT_MS)
          t.is(fate.phase, undefined)
          const from = performance.now()
          await closed(socket)
          await pouring
          t.is(fate.phase, phase)
          t.true(performance.now() - from < 5 * LIMIT_MS)
        },
      )
    }
  }
}

/** Streams of ours, and the other end of each. */
const streams: Record<string, (t: T) => Promise<[stream: Async, peer: number]>> = {
  TCP: async (t) => {
    const [fd, address] = tcpListener(t)
    return [await TcpStream.connect(address), accept(t, fd)]
  },
  'a Unix socket': async (t) => {
    const [stream, peer] = UnixStream.pair()
    return [stream, own(t, peer.intoInner())]
  },
  'a pipe': async (t) => {
    const [reader, writer] = pipe(t)
    return [new Async(release(writer), { owned: true }), reader]
  },
}

for (const [name, open] of Object.entries(streams)) {
  toldOfStreams(
    `idle of a stream of ours, ${name}: what the kernel took on its way to a slow reader is no silence`,
    async (t) => {
      const [stream, peer] = await open(t)
      stream.setTimeouts({ idle: LIMIT_MS })
      for (let count = 0; count < 56_000; count += PIECE) await stream.writeAll(Buffer.alloc(PIECE), { timeout: 0 })
      await sipFor(peer, 60_000, 40_000, 256)
      t.false(stream.closed)
      const from = performance.now()
      while (!stream.closed) await delay(10)
      t.true(performance.now() - from < 5 * LIMIT_MS)
    },
  )

  for (const phase of ['idle', 'write'] as const) {
    toldOfStreams(
      `${phase} of a stream of ours, ${name}: bytes on their way to a slow reader are no silence; those it leaves are`,
      async (t) => {
        const [stream, peer] = await open(t)
        const piece = name === 'TCP' ? MUCH : PIECE
        stream.setTimeouts({ [phase]: LIMIT_MS })
        let failure: TimeoutError | undefined
        const writing = (async () => {
          for (let left = MUCH; left > 0; left -= piece) await stream.writeAll(Buffer.alloc(piece))
        })().catch((error) => {
          failure = error
        })
        await sipFor(peer, 2.2 * LIMIT_MS)
        t.is(failure, undefined)
        await writing
        t.is(failure!.phase, phase)
      },
    )
  }
}

for (const [name, transport] of Object.entries(transports)) {
  for (const more of ['and nothing more', 'and more meanwhile']) {
    told(`response, ${name}: a request on its way to a slow reader, ${more}, is not to be answered yet`, async (t) => {
      const { socket, peer, fate } = await limited(t, transport, { response: LIMIT_MS })
      const pouring = pour(socket, LITTLE, transport)
      const writing = more === 'and more meanwhile' ? setInterval(() => socket.write('?'), 50) : undefined
      await sipFor(peer, 60_000, LITTLE)
      await pouring
      clearInterval(writing)
      await delay(LIMIT_MS / 2)
      sys.send(peer, Buffer.from('here'))
      await once(socket.resume(), 'data')
      t.is(fate.phase, undefined)
      socket.write('and this?')
      await closed(socket)
      t.is(fate.phase, 'response')
    })
  }
}

told('response, a Unix socket: soon after the last of a request was read it is overdue', async (t) => {
  const { socket, peer, fate } = await limited(t, UNIX, { response: LIMIT_MS })
  await pour(socket, AT_ONCE, UNIX)
  await sipFor(peer, 60_000, AT_ONCE)
  t.is(fate.phase, undefined)
  const from = performance.now()
  await closed(socket)
  t.is(fate.phase, 'response')
  const elapsed = performance.now() - from
  t.true(elapsed > 0.9 * LIMIT_MS && elapsed < 1.6 * LIMIT_MS, `${elapsed} ms`)
})

for (const [name, transport] of Object.entries(transports)) {
  for (const what of ['everything', 'nothing']) {
    told(
      `response, ${name}: a peer that reads ${what} and says nothing is told, though more is written again and again`,
      async (t) => {
        const { socket, peer, fate } = await limited(t, transport, { response: LIMIT_MS / 2 })
        const reading = what === 'everything' ? sipFor(peer, 5 * LIMIT_MS) : null
        const writing = setInterval(() => socket.write('?'), 20)
        const from = performance.now()
        await Promise.race([closed(socket), delay(5 * LIMIT_MS, undefined, { ref: false })])
        clearInterval(writing)
        t.is(fate.phase, 'response')
        t.true(performance.now() - from < 4 * LIMIT_MS)
        await reading
      },
    )
  }
}
