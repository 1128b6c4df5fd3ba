/**
 * How late limits end a connection whose peer stalls, on an idle machine, in fractions of the limit and in milliseconds: beside what the
 * event loop itself was late by, as the error tells, since somebody else had the processor.
 *
 *     node lateness.js
 *
 * @module
 */
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { type Phases, type TimeoutError, withTimeouts } from 'asyncfd/timeouts'
import { fullListener } from '../../__test__/helpers/sockets.js'

/** By how many of each it is seen, half of them at a time. */
const COUNT = 40
const host = '127.0.0.1'
const server = net.createServer((socket) => void socket.on('error', () => {}).pause())
server.listen(0, host)
await once(server, 'listening')
const { port } = server.address() as net.AddressInfo
const { port: full } = await fullListener({ teardown() {} })

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** How a socket with a limit ends, and when the last thing happened to it. */
interface Stall {
  readonly ended: Promise<[TimeoutError]>
  readonly from: number
}

/** Puts a limit on a socket, to which nothing more happens. */
function limited(socket: Socket, phase: keyof Phases, ms: number): Stall {
  const ended = once(socket, 'error') as Promise<[TimeoutError]>
  withTimeouts(socket, { [phase]: ms })
  return { ended, from: performance.now() }
}

async function connected(): Promise<Socket> {
  const socket = net.connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** What is written last, at any moment of the limit's looks. */
const written = (phase: keyof Phases) => async (ms: number) => {
  const socket = await connected()
  const { ended } = limited(socket, phase, ms)
  await pause(Math.random() * ms * 0.5)
  const from = performance.now()
  socket.write('x')
  return { ended, from }
}

const stalls: Partial<Record<keyof Phases, (ms: number) => Promise<Stall>>> = {
  lookup: async (ms) => limited(net.connect({ host: 'name.invalid', port, lookup: () => {} }), 'lookup', ms),
  connect: async (ms) => limited(net.connect({ host, port: full }), 'connect', ms),
  async secureConnect(ms) {
    const socket = tls.connect({ host, port })
    const { ended } = limited(socket, 'secureConnect', ms)
    await once(socket, 'connect')
    return { ended, from: performance.now() }
  },
  idle: written('idle'),
  async write(ms) {
    const socket = await connected()
    const { ended } = limited(socket, 'write', ms)
    // Full, so that nothing moves any more.
    socket.write(Buffer.alloc(30_000_000))
    return { ended, from: await untilFull(socket) }
  },
  response: written('response'),
  read: async (ms) => limited((await connected()).resume(), 'read', ms),
  total: async (ms) => limited(await connected(), 'total', ms),
}

/** When the kernel took something last: not after that. */
async function untilFull(socket: Socket): Promise<number> {
  const { _handle: handle } = socket as unknown as { _handle: { writeQueueSize: number } | null }
  let [queued, from, looked] = [-1, 0, performance.now()]
  for (let same = 0; same < 20 && handle !== null && !socket.destroyed; ) {
    const now = handle.writeQueueSize
    if (now === queued) same++
    else [queued, from, same] = [now, looked, 0]
    looked = performance.now()
    await pause(1)
  }
  return from
}

/** Milliseconds from the last thing that happened to the end, less the limit and the delay of the loop. */
async function late(stall: (ms: number) => Promise<Stall>, ms: number): Promise<number> {
  // Mostly alone: what another one's end takes is a delay of the loop.
  await pause(Math.random() * 200)
  const { ended, from } = await stall(ms)
  const [{ loopDelay = 0 }] = await ended
  return performance.now() - from - ms - loopDelay
}

const result: Record<string, number> = {}
for (const [phase, stall] of Object.entries(stalls)) {
  const ms = phase === 'write' ? 400 : 200
  const all: number[] = []
  await late(stall, 20) // The first is for the compiler.
  for (let batch = 0; batch < 2; batch++) {
    all.push(...(await Promise.all(Array.from({ length: phase === 'write' ? 4 : COUNT / 2 }, () => late(stall, ms)))))
  }
  all.sort((a, b) => a - b)
  result[`${phase}-ms`] = ms
  result[`${phase}-least`] = all[0]!
  result[`${phase}-median`] = all[all.length >> 1]!
  result[`${phase}-most`] = all.at(-1)!
}
console.log(JSON.stringify(result))
process.exit()
