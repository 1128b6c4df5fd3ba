/**
 * A blocked event loop is not the peer's fault. `npm run soak -- blocked` does a thousand of each.
 *
 * Portable: bun, deno
 */
import { join } from 'node:path'
import { reactor } from 'asyncfd'
import { connect, connectTls } from 'asyncfd/timeouts'
import { cert } from './fixtures/certificate.js'
import { blockedRound, lookup, type Peers, POSTGRES, SCENES, startPeers } from './helpers/blocked.js'
import { folder } from './helpers/fixtures.js'
import { postgresMissing, startPostgres } from './helpers/servers/postgres.js'
import { fullListener } from './helpers/sockets.js'
import test from './helpers/test.js'

const why = postgresMissing()

for (const [transport, phase] of SCENES) {
  const run = transport === 'pg' && why !== null ? test.serial.skip : test.serial
  const skipped = run === test.serial.skip ? ` (skipped: ${why})` : ''
  run(`${phase}, ${transport}: nobody who answered is blamed, everybody else is at once${skipped}`, async (t) => {
    const { port } = await fullListener(t)
    const postgres = transport === 'pg' ? await startPostgres(POSTGRES) : null
    const peers: Peers = await startPeers(join(folder(t), 'peer'), port, postgres)
    // Large writes over TLS keep both ends busy.
    const count = phase === 'write' ? 5 : 20
    let [stalled, ready] = [0, 0]
    try {
      for (let round = 0; round < 2 || (round < 10 && Math.min(stalled, ready) < count); round++) {
        const { silent, answered, false_timeouts, missed, turns, others } = await blockedRound(peers, transport, phase, count)
        stalled += silent
        ready += answered
        t.deepEqual({ false_timeouts, missed, others }, { false_timeouts: 0, missed: 0, others: [] })
        // A waiting thread has to be given a processor first.
        if (reactor.driver === 'embedded') t.true(turns <= 10, `${turns} turns of the loop`)
      }
      t.true(Math.min(stalled, ready) > 0, `${stalled} were silent, ${ready} had answered`)
    } finally {
      await peers.stop()
      await postgres?.stop()
    }
  })
}

test.serial('connect() and connectTls(): an attempt whose answer came while the loop was blocked is not blamed', async (t) => {
  const { port } = await fullListener(t)
  const peers = await startPeers(join(folder(t), 'peer'), port)
  const tcp = { host: '127.0.0.1', port: peers.ports.tcp as number }
  const tls = { ...tcp, port: peers.ports.tls as number, ca: cert }
  const named = { ...tcp, host: 'name.invalid', lookup: lookup(true) }
  try {
    for (const [what, attempt] of Object.entries({
      connect: () => connect(tcp, { connect: 40 }),
      total: () => connect(tcp, { total: 40 }),
      lookup: () => connect(named, { lookup: 40 }),
      'connect, of TLS': () => connectTls(tls, { connect: 40 }),
    })) {
      const attempts = Array.from({ length: 10 }, attempt)
      for (const from = performance.now(); performance.now() - from < 120; );
      for (const socket of await Promise.all(attempts)) socket.destroy()
      t.pass(what)
    }
  } finally {
    await peers.stop()
  }
})
