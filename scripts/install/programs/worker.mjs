// The main thread and a worker load it, each with a reactor of its own.
import { isMainThread, Worker } from 'node:worker_threads'

if (isMainThread) {
  await import('./esm.mjs')
  new Worker(new URL(import.meta.url)).on('exit', (code) => console.log(`worker ended with ${code}`))
} else {
  await import('./esm.mjs')
}
