/**
 * Connects to a server, again and again, with a limit of one kind; prints connects per second and the CPU of each.
 *
 *     node connects.js asyncfd|node|bare PORT MS
 *
 * @module
 */
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { connect } from 'asyncfd/timeouts'

const [kind, port, ms] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const host = '127.0.0.1'
const LIMIT_MS = 5000

const ways: Record<string, () => Promise<Socket>> = {
  asyncfd: () => connect({ host, port }, { connect: LIMIT_MS }),
  /** What people write: the signal ends the socket, and is all there is to end it. */
  async node() {
    const socket = net.connect({ host, port, signal: AbortSignal.timeout(LIMIT_MS) })
    await once(socket, 'connect')
    return socket
  },
  async bare() {
    const socket = net.connect({ host, port })
    await once(socket, 'connect')
    return socket
  },
}
const way = ways[kind as string]!

async function run(until: number): Promise<number> {
  let count = 0
  const one = async () => {
    while (performance.now() < until) {
      const socket = await way()
      // A reset leaves no TIME_WAIT: there are only so many ports.
      socket.resetAndDestroy()
      await once(socket, 'close')
      count++
    }
  }
  await Promise.all(Array.from({ length: 10 }, one))
  return count
}

await run(performance.now() + ms / 4)
const { user, system } = process.cpuUsage()
const from = performance.now()
const count = await run(from + ms)
const used = process.cpuUsage({ user, system })
const perSecond = count / ((performance.now() - from) / 1000)
console.log(JSON.stringify({ perSecond, perCpuSecond: count / ((used.user + used.system) / 1e6) }))
process.exit()
