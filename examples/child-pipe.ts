/** A pipe of one's own to a child process, beside its standard streams: here the child reports its progress on fd 3. */
import { spawn } from 'node:child_process'
import { AsyncFd, Interest } from 'asyncfd'
import * as sys from 'asyncfd/sys'

const [reader, writer] = sys.pipe()
sys.setNonblocking(writer, false) // programs expect their descriptors to block
spawn('sh', ['-c', 'for p in 0 50 100; do echo $p >&3; sleep 0.1; done'], { stdio: ['ignore', 'inherit', 'inherit', writer] })
sys.close(writer) // the child has its own; the end comes when the last one is closed

using progress = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
const buffer = Buffer.alloc(256)
let seen = ''
for (;;) {
  const count = await progress.asyncIo(Interest.READABLE, (fd) => sys.read(fd, buffer), { timeout: 10_000 })
  if (count === 0) break
  seen += buffer.toString('utf8', 0, count)
  console.log(`${seen.trim().split('\n').at(-1)} %`)
}
if (seen !== '0\n50\n100\n') process.exitCode = 1
