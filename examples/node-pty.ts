/** Writes to a terminal of node-pty's as fast as its program reads, and waits for it in between: docs/guides/node-pty.md. */
import type { IPty } from '@lydell/node-pty' // node-pty with its binaries in the package
import { Async } from 'asyncfd'
import * as sys from 'asyncfd/sys'

/** Writes to a terminal of node-pty's as fast as its program reads, and waits for it in between. */
function writerOf(pty: IPty): Async {
  const { fd } = pty as unknown as { fd: number } // it is there, though not in the types
  const writer = new Async(sys.dup(fd), { owned: true })
  pty.onExit(() => writer.destroy())
  return writer
}

const { spawn } = await import('@lydell/node-pty').catch((error: Error) => {
  console.log(`node-pty is not to be had here: ${error.message.split('\n')[0]}`)
  process.exit(77)
})
const pty = spawn('sh', ['-c', 'stty raw -echo; echo ready; head -c 300000 | wc -c'], { cols: 80, rows: 24 })
let said = ''
await new Promise<void>((resolve) => {
  pty.onData((text) => {
    said += text
    if (said.includes('ready')) resolve()
  })
})
const exited = new Promise((resolve) => pty.onExit(resolve))
await writerOf(pty).writeAll(Buffer.alloc(300_000, 'pasted '), { timeout: 10_000 })
await exited
const count = /\d+/.exec(said)?.[0]
console.log(`the program has read ${count} bytes`)
if (count !== '300000') process.exitCode = 1
