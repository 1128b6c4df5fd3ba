/** Runs a program on a pseudo-terminal and reads what it prints there, as terminals, recorders and test tools do. */
import { spawn } from 'node:child_process'
import { AsyncFd, AsyncFdError, Interest, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'

const { master, slave } = sys.openpty({ cols: 80, rows: 24 })
sys.setNonblocking(slave, false) // programs expect their terminal to block
spawn('sh', ['-c', 'if [ -t 1 ]; then echo on a terminal; else echo not on one; fi'], {
  stdio: [slave, slave, slave],
  detached: true,
})
sys.close(slave) // the child has its own; the end comes when the last one is closed

using terminal = new AsyncFd(master, { owned: true })
const buffer = Buffer.alloc(4096)
let text = ''
try {
  for await (const guard of terminal.readiness(Interest.READABLE, { timeout: 10_000 })) {
    const count = guard.tryIo((fd) => sys.read(fd, buffer))
    if (count === WouldBlock) continue
    if (count === 0) break
    text += buffer.toString('utf8', 0, count)
  }
} catch (error) {
  // Linux's way to say that the last program on the terminal is gone.
  if (!(error instanceof AsyncFdError) || error.code !== 'EIO') throw error
}
process.stdout.write(text)
if (text !== 'on a terminal\r\n') process.exitCode = 1
