/**
 * Random operations against a model: no wake-up is lost, none is foreign. `npm run soak stress` is the long form.
 *
 * A failure prints its seed, its path and the shortest operations found; `ASYNCFD_SEED` and `ASYNCFD_PATH` repeat it.
 *
 * Portable: bun, deno
 */
import fc from 'fast-check'
import { rounds } from './helpers/child.js'
import { chooseSeed } from './helpers/random.js'
import { OPERATIONS, type Operation, World } from './helpers/stress/world.js'
import { manyEvents } from './helpers/stress.js'
import test from './helpers/test.js'

const operation = fc.tuple(fc.nat(OPERATIONS.length - 1), fc.nat(3), fc.nat(0xffff))

test.serial('no wake-up is lost, foreign, empty or double, whatever is done in whatever order', async (t) => {
  t.timeout(600_000)
  const seed = chooseSeed()
  const path = process.env.ASYNCFD_PATH
  const property = fc.asyncProperty(fc.array(operation, { maxLength: 150, size: 'max' }), async (operations: Operation[]) => {
    const world = new World(4)
    let failure: unknown
    try {
      for (const each of operations) await world.apply(each)
      await world.verify()
    } catch (error) {
      failure = error
    }
    await world.close()
    if (failure !== undefined) throw failure
  })
  await fc.assert(property, { seed, numRuns: rounds(200), includeErrorInReport: true, ...(path === undefined ? {} : { path }) })
  t.log(`seed ${seed}`)
  t.pass()
})

test.serial('no wake-up is lost or foreign among many descriptors at once', async (t) => {
  t.timeout(600_000)
  const seed = chooseSeed()
  const total = await manyEvents(rounds(20_000), seed)
  t.log(`seed ${seed}, ${JSON.stringify(total)}`)
  t.true(total.events > 0)
})
