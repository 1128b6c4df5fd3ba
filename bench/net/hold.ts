/**
 * Opens connections and holds them: so many, and as many more as each line of its standard input says. Prints how many are open.
 *
 *     node hold.js PORT COUNT
 *
 * @module
 */
import { createInterface } from 'node:readline'
import { TcpStream } from 'asyncfd/net'

const AT_ONCE = 100
const port = Number(process.argv[2])
const held: TcpStream[] = []

async function open(count: number): Promise<void> {
  for (let left = count; left > 0; left -= AT_ONCE) {
    const some = Array.from({ length: Math.min(left, AT_ONCE) }, () => TcpStream.connect({ address: '127.0.0.1', port }))
    held.push(...(await Promise.all(some)))
  }
  console.log(held.length)
}

await open(Number(process.argv[3]))
for await (const line of createInterface({ input: process.stdin })) await open(Number(line))
// Reset them, or their ports would wait for a minute to be free again.
for (const stream of held) stream.setLinger(0).destroy()
process.exit()
