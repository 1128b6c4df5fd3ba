/** A script that has nothing else to do may block its thread: readableSync waits without an event loop. */
import { spawn } from 'node:child_process'
import { AsyncFd, Interest, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'

const [reader, writer] = sys.pipe()
sys.setNonblocking(writer, false)
spawn('sh', ['-c', 'sleep 0.1; echo ready'], { stdio: ['ignore', writer, 'inherit'] })
sys.close(writer)

using fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
const buffer = Buffer.alloc(256)
let text = ''
for (;;) {
  if (!fd.readableSync({ timeout: 10_000 })) throw new Error('the child said nothing for ten seconds')
  const count = sys.read(fd, buffer)
  if (count === WouldBlock) continue
  if (count === 0) break
  text += buffer.toString('utf8', 0, count)
}
process.stdout.write(text)
if (text !== 'ready\n') process.exitCode = 1
