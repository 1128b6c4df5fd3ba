/** Reads a FIFO line by line as another process writes it, without a thread of the pool waiting for it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AsyncFd, Interest } from 'asyncfd'
import * as sys from 'asyncfd/sys'

async function readFifo(path: string): Promise<string> {
  using fifo = new AsyncFd(sys.open(path, sys.constants.O_RDONLY), { interest: Interest.READABLE, owned: true })
  const buffer = Buffer.alloc(4096)
  let text = ''
  for (;;) {
    const count = await fifo.asyncIo(Interest.READABLE, (fd) => sys.read(fd, buffer))
    if (count === 0) return text
    text += buffer.toString('utf8', 0, count)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'asyncfd-fifo-'))
const path = join(folder, 'fifo')
sys.mkfifo(path)
const reading = readFifo(path)
spawn('sh', ['-c', 'exec >"$0"; for n in 1 2 3; do echo "line $n"; sleep 0.1; done', path], { stdio: 'ignore' })
const text = await reading
rmSync(folder, { recursive: true })

process.stdout.write(text)
if (text !== 'line 1\nline 2\nline 3\n') process.exitCode = 1
