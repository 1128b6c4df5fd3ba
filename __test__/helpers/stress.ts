/** Random operations against the model of ./stress/, for `npm run soak stress`. */
import { reactor } from 'asyncfd'
import { Random } from './random.js'
import { OPERATIONS, type Operation, World } from './stress/world.js'

const ENDS = 48
const OPERATIONS_PER_WORLD = 10_000
const OPERATIONS_BETWEEN_LOOKS = 500
/** With each operation some ends get bytes, so that events are many. */
const WRITES_PER_ROUND = 6

export interface Total {
  /** Events that the kernel handed over. */
  events: number
  /** Of these, those of registrations that had ended: they must wake nobody. */
  stale: number
  /** What came of them: waits that resolved, calls of listeners and of wakers. */
  wakeups: number
  operations: number
  worlds: number
  /** The most turns that a wake-up took after things had come to rest. */
  slowest: number
}

/** Goes on until so many events have been handed over. Throws with the seed at the first violation. */
export async function manyEvents(events: number, seed: number, { progress = (_done: number) => {} } = {}): Promise<Total> {
  const total: Total = { events: 0, stale: 0, wakeups: 0, operations: 0, worlds: 0, slowest: 0 }
  const before = reactor.metrics()
  let next = events / 10
  while (total.events < events) {
    const worldSeed = (seed + total.worlds) | 0
    try {
      const world = await oneWorld(new Random(worldSeed))
      total.wakeups += world.wakeups
      total.slowest = Math.max(total.slowest, world.slowest)
    } catch (error) {
      throw new Error(`ASYNCFD_SEED=${worldSeed} repeats it: ${String(error)}`, { cause: error })
    }
    total.operations += OPERATIONS_PER_WORLD
    total.worlds++
    const now = reactor.metrics()
    total.events = now.events - before.events
    total.stale = now.stale - before.stale
    if (total.events >= next) {
      progress(total.events)
      next = total.events + events / 10
    }
  }
  return total
}

async function oneWorld(random: Random): Promise<World> {
  const world = new World(ENDS)
  for (let done = 0; done < OPERATIONS_PER_WORLD; done++) {
    const operation: Operation = [random.below(OPERATIONS.length), random.below(ENDS), random.below(0x10000)]
    await world.apply(operation)
    for (let n = 0; n < WRITES_PER_ROUND; n++) world.ends[random.below(ENDS)]!.peerWrite(1 + random.below(4))
    if (done % OPERATIONS_BETWEEN_LOOKS === OPERATIONS_BETWEEN_LOOKS - 1) await world.verify()
  }
  await world.verify()
  await world.close()
  return world
}
