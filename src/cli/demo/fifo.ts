/** A FIFO: a child process writes lines into it, now and then; its end closes it. */
import { join } from 'node:path'
import { AsyncFd, Interest, WouldBlock } from '../../index.js'
import * as sys from '../../sys/index.js'
import { endOf, startShell } from './child.js'
import { TemporaryFolder } from './folder.js'
import { check, type Progress, type Station } from './station.js'

const LINES = ['one', 'two', 'three', 'four', 'five', 'six'].map((number) => `line ${number}\n`)
const WRITE_LINES = `exec >"$0"; for n in one two three four five six; do echo "line $n"; sleep 0.4; done`

async function readAll(fd: AsyncFd, progress: Progress, signal: AbortSignal): Promise<string> {
  const buffer = Buffer.alloc(4096)
  let text = ''
  for (;;) {
    const guard = await fd.readable({ signal })
    progress.woke(guard)
    const count = guard.tryIo((inner) => sys.read(inner, buffer))
    if (count === WouldBlock) continue
    if (count === 0) return text
    const chunk = buffer.toString('utf8', 0, count)
    progress.say(JSON.stringify(chunk))
    text += chunk
  }
}

export const fifo: Station = {
  name: 'FIFO ← child',
  async tour(progress, signal) {
    using folder = new TemporaryFolder()
    const path = join(folder.path, 'fifo')
    sys.mkfifo(path)
    using fd = new AsyncFd(sys.open(path, sys.constants.O_RDONLY), { interest: Interest.READABLE, owned: true })
    progress.watch(fd.fd)
    progress.say('a child process will write to it')
    const child = startShell(['-c', WRITE_LINES, path])
    const [text, code] = await Promise.all([readAll(fd, progress, signal), endOf(child)])
    check(text === LINES.join(''), `read ${JSON.stringify(text)}`)
    check(code === 0, `the writer ended with ${code}`)
    return `${LINES.length} lines as they were written, and the end`
  },
}
