/**
 * Every byte arrives, in order, whatever ends the operations: a short form of `npm run soak -- streams`.
 *
 * Portable: bun, deno
 */
import { TcpListener, TcpStream, UnixStream } from 'asyncfd/net'
import { rounds } from './helpers/child.js'
import { noLeaks } from './helpers/fixtures.js'
import { chooseSeed, Random } from './helpers/random.js'
import test from './helpers/test.js'
import { exchange } from './helpers/traffic.js'

noLeaks(test)

async function tcp(): Promise<[TcpStream, TcpStream]> {
  await using listener = await TcpListener.bind('127.0.0.1:0')
  return Promise.all([TcpStream.connect(listener.localAddress), listener.accept()])
}

for (const [name, make] of Object.entries({ TCP: tcp, 'Unix sockets': async () => UnixStream.pair() })) {
  test(`${name}: both directions, every way to read and write, with aborts and expiries`, async (t) => {
    const random = new Random(chooseSeed())
    t.log(`seed ${random.seed}`)
    const pairs = await Promise.all([make(), make(), make()])
    const bytes = rounds(4_000_000)
    let ended = 0
    // Of a short run it may be that nothing is ended.
    for (let round = 0; round === 0 || (ended === 0 && round < 50); round++) {
      const carried = await Promise.all(pairs.map(([a, b]) => exchange(a, b, bytes, random)))
      t.true(carried.every((one) => one.bytes === 2 * bytes))
      ended += carried.reduce((sum, one) => sum + one.ended, 0)
    }
    t.true(ended > 0, 'nothing was ended')
    for (const stream of pairs.flat()) await stream.close()
  })
}
