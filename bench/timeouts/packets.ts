/**
 * Echoes through servers that live side by side, a slice of some milliseconds from each in turn, over connections that stay: what is
 * looked for is a hundredth, and these machines change their speed by more than that from one second to the next. Prints the messages
 * per second of CPU of each: the median of its slices.
 *
 *     node packets.js CONNECTIONS KIND...
 *
 * @module
 */
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { script } from '../harness/child.js'
import { type Measured, report } from '../harness/measure.js'
import { Server } from '../harness/server.js'
import { spread } from '../harness/stats.js'

const SLICES = 80
/** Messages on each connection. */
const PER_SLICE = 50
const WARMUP_SLICES = 16
const message = Buffer.alloc(64)

interface Contender {
  readonly kind: string
  readonly server: Server
  readonly sockets: Socket[]
  readonly perSecond: number[]
}

const connections = Number(process.argv[2])
const kinds = process.argv.slice(3)

async function contender(kind: string): Promise<Contender> {
  const server = await Server.start([process.execPath, script('timeouts/server.js'), kind])
  const sockets = Array.from({ length: connections }, () =>
    net.connect({ port: Number(server.port), host: '127.0.0.1', noDelay: true }),
  )
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  return { kind, server, sockets, perSecond: [] }
}

/** Sends back what comes, so many times. */
function echo(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let left = PER_SLICE
    const onData = () => {
      if (--left > 0) socket.write(message)
      else resolve(void socket.off('data', onData))
    }
    socket.on('data', onData).write(message)
  })
}

async function slice({ server, sockets, perSecond }: Contender): Promise<void> {
  const cpu = async () => JSON.parse(await server.line('?')).cpuUs as number
  const before = await cpu()
  await Promise.all(sockets.map(echo))
  perSecond.push((connections * PER_SLICE * 1e6) / ((await cpu()) - before))
}

const contenders: Contender[] = []
for (const kind of kinds) contenders.push(await contender(kind))
for (const one of contenders) for (let i = 0; i < WARMUP_SLICES; i++) await slice(one)
for (const one of contenders) one.perSecond.length = 0
for (let round = 0; round < SLICES; round++) {
  for (let step = 0; step < contenders.length; step++) await slice(contenders[(round + step) % contenders.length]!)
}
const measured: Measured = {}
for (const { kind, perSecond, server, sockets } of contenders) {
  measured[kind] = spread(perSecond).median
  for (const socket of sockets) socket.destroy()
  await server[Symbol.asyncDispose]()
}
report(measured)
