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
import { type Phases, type TimeoutError, withTimeouts } from 'asyncfd/timeouts'

const COUNT = 40
const server = net.createServer((socket) => void socket.on('error', () => {}).pause())
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as net.AddressInfo

/** Milliseconds from the last thing that happened to the end, less the limit and the delay of the loop. */
async function late(phase: keyof Phases, ms: number): Promise<number> {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  // At any moment of its looks, and mostly alone: what another one's end takes is a delay of the loop.
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 200))
  const ended = once(socket, 'error') as Promise<[TimeoutError]>
  let from = performance.now()
  withTimeouts(socket, { [phase]: ms })
  if (phase === 'read') socket.resume()
  if (phase === 'idle' || phase === 'response') {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * ms * 0.5))
    from = performance.now()
    socket.write('x')
  }
  if (phase === 'write') {
    // Full, so that nothing moves any more.
    socket.write(Buffer.alloc(30_000_000))
    from = await untilFull(socket)
  }
  const [{ loopDelay = 0 }] = await ended
  return performance.now() - from - ms - loopDelay
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
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return from
}

const result: Record<string, number> = {}
for (const [phase, ms] of Object.entries({ idle: 200, write: 400, response: 200, read: 200, total: 200 })) {
  const all: number[] = []
  for (let batch = 0; batch < 2; batch++) {
    all.push(
      ...(await Promise.all(Array.from({ length: phase === 'write' ? 4 : COUNT / 2 }, () => late(phase as keyof Phases, ms)))),
    )
  }
  all.sort((a, b) => a - b)
  result[`${phase}-ms`] = ms
  result[`${phase}-least`] = all[0]!
  result[`${phase}-median`] = all[all.length >> 1]!
  result[`${phase}-most`] = all.at(-1)!
}
console.log(JSON.stringify(result))
process.exit()
