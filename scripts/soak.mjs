#!/usr/bin/env node
/**
 * The long forms of what the specs show briefly. Each prints what it sees as it goes, and ends with 1 if anything is
 * wrong. Wants compiled tests (`npm run build:test`); runs on Node, Bun and Deno.
 *
 *   node scripts/soak.mjs workers [--count 1000] [--at-once 4] [--seed N] [--of scenario,...]
 *   node scripts/soak.mjs registrations [--count 1000000] [--of cycle,...]
 *   node scripts/soak.mjs stress [--events 10000000] [--seed N]
 *   node scripts/soak.mjs streams [--bytes 10000000000] [--at-once 8] [--seed N]
 *   node scripts/soak.mjs connections [--count 1000000] [--at-once 16]
 *   node scripts/soak.mjs connects [--count 100000] [--at-once 50] [--seed N]
 *   node scripts/soak.mjs blocked [--count 1000] [--of phase or transport,...]
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
    bytes: { type: 'string' },
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

  async streams() {
    const { TcpListener, TcpStream, UnixStream } = await import('asyncfd/net')
    const { exchange } = await helper('traffic')
    const random = new Random(chooseSeed())
    const wanted = Number(flags.bytes ?? 1e10)
    const size = 20_000_000
    console.log(`seed ${random.seed}; ${wanted} bytes`)
    const listener = await TcpListener.bind('127.0.0.1:0')
    const tcp = () => Promise.all([TcpStream.connect(listener.localAddress), listener.accept()])
    let bytes = 0
    let ended = 0
    let shown = 0
    const resident = []
    const one = async (index) => {
      while (bytes < wanted) {
        const [a, b] = index % 2 === 0 ? await tcp() : UnixStream.pair()
        const carried = await exchange(a, b, size, random)
        bytes += carried.bytes
        ended += carried.ended
        await a.close()
        await b.close()
        if (bytes >= shown) {
          resident.push(Math.round(process.memoryUsage.rss() / 2 ** 20))
          console.log(`${bytes} bytes, ${ended} ended, ${seconds()} s, resident ${resident.at(-1)} MiB`)
          shown += wanted / 10
        }
      }
    }
    await Promise.all(Array.from({ length: Number(flags['at-once'] ?? 8) }, (_, i) => one(i)))
    await listener.close()
    if (resident.at(-1) - resident[resident.length >> 1] > 40) fail('resident memory grows')
    console.log(`${bytes} bytes arrived as they were sent, ${ended} operations were ended; ${JSON.stringify(reactor.metrics())}`)
  },

  async connects() {
    const { makePlaces, manyConnects } = await helper('connects')
    const { holdings, settled } = await helper('workers')
    const random = new Random(chooseSeed())
    const count = Number(flags.count ?? 100_000)
    const atOnce = Number(flags['at-once'] ?? 50)
    const teardowns = []
    const t = { teardown: (end) => teardowns.unshift(end) }
    const places = await makePlaces(t)
    console.log(`seed ${random.seed}; ${count} connects, ${atOnce} at once`)
    await manyConnects(places, random, 2000, atOnce)
    const before = await settled({ threads: 0, fds: 0 }, 500)
    const resident = []
    const ways = await manyConnects(places, random, count, atOnce, (done) => {
      globalThis.gc?.()
      const { rss, heapUsed, external } = process.memoryUsage()
      resident.push(Math.round(rss / 2 ** 20))
      const heap = `heap ${(heapUsed / 2 ** 20).toFixed(1)}, external ${(external / 2 ** 20).toFixed(1)}`
      console.log(`${done} connects, ${seconds()} s, resident ${resident.at(-1)} MiB, ${heap}, ${JSON.stringify(holdings())}`)
    })
    const after = await settled(before)
    const { timers, refs } = reactor.metrics()
    console.log(`${JSON.stringify(ways)}; before ${JSON.stringify(before)}, after ${JSON.stringify({ ...after, timers, refs })}`)
    if (after.fds > before.fds || after.threads > before.threads) fail('descriptors or threads were left behind')
    if (timers !== 0 || refs !== 0) fail('timers were left behind')
    if (resident.at(-1) - resident[resident.length >> 1] > 40) fail('resident memory grows')
    for (const end of teardowns) await end()
  },

  async blocked() {
    const { blockedRound, nodes, ours, POSTGRES, SCENES, startPeers } = await helper('blocked')
    const { postgresMissing, startPostgres } = await helper('servers/postgres')
    const { fullListener } = await helper('sockets')
    const { tmpdir } = await import('node:os')
    const count = Number(flags.count ?? 1000)
    const teardowns = []
    const { port } = await fullListener({ teardown: (end) => teardowns.unshift(end) })
    const why = postgresMissing()
    if (why !== null) console.log(`without pg: ${why}`)
    const postgres = why === null ? await startPostgres(POSTGRES) : null
    const peers = await startPeers(`${tmpdir()}/asyncfd-blocked-${process.pid}`, port, postgres)
    console.log("phase, transport: answered in the kernel and blamed, silent and missed; ours, then Node's own and a plain timer")
    for (const [transport, phase] of SCENES) {
      if (flags.of && !flags.of.split(',').some((of) => of === phase || of === transport)) continue
      if (transport === 'pg' && postgres === null) continue
      const perRound = phase === 'write' ? 5 : 50
      const line = []
      for (const [name, limit] of Object.entries({ ours, nodes })) {
        const all = { answered: 0, false_timeouts: 0, silent: 0, missed: 0, most_turns: 0, others: 0 }
        // Theirs needs no thousand to be seen.
        const wanted = name === 'ours' ? count : Math.min(count, 100)
        for (let round = 0; Math.min(all.silent, all.answered) < wanted && round * perRound < 5 * wanted; round++) {
          const one = await blockedRound(peers, transport, phase, perRound, limit)
          for (const key of ['answered', 'false_timeouts', 'silent', 'missed']) all[key] += one[key]
          all.others += one.others.length
          all.most_turns = Math.max(all.most_turns, one.turns)
        }
        line.push(
          `${name} ${all.false_timeouts} of ${all.answered}, ${all.missed} of ${all.silent}, at most ${all.most_turns} turns${all.others ? `, ${all.others} other errors` : ''}`,
        )
        if (name === 'ours' && (all.false_timeouts > 0 || all.missed > 0 || all.others > 0)) fail(`${phase}, ${transport}`)
        if (Math.min(all.silent, all.answered) < wanted)
          fail(`${phase}, ${transport}: too few were silent, or answered in the block`)
      }
      console.log(`${phase}, ${transport}: ${line.join('; ')}; ${seconds()} s`)
    }
    await peers.stop()
    await postgres?.stop()
    for (const end of teardowns) await end()
  },

  async connections() {
    const { TcpListener, TcpStream } = await import('asyncfd/net')
    const { holdings } = await helper('workers')
    const count = Number(flags.count ?? 1_000_000)
    const listener = await TcpListener.bind('127.0.0.1:0', { backlog: 4096 })
    const serving = (async () => {
      for await (const stream of listener.incoming()) {
        stream.writeAll(Buffer.from('bye')).then(
          () => stream.close(),
          () => stream.close(),
        )
      }
    })()
    let done = 0
    const samples = []
    const one = async () => {
      const buffer = Buffer.alloc(8)
      while (done < count) {
        const stream = await TcpStream.connect(listener.localAddress, { timeout: 30_000 })
        // A reset leaves no TIME_WAIT: there are only so many ports.
        stream.setLinger(0)
        if ((await stream.read(buffer, { timeout: 30_000 })) !== 3) fail('a connection said something else')
        await stream.close()
        if (++done % Math.ceil(count / 10) === 0) {
          samples.push({ ...holdings(), rss_mib: Math.round(process.memoryUsage.rss() / 2 ** 20) })
          console.log(`${done} connections, ${seconds()} s, ${JSON.stringify(samples.at(-1))}`)
        }
      }
    }
    await Promise.all(Array.from({ length: Number(flags['at-once'] ?? 16) }, one))
    await listener.close()
    await serving
    if (samples.at(-1).rss_mib - samples[samples.length >> 1].rss_mib > 40) fail('resident memory grows')
    const { registered, refs } = reactor.metrics()
    if (registered + refs > 0) fail(`${registered} registrations and ${refs} waits were left behind`)
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
