/**
 * An echo server of node:net with limits of one kind on every connection. Prints the port, and serves until standard input ends; at
 * every line of it prints the CPU used so far and the connections there are.
 *
 *     node server.js none|all|set-timeout|idle|read|response|write|total
 *
 * @module
 */
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { type Phases, withTimeouts } from 'asyncfd/timeouts'

const kind = process.argv[2] as string
const MS = Number(process.argv[3] ?? 60_000)

const limits: Record<string, (socket: Socket) => void> = {
  none: () => {},
  'set-timeout': (socket) => void socket.setTimeout(MS, () => socket.destroy()),
  all: (socket) => void withTimeouts(socket, { idle: MS, read: MS, write: MS, total: MS * 10 }),
}
const limit = limits[kind] ?? ((socket: Socket) => void withTimeouts(socket, { [kind]: MS } as Phases))

let connections = 0
const server = createServer({ noDelay: true }, (socket) => {
  connections++
  limit(socket)
  socket
    .on('data', (data) => socket.write(data))
    .on('error', () => {})
    .on('close', () => {
      connections--
    })
})
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => console.log((server.address() as { port: number }).port))
createInterface({ input: process.stdin })
  .on('line', () => {
    const { user, system } = process.cpuUsage()
    console.log(JSON.stringify({ cpuUs: user + system, connections }))
  })
  .on('close', () => process.exit())
