/** An inotify watch: a folder tells what happens in it. Linux only. */
import { rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AsyncFd, Interest, WouldBlock } from '../../index.js'
import * as sys from '../../sys/index.js'
import { TemporaryFolder } from './folder.js'
import { check, type Progress, type Station } from './station.js'

const EXPECTED = ['created draft', 'written draft', 'renamed draft', 'to final', 'deleted final']

/** What the watch is asked for, and how it is told. */
function words(): [bit: number, word: string][] {
  const { IN_CREATE, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE } = sys.constants
  return [
    [IN_CREATE, 'created'],
    [IN_CLOSE_WRITE, 'written'],
    [IN_MOVED_FROM, 'renamed'],
    [IN_MOVED_TO, 'to'],
    [IN_DELETE, 'deleted'],
  ]
}

async function readEvents(fd: AsyncFd, progress: Progress, signal: AbortSignal): Promise<string[]> {
  const buffer = Buffer.alloc(4096)
  const seen: string[] = []
  while (seen.length < EXPECTED.length) {
    const guard = await fd.readable({ signal })
    progress.woke(guard)
    const count = guard.tryIo((inner) => sys.read(inner, buffer))
    if (count === WouldBlock) continue
    const events = sys.parseInotify(buffer.subarray(0, count))
    const told = events.map(({ mask, name }) => `${words().find(([bit]) => mask & bit)?.[1] ?? mask} ${name}`)
    progress.say(told.join(', '))
    seen.push(...told)
  }
  return seen
}

async function work(folder: string): Promise<void> {
  const [draft, final] = [join(folder, 'draft'), join(folder, 'final')]
  await sleep(500)
  await writeFile(draft, 'hello')
  await sleep(600)
  await rename(draft, final)
  await sleep(600)
  await unlink(final)
}

export const inotify: Station = {
  name: 'inotify',
  async tour(progress, signal) {
    using fd = new AsyncFd(sys.inotify(), { interest: Interest.READABLE, owned: true })
    using folder = new TemporaryFolder()
    progress.watch(fd.fd)
    progress.say('watching an empty folder')
    const mask = words().reduce((bits, [bit]) => bits | bit, 0)
    sys.inotifyAddWatch(fd, folder.path, mask)
    const [seen] = await Promise.all([readEvents(fd, progress, signal), work(folder.path)])
    check(seen.join() === EXPECTED.join(), `saw ${seen.join(', ')}`)
    return `in order: ${seen.join(', ')}`
  },
}
