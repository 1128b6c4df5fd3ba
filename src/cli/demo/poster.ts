/** The worker of examples/demo/eventfd.ts: writes numbers to the descriptor it is given. */
import { setTimeout as sleep } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import * as sys from '../../sys/index.js'

const { fd, posts, pause_ms } = workerData as { fd: number; posts: number[]; pause_ms: number }
for (const post of posts) {
  await sleep(pause_ms)
  sys.write(fd, BigUint64Array.of(BigInt(post)))
}
