/**
 * Workers that end while they wait: nothing crashes, hangs or leaks. `npm run soak workers` is the long form.
 *
 * Portable: bun, deno
 */
import { Worker } from 'node:worker_threads'
import { AsyncFd, Interest } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { rounds } from '../helpers/child.js'
import { chooseSeed, Random } from '../helpers/random.js'
import test from '../helpers/test.js'
import { holdings, manyWorkers, oneWorker, type Scenario, scenarios, settled } from '../helpers/workers.js'

for (const scenario of Object.keys(scenarios)) {
  test.serial(`a worker that ends leaves nothing behind: ${scenario}`, async (t) => {
    t.is(await oneWorker(scenario as Scenario, new Random(1)), null)
  })
}

test.serial('workers ended at random moments leave no thread and no descriptor', async (t) => {
  const seed = chooseSeed()
  t.log(`seed ${seed}`)
  const before = holdings()
  await manyWorkers(rounds(60), new Random(seed))
  const after = await settled(before)
  t.true(after.threads <= before.threads && after.fds <= before.fds, JSON.stringify({ seed, before, after }))
})

test.serial('waits of the main thread outlive workers', async (t) => {
  const [reader, writer] = sys.pipe()
  using fd = new AsyncFd(reader, { owned: true })
  using other = new AsyncFd(writer, { owned: true })
  const woken = fd.readable()
  let events = 0
  using _ = fd.subscribe(Interest.READABLE, () => events++)
  for (const scenario of ['mid-wait', 'exit', 'owned'] as const) t.is(await oneWorker(scenario, new Random(2)), null)
  t.is(events, 0)
  sys.write(other, Buffer.from('x'))
  t.true((await woken).isReadable)
  t.is(events, 1)
})

for (const [title, ended] of [
  ['terminated', (worker: Worker) => worker.terminate()],
  ['left', (worker: Worker) => worker.postMessage('leave')],
] as const) {
  test.serial(`the owned descriptors of a worker that was ${title} are closed, the others are not`, async (t) => {
    const [ownedReader, ownedWriter] = sys.pipe()
    const [lentReader, lentWriter] = sys.pipe()
    using owned = new AsyncFd(ownedReader, { owned: true })
    using lent = new AsyncFd(lentReader, { owned: true })
    const worker = new Worker(new URL('../fixtures/owner.js', import.meta.url), { workerData: { ownedWriter, lentWriter } })
    await new Promise((resolve) => worker.once('message', resolve))
    const gone = new Promise((resolve) => worker.once('exit', resolve))
    ended(worker)
    await gone
    await owned.hangup()
    t.is(sys.read(ownedReader, Buffer.alloc(1)), 0)
    // The other writing end is still open, here: it can be written to.
    t.is(sys.write(lentWriter, Buffer.from('x')), 1)
    t.true((await lent.readable()).isReadable)
    sys.close(lentWriter)
  })
}
