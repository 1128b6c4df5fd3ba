#!/usr/bin/env node
/**
 * The long forms of what the specs show briefly. Each prints what it sees as it goes, and ends with 1 if anything is
 * wrong. Wants compiled tests (`npm run build:test`); runs on Node, Bun and Deno.
 *
 *   node scripts/soak.mjs workers [--count 1000] [--at-once 4] [--seed N] [--of scenario,...]
 *   node scripts/soak.mjs registrations [--count 1000000] [--of cycle,...]
 *   node scripts/soak.mjs stress [--events 10000000] [--seed N]
 *
 * `ASYNCFD_DRIVER`, `ASYNCFD_POLLING` and `ASYNCFD_SEED` work here as everywhere.
 */
import { parseArgs } from 'node:util'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string' },
    'at-once': { type: 'string' },
    events: { type: 'string' },
    seed: { type: 'string' },
    of: { type: 'string' },
  },
})
if (flags.seed) process.env.ASYNCFD_SEED = flags.seed
const helper = (name) => import(`../build/__test__/helpers/${name}.js`)
const { reactor } = await import('asyncfd')
const { chooseSeed, Random } = await helper('random')

const versions = process.versions
const runtime = versions.bun ? `bun ${versions.bun}` : versions.deno ? `deno ${versions.deno}` : `node ${versions.node}`
console.log(`${runtime}, ${reactor.driver} driver, ${process.env.ASYNCFD_POLLING || 'edge'} polling`)
const start = performance.now()
const seconds = () => ((performance.now() - start) / 1000).toFixed(1)

function fail(message) {
  console.error(`FAILED after ${seconds()} s: ${message}`)
  process.exitCode = 1
}

const soaks = {
  async workers() {
    const { holdings, manyWorkers, scenarios, settled } = await helper('workers')
    const count = Number(flags.count ?? 1000)
    const of = flags.of?.split(',') ?? Object.keys(scenarios)
    const random = new Random(chooseSeed())
    const atOnce = Number(flags['at-once'] ?? 4)
    const every = Math.max(1, Math.floor(count / 10))
    const progress = (done) => {
      if (done % every === 0) console.log(`${done} workers, ${seconds()} s, ${JSON.stringify(holdings())}`)
    }
    console.log(`seed ${random.seed}; ${count} workers, ${atOnce} at once; scenarios: ${of.join(' ')}`)
    // What the runtime keeps after its first workers is not a leak of ours.
    await manyWorkers(atOnce * 2, random, { atOnce, of: ['idle'] })
    const before = await settled({ threads: 0, fds: 0 }, 500)
    await manyWorkers(count, random, { atOnce, of, progress })
    const after = await settled(before)
    console.log(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}, ${seconds()} s`)
    if (after.threads > before.threads || after.fds > before.fds) fail('threads or descriptors were left behind')
  },

  async registrations() {
    const { cycles, manyRegistrations } = await helper('registrations')
    const count = Number(flags.count ?? 1_000_000)
    for (const cycle of flags.of?.split(',') ?? Object.keys(cycles)) {
      const from = performance.now()
      const samples = await manyRegistrations(cycle, count)
      const per_second = Math.round(count / ((performance.now() - from) / 1000))
      console.log(`${cycle}: ${count} cycles, ${per_second}/s; resident MiB ${samples.map((s) => s.rss_mib).join(' ')};`)
      const [first, last] = [samples[0], samples.at(-1)]
      console.log(
        `  descriptors ${first.fds} -> ${last.fds}, threads ${first.threads} -> ${last.threads}, registered ${last.registered}`,
      )
      if (last.fds !== first.fds || last.threads !== first.threads || last.registered !== 0)
        fail(`${cycle} left something behind`)
      // From the middle on everything has its size. A leak of 100 bytes a cycle is 48 MiB in half a million.
      if (last.rss_mib - samples[samples.length >> 1].rss_mib > 40) fail(`${cycle}: resident memory grows`)
    }
  },

  async stress() {
    const { manyEvents } = await helper('stress')
    const events = Number(flags.events ?? 10_000_000)
    const seed = chooseSeed()
    console.log(`seed ${seed}; ${events} events`)
    const progress = (done) => console.log(`${done} events, ${seconds()} s`)
    const total = await manyEvents(events, seed, { progress })
    const per_second = Math.round(total.events / ((performance.now() - start) / 1000))
    console.log(`${JSON.stringify(total)}, ${per_second} events/s, ${seconds()} s: no lost and no foreign wake-up`)
  },
}

const soak = soaks[positionals[0]]
if (soak === undefined) {
  console.error(`usage: node scripts/soak.mjs ${Object.keys(soaks).join('|')} [options]`)
  process.exit(2)
}
try {
  await soak()
} catch (error) {
  fail(error.stack)
  process.exit() // what it left pending would hold the process
}
