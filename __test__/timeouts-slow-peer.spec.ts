/**
 * A peer that reads slowly, as one over a slow connection does: the kernel takes megabytes at once and is long in sending them. On the
 * kernel's own time, which nobody can stop: the limits are several times what the kernel needs for its next bytes.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { TimeoutError } from 'asyncfd'
import { TcpStream } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { type Phases, withTimeouts } from 'asyncfd/timeouts'
import { accept, noLeaks, own, type Port } from './helpers/fixtures.js'
import { ending, Fate } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>
const { AF_INET, SOCK_STREAM, SOL_SOCKET, SO_RCVBUF } = sys.constants

noLeaks(test)

/** The system tells what it is sending, and the runtime of which descriptor. */
const told = process.platform === 'linux' && !('deno' in process.versions) ? test : test.skip
const toldOfStreams = process.platform === 'linux' ? test : test.skip

const LIMIT_MS = 1000
/** More than the kernel takes at once, and what it takes at once. */
const [MUCH, LITTLE] = [8_000_000, 250_000]

/** A listener whose connections have room for little in the kernel. */
function listener(t: T): [fd: number, address: Port] {
  const fd = own(t, sys.socket(AF_INET, SOCK_STREAM))
  sys.setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, 8192)
  sys.bind(fd, { address: '127.0.0.1', port: 0 })
  sys.listen(fd)
  return [fd, sys.localAddress(fd) as Port]
}

/** Reads slowly, for so long or until it has so many bytes. */
async function sipFor(fd: number, ms: number, bytes = Infinity): Promise<void> {
  const buffer = Buffer.alloc(2048)
  const from = performance.now()
  for (let count = 0; count < bytes && performance.now() - from < ms; await delay(15)) {
    const read = sys.recv(fd, buffer)
    if (read === 0) return
    if (typeof read === 'number') count += read
  }
}

async function limited(t: T, phases: Phases): Promise<{ socket: Socket; peer: number; fate: Fate }> {
  const [fd, { address, port }] = listener(t)
  const socket = ending(t, net.connect(port, address))
  await once(socket, 'connect')
  withTimeouts(socket, phases)
  return { socket, peer: accept(t, fd), fate: new Fate(socket) }
}

/** Whatever error it has. */
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))

for (const phase of ['idle', 'write'] as const) {
  for (const bytes of phase === 'idle' ? [LITTLE, MUCH] : [MUCH]) {
    told(`${phase}: ${bytes} bytes on their way to a slow reader are no silence; those that it leaves are`, async (t) => {
      const { socket, peer, fate } = await limited(t, { [phase]: LIMIT_MS })
      socket.write(Buffer.alloc(bytes))
      await sipFor(peer, 2.2 * LIMIT_MS)
      t.is(fate.phase, undefined)
      const from = performance.now()
      await closed(socket)
      t.is(fate.phase, phase)
      t.true(performance.now() - from < 5 * LIMIT_MS)
    })
  }

  toldOfStreams(
    `${phase} of a stream of ours: bytes on their way to a slow reader are no silence; those it leaves are`,
    async (t) => {
      const [fd, address] = listener(t)
      await using stream = await TcpStream.connect(address)
      const peer = accept(t, fd)
      stream.setTimeouts({ [phase]: LIMIT_MS })
      let failure: TimeoutError | undefined
      const writing = stream.writeAll(Buffer.alloc(MUCH)).catch((error) => {
        failure = error
      })
      await sipFor(peer, 2.2 * LIMIT_MS)
      t.is(failure, undefined)
      await writing
      t.is(failure!.phase, phase)
    },
  )
}

for (const more of ['and nothing more', 'and more meanwhile']) {
  told(`response: a request on its way to a slow reader, ${more}, is not to be answered yet`, async (t) => {
    const { socket, peer, fate } = await limited(t, { response: LIMIT_MS })
    socket.write(Buffer.alloc(LITTLE))
    const writing = more === 'and more meanwhile' ? setInterval(() => socket.write('?'), 50) : undefined
    await sipFor(peer, 60_000, LITTLE)
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

told('response: a peer that reads everything and says nothing is told, though more is written again and again', async (t) => {
  const { socket, peer, fate } = await limited(t, { response: LIMIT_MS / 2 })
  const reading = sipFor(peer, 5 * LIMIT_MS)
  const writing = setInterval(() => socket.write('?'), 20)
  const from = performance.now()
  await Promise.race([closed(socket), reading])
  clearInterval(writing)
  t.is(fate.phase, 'response')
  t.true(performance.now() - from < 4 * LIMIT_MS)
  await reading
})
