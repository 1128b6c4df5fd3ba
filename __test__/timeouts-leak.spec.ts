/**
 * Nothing of a connect stays, however it ended. `npm run soak -- connects` makes a hundred thousand.
 *
 * Portable: bun, deno
 */
import { reactor } from 'asyncfd'
import { turns } from './helpers/clock.js'
import { makePlaces, manyConnects } from './helpers/connects.js'
import { noLeaks } from './helpers/fixtures.js'
import { chooseSeed, Random } from './helpers/random.js'
import test from './helpers/test.js'
import { settled } from './helpers/workers.js'

noLeaks(test)

test.serial('connects that succeed, fail, time out or are aborted leave no timer, no descriptor and no listener', async (t) => {
  const random = new Random(chooseSeed())
  t.log(`ASYNCFD_SEED=${random.seed}`)
  const warned: string[] = []
  const onWarning = (warning: Error) => warned.push(warning.message)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const places = await makePlaces(t)
  await manyConnects(places, random, 50, 10)
  const before = await settled({ threads: 0, fds: 0 }, 500)
  const { timers } = reactor.metrics()
  const ways = await manyConnects(places, random, 500, 10)
  t.true(ways.connected > 50 && ways.failed > 20 && ways.timed_out > 50 && ways.aborted > 20, JSON.stringify(ways))
  const after = await settled(before)
  t.true(after.fds <= before.fds, `${JSON.stringify(before)} ${JSON.stringify(after)}`)
  await turns()
  t.is(reactor.metrics().timers, timers)
  t.deepEqual(warned, [], 'of listeners that pile up')
})
