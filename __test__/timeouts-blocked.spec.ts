/**
 * A blocked event loop is not the peer's fault. `npm run soak -- blocked` does a thousand of each.
 *
 * Portable: bun
 */
import { join } from 'node:path'
import { blockedRound, type Peers, SCENES, startPeers } from './helpers/blocked.js'
import { folder } from './helpers/fixtures.js'
import { fullListener } from './helpers/sockets.js'
import test from './helpers/test.js'

for (const [transport, phase] of SCENES) {
  test.serial(`${phase}, ${transport}: nobody who answered is blamed, everybody else is at once`, async (t) => {
    const { port } = await fullListener(t)
    const peers: Peers = await startPeers(join(folder(t), 'peer'), port)
    try {
      for (let round = 0; round < 2; round++) {
        // Large writes over TLS keep both ends busy.
        const count = phase === 'write' ? 5 : 20
        const { false_timeouts, missed, turns, others } = await blockedRound(peers, transport, phase, count)
        t.deepEqual({ false_timeouts, missed, others }, { false_timeouts: 0, missed: 0, others: [] })
        t.true(turns <= 10, `${turns} turns of the loop`)
      }
    } finally {
      await peers.stop()
    }
  })
}
