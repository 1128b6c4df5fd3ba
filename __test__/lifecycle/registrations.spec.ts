/**
 * Registering and deregistering leaves nothing behind: no descriptor, no thread, no registration, no memory to speak of.
 * `npm run soak registrations` is the long form.
 *
 * Portable: bun, deno
 */
import { rounds } from '../helpers/child.js'
import { type Cycle, cycles, manyRegistrations } from '../helpers/registrations.js'
import test from '../helpers/test.js'

/** Far above what a garbage collector leaves for later, far below a leak of 100 bytes a cycle in the long form. */
const SLACK_MIB = 64

for (const cycle of Object.keys(cycles) as Cycle[]) {
  test.serial(`registering and deregistering is flat: ${cycle}`, async (t) => {
    const samples = await manyRegistrations(cycle, rounds(10_000), { samples: 5 })
    const [first, last] = [samples[0]!, samples.at(-1)!]
    t.deepEqual(
      samples.map(({ fds, threads, registered }) => ({ fds, threads, registered })),
      samples.map(() => ({ fds: first.fds, threads: first.threads, registered: 0 })),
    )
    t.true(last.rss_mib - first.rss_mib < SLACK_MIB, JSON.stringify(samples))
  })
}
