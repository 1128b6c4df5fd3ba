/** An eventfd: a worker thread, which knows nothing but its number, counts it up. Linux only. */
import { Worker } from 'node:worker_threads'
import { AsyncFd, Interest, WouldBlock } from '../../index.js'
import * as sys from '../../sys/index.js'
import { check, type Progress, type Station } from './station.js'

const POSTS = [1, 2, 3, 4, 5]
const SUM = POSTS.reduce((sum, post) => sum + post)

async function takeCounts(fd: AsyncFd, progress: Progress, signal: AbortSignal): Promise<number> {
  const counter = new BigUint64Array(1)
  let sum = 0
  while (sum < SUM) {
    const guard = await fd.readable({ signal })
    progress.woke(guard)
    if (guard.tryIo((inner) => sys.read(inner, counter)) === WouldBlock) continue
    sum += Number(counter[0])
    progress.say(`+${counter[0]}, ${sum} so far`)
  }
  return sum
}

function post(fd: number): Promise<void> {
  const worker = new Worker(new URL('./poster.js', import.meta.url), { workerData: { fd, posts: POSTS, pause_ms: 450 } })
  return new Promise((resolve, reject) => {
    worker.once('error', reject).once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`the worker ended with ${code}`))
    })
  })
}

export const eventfd: Station = {
  name: 'eventfd ← thread',
  async tour(progress, signal) {
    using fd = new AsyncFd(sys.eventfd(), { interest: Interest.READABLE, owned: true })
    progress.watch(fd.fd)
    progress.say('a worker thread will count it up')
    const [sum] = await Promise.all([takeCounts(fd, progress, signal), post(fd.inner)])
    check(sum === SUM, `took ${sum} instead of ${SUM}`)
    return `${POSTS.join('+')} posted there, ${sum} taken here`
  },
}
