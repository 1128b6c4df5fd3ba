/**
 * Holds connections that do nothing: `node hold.js PORT COUNT`. Prints a line when all are there; ends with its standard input.
 *
 * @module
 */
import { once } from 'node:events'
import net from 'node:net'

const [port, count] = [Number(process.argv[2]), Number(process.argv[3])]
process.stdin.resume().on('end', () => process.exit())
// What `Server` waits for first.
console.log(0)
for (let made = 0; made < count; ) {
  const sockets = Array.from({ length: Math.min(200, count - made) }, () => net.connect(port, '127.0.0.1').on('error', () => {}))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  made += sockets.length
}
console.log('all')
