/**
 * Limits on a socket of Node's, on stopped time.
 *
 * Portable: bun, deno
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import http from 'node:http'
import net, { type Socket } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { inspect } from 'node:util'
import { reactor, type TimeoutError } from 'asyncfd'
import { clock, now } from 'asyncfd/time'
import { type Phases, withTimeouts } from 'asyncfd/timeouts'
import { cert, key } from './fixtures/certificate.js'
import { onStoppedTime, pass, turns } from './helpers/clock.js'
import { drain, folder, noLeaks, untilReadable } from './helpers/fixtures.js'
import { connectedPair, ending, Fate, fullListener, listening, serve, sip } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

noLeaks(test)

const ON_DENO = 'deno' in process.versions
const ON_NODE = !('bun' in process.versions) && !ON_DENO
/** Whether a socket shows how much of a write the kernel has taken. */
const COUNTS_WRITES = ON_NODE

/** A connection with limits on one end. */
async function limited(t: T, phases: Phases, options?: Parameters<typeof connectedPair>[1]) {
  const [socket, peer] = await connectedPair(t, options)
  const guard = withTimeouts(socket, phases)
  return { socket, peer, guard, fate: new Fate(socket) }
}

/** A socket whose kernel holds little, whatever memory the machine has for TCP at the time. */
const narrow = (t: T) => ({ path: join(folder(t), 'narrow') })

/** What a guard may leave on a socket: its listeners and its own properties. */
const traces = (socket: Socket) => [
  socket.eventNames().map((name) => [name, socket.listenerCount(name)]),
  Object.getOwnPropertyNames(socket).filter((name) => ['_write', '_writev', '_unrefTimer', 'push', 'connect'].includes(name)),
  Object.getOwnPropertySymbols(socket).filter(({ description }) => description?.startsWith('asyncfd')),
]

onStoppedTime('idle: ends when nothing has moved, never early and at most a tenth late', async (t) => {
  const { socket, peer, fate } = await limited(t, { idle: 100 })
  socket.resume()
  peer.resume()
  await pass(60)
  peer.write('x')
  await turns()
  await pass(90)
  socket.write('x')
  await turns()
  const written = now()
  await pass(99)
  t.is(fate.phase, undefined)
  await pass(12)
  t.is(fate.phase, 'idle')
  t.true(fate.closed)
  const error = fate.error as TimeoutError
  t.like(error, {
    name: 'TimeoutError',
    code: 'ETIMEDOUT',
    phase: 'idle',
    timeout: 100,
    address: '127.0.0.1',
    port: socket.remotePort,
  })
  t.true(error.elapsed >= 100 && now() - written <= 111, `${error.elapsed}`)
  t.is(typeof error.loopDelay, 'number')
  t.regex(error.message, /no byte went either way within 100 ms/)
})

onStoppedTime('idle by its other name, and both: the one that is said by its own name', async (t) => {
  const { guard, fate } = await limited(t, { socket: 50 })
  t.deepEqual(guard.phases, { idle: 50 })
  await pass(60)
  t.is(fate.phase, 'idle')
})

onStoppedTime('response: an idle socket waits for nothing', async (t) => {
  const { socket, peer, fate } = await limited(t, { response: 20 })
  socket.resume()
  await pass(200)
  t.is(fate.phase, undefined, 'ten limits')
  socket.write('query')
  await pass(15)
  peer.write('answer')
  await pass(200)
  t.is(fate.phase, undefined)
  socket.write('query')
  await pass(19)
  t.is(fate.phase, undefined)
  await pass(2)
  t.is(fate.phase, 'response')
})

onStoppedTime('response: more writes do not put it off', async (t) => {
  const { socket, fate } = await limited(t, { response: 50 })
  socket.resume()
  for (let i = 0; i < 4; i++) {
    socket.write('x')
    await pass(12)
  }
  t.is(fate.phase, undefined)
  await pass(3)
  t.is(fate.phase, 'response')
})

onStoppedTime('response: an answer that comes before the whole request was written counts', async (t) => {
  const { socket, peer, fate } = await limited(t, { response: 50 })
  socket.resume()
  const written = new Promise((resolve) => socket.write(Buffer.alloc(20_000_000), resolve))
  await pass(10)
  peer.write('no need')
  await turns()
  peer.resume()
  await written
  await pass(200)
  t.is(fate.phase, undefined)
})

if (COUNTS_WRITES) {
  onStoppedTime('response: a large request counts from when it was sent', async (t) => {
    const { socket, peer, fate } = await limited(t, { response: 50 }, narrow(t))
    socket.resume()
    let sent = false
    socket.write(Buffer.alloc(10_000_000), () => {
      sent = true
    })
    for (let i = 0; i < 20 && !sent; i++) {
      await sip(peer)
      await pass(10)
      t.is(fate.phase, undefined, `${i}`)
    }
    peer.resume()
    while (!sent) await turns(1)
    await pass(40)
    t.is(fate.phase, undefined)
    await pass(20)
    t.is(fate.phase, 'response')
  })

  onStoppedTime('response: a large request that the peer does not take', async (t) => {
    const { socket, fate } = await limited(t, { response: 50 }, narrow(t))
    socket.resume()
    socket.write(Buffer.alloc(60_000_000))
    await pass(60)
    t.is(fate.phase, 'response')
  })
}

onStoppedTime('read: while somebody reads, from the last byte on', async (t) => {
  const { socket, peer, fate } = await limited(t, { read: 50 })
  await pass(200)
  t.is(fate.phase, undefined, 'nobody reads')
  socket.resume()
  await turns()
  await pass(40)
  peer.write('x')
  await turns()
  await pass(40)
  t.is(fate.phase, undefined)
  socket.pause()
  await pass(200)
  t.is(fate.phase, undefined, 'paused')
  socket.resume()
  await turns()
  socket.write('what is written does not count')
  await pass(49)
  t.is(fate.phase, undefined)
  await pass(2)
  t.is(fate.phase, 'read')
})

onStoppedTime('read: counts from where a byte was taken, whatever else the same iteration took time for', async (t) => {
  const both = [await limited(t, { read: 100 }), await limited(t, { read: 100 })]
  const taken: { at: number; fate: Fate; busy: Promise<void> }[] = []
  await turns()
  for (const { socket, peer, fate } of both) {
    socket.on('data', () => {
      // A listener that takes its time: up to 60 ms of it at once.
      taken.push({ at: now(), fate, busy: clock.advance(60) })
    })
    peer.write('x')
  }
  // Both lie in the kernel before the first is taken.
  if (ON_NODE) for (const { socket } of both) untilReadable((socket as unknown as { _handle: { fd: number } })._handle.fd)
  while (taken.length < 2) await turns()
  await Promise.all(taken.map(({ busy }) => busy))
  const [first, last] = taken as [(typeof taken)[0], (typeof taken)[0]]
  if (ON_NODE) t.true(last.at > first.at, 'time passed between the two')
  await pass(last.at + 99 - now())
  t.is(last.fate.phase, undefined, 'not early')
  // Late by no more than the rest of the iteration.
  await pass(61)
  t.deepEqual(
    both.map(({ fate }) => fate.phase),
    ['read', 'read'],
  )
})

onStoppedTime('read: of who reads by "readable", and not after the end', async (t) => {
  const { socket, peer, fate } = await limited(t, { read: 50 }, { allowHalfOpen: true })
  socket.on('readable', () => socket.read())
  await turns()
  await pass(45)
  peer.write('x')
  await turns()
  await pass(45)
  t.is(fate.phase, undefined)
  peer.end()
  await turns()
  await pass(200)
  t.is(fate.phase, undefined)
  const other = await limited(t, { read: 50 })
  other.socket.on('readable', () => other.socket.read())
  await pass(60)
  t.is(other.fate.phase, 'read')
})

const onNode = ON_NODE ? onStoppedTime : (title: string) => test.skip(`${title} (the runtime does not show it)`, () => {})

onNode('read: of who reads into a buffer of its own, past the stream', async (t) => {
  for (const talks of [true, false]) {
    const { port } = await serve(t, (peer) => void (talks && peer.write('hello')))
    let count = 0
    const callback = (bytes: number) => {
      count += bytes
      return true
    }
    const socket = ending(t, net.connect({ host: '127.0.0.1', port, onread: { buffer: Buffer.alloc(10), callback } }))
    withTimeouts(socket, { read: 50 })
    const fate = new Fate(socket)
    await once(socket, 'connect')
    await turns()
    await pass(49)
    t.is(fate.phase, undefined)
    await pass(10)
    t.is(fate.phase, 'read')
    t.is(count, talks ? 5 : 0)
  }
})

/** Writes more than the kernel takes: nothing happens for the first milliseconds, and within the next the `write` limit has fired. */
async function stalls(t: T, socket: Socket, fate: Fate, nothing: number, fired: number, message?: string): Promise<void> {
  socket.write(Buffer.alloc(30_000_000))
  await pass(nothing)
  t.is(fate.phase, undefined)
  await pass(fired)
  t.is(fate.phase, 'write', message)
}

onStoppedTime('write: while bytes are queued and the kernel takes none', async (t) => {
  const { socket, peer, fate } = await limited(t, { write: 50 }, narrow(t))
  await pass(200)
  t.is(fate.phase, undefined, 'nothing is queued')
  socket.write('small')
  await pass(200)
  t.is(fate.phase, undefined, 'the kernel took it')
  socket.write(Buffer.alloc(30_000_000))
  for (let i = 0; COUNTS_WRITES && i < 6; i++) {
    await pass(30)
    t.is(fate.phase, undefined, `the peer reads slowly, ${i}`)
    await sip(peer)
  }
  socket.write(Buffer.alloc(30_000_000))
  await pass(51)
  const before = now()
  await pass(10)
  t.is(fate.phase, 'write')
  t.true((fate.error as TimeoutError).elapsed >= 50 && now() - before <= 12)
})

onStoppedTime('write: never early, however long other writes went before, and at most a tenth late', async (t) => {
  const { socket, fate } = await limited(t, { write: 100 }, narrow(t))
  for (let i = 0; i < 107; i++) {
    socket.write('small')
    await pass(1)
  }
  await stalls(t, socket, fate, 99, 12)
})

if (COUNTS_WRITES) {
  onStoppedTime('write: one that no other follows counts from when it was written', async (t) => {
    const { socket, fate } = await limited(t, { write: 100 }, narrow(t))
    socket.write('small')
    await pass(200)
    await stalls(t, socket, fate, 99, 3)
  })
}

onStoppedTime('total: whatever moves', async (t) => {
  const { socket, peer, fate } = await limited(t, { total: 100, idle: 50, response: 50, read: 50 })
  socket.resume()
  for (let i = 0; i < 9; i++) {
    await pass(11)
    peer.write('drip')
    socket.write('drop')
    await turns()
  }
  t.is(fate.phase, undefined)
  await pass(2)
  t.is(fate.phase, 'total')
})

onStoppedTime('lookup, then connect: each from its own beginning', async (t) => {
  const address = await fullListener(t)
  let answer: (error: null, address: string, family: number) => void = () => {}
  const lookup = (_: string, options: { all?: boolean }, done: (...args: unknown[]) => void) => {
    answer = (error, ip, family) => (options.all ? done(error, [{ address: ip, family }]) : done(error, ip, family))
  }
  const start = () => {
    const socket = ending(t, net.connect({ host: 'name.invalid', port: address.port, lookup: lookup as never }))
    withTimeouts(socket, { lookup: 50, connect: 50, response: 10, idle: 10, read: 10, write: 10 })
    return new Fate(socket)
  }
  const first = start()
  await pass(49)
  t.is(first.phase, undefined)
  await pass(3)
  t.is(first.phase, 'lookup')
  t.is((first.error as TimeoutError).syscall, 'getaddrinfo')
  const second = start()
  await pass(45)
  answer(null, '127.0.0.1', 4)
  await turns()
  await pass(48)
  t.is(second.phase, undefined)
  await pass(4)
  t.is(second.phase, 'connect')
  t.like(second.error as TimeoutError, { syscall: 'connect' })
  if (ON_NODE) {
    t.like(second.error as TimeoutError, { address: '127.0.0.1', port: address.port })
    t.like((second.error as TimeoutError).attempts?.[0], { address: '127.0.0.1', port: address.port })
  }
})

onStoppedTime('connect: of an address, which needs no lookup', async (t) => {
  const { port } = await fullListener(t)
  const socket = ending(t, net.connect({ host: '127.0.0.1', port }))
  withTimeouts(socket, { lookup: 10, connect: 50 })
  const fate = new Fate(socket)
  await turns()
  await pass(49)
  t.is(fate.phase, undefined)
  await pass(3)
  t.is(fate.phase, 'connect')
})

onStoppedTime('a socket that is not connected yet: everything begins when it connects', async (t) => {
  const socket = ending(t, new net.Socket())
  withTimeouts(socket, { connect: 50, total: 60, idle: 20 })
  const fate = new Fate(socket)
  await pass(200)
  t.is(fate.phase, undefined)
  const { port } = await fullListener(t)
  socket.connect(port, '127.0.0.1')
  await turns()
  await pass(49)
  t.is(fate.phase, undefined)
  await pass(3)
  t.is(fate.phase, 'connect')
})

onStoppedTime('secureConnect: a peer that never answers the handshake', async (t) => {
  const { port } = await serve(t, (peer) => peer.resume())
  const socket = ending(t, tls.connect({ host: '127.0.0.1', port }))
  withTimeouts(socket, { connect: 50, secureConnect: 80, response: 10, read: 10 })
  const fate = new Fate(socket)
  while (socket.connecting) await turns()
  await pass(79)
  t.is(fate.phase, undefined)
  await pass(4)
  t.is(fate.phase, 'secureConnect')
})

onStoppedTime('a TLS connection: nothing is left of the handshake, and the limits are of its bytes', async (t) => {
  let peer: Socket | undefined
  const server = tls.createServer({ key, cert, noDelay: true }, (socket) => {
    peer = socket
  })
  const { port } = await listening(t, server)
  const socket = ending(t, tls.connect({ host: '127.0.0.1', port, ca: cert }))
  withTimeouts(socket, { connect: 50, secureConnect: 50, response: 50 })
  const fate = new Fate(socket)
  await once(socket, 'secureConnect')
  socket.resume()
  while (peer === undefined) await turns()
  await pass(200)
  t.is(fate.phase, undefined)
  peer.resume()
  socket.write('query')
  await turns()
  await pass(30)
  peer.write('answer')
  while (socket.bytesRead < 6) await turns()
  await pass(200)
  t.is(fate.phase, undefined)
  socket.write('query')
  await turns()
  await pass(55)
  t.is(fate.phase, 'response')
})

onStoppedTime('a Unix socket', async (t) => {
  const path = join(folder(t), 'socket')
  let peer: Socket | undefined
  await serve(
    t,
    (socket) => {
      peer = socket
    },
    { path },
  )
  const socket = ending(t, net.connect({ path }))
  withTimeouts(socket, { connect: 50, response: 50 })
  const fate = new Fate(socket)
  while (peer === undefined) await turns()
  socket.resume()
  await pass(200)
  socket.write('query')
  await pass(40)
  peer.write('answer')
  await pass(200)
  t.is(fate.phase, undefined)
  socket.write('query')
  await pass(52)
  t.is(fate.phase, 'response')
})

// What lies in the kernel when a limit is looked at was there while our own loop did something else. Deno's cannot be asked.
for (const phase of ON_DENO ? [] : (['idle', 'read', 'response'] as const)) {
  onStoppedTime(`${phase}: what lies in the kernel is not held against the peer`, async (t) => {
    const { socket, peer, fate } = await limited(t, { [phase]: 50 })
    socket.resume()
    await turns()
    socket.write('query')
    await pass(30)
    // All of it in one turn of the loop.
    peer.write('answer')
    await clock.advance(25)
    await turns()
    t.is(fate.phase, undefined)
    if (phase === 'response') return
    await pass(20)
    t.is(fate.phase, undefined, 'afresh')
    await pass(45)
    t.is(fate.phase, phase)
  })
}

if (ON_NODE) {
  onStoppedTime('a paused reader with data waiting neither spins nor times out', async (t) => {
    const { socket, peer, fate } = await limited(t, { idle: 50, read: 50, response: 50 })
    socket.pause()
    socket.write('query')
    peer.write(Buffer.alloc(1_000_000))
    await turns()
    const before = reactor.metrics().turns
    await pass(1000, 10)
    t.is(fate.phase, undefined)
    t.true(
      reactor.metrics().turns - before < 1000,
      `${reactor.metrics().turns - before}: it looks now and then, not all the time`,
    )
  })

  onStoppedTime(
    'write: what the kernel has room for is not held against the peer, and what is written after that counts',
    async (t) => {
      const { socket, peer, fate } = await limited(t, { write: 50 }, narrow(t))
      for (; socket.writableLength === 0; await turns()) socket.write(Buffer.alloc(65_536))
      await pass(20)
      t.is(fate.phase, undefined)
      drain((peer as unknown as { _handle: { fd: number } })._handle.fd)
      await clock.advance(100)
      await turns()
      t.is(fate.phase, undefined)
      t.is(socket.writableLength, 0)
      await pass(100)
      await stalls(t, socket, fate, 49, 7)
    },
  )

  onStoppedTime('total: what lies in the kernel gets one turn of the loop, and no more', async (t) => {
    const { socket, peer, fate } = await limited(t, { total: 50 })
    let last = ''
    socket.on('data', (data) => {
      last += data
    })
    await turns()
    peer.write('almost')
    await clock.advance(60)
    await turns()
    t.is(last, 'almost')
    t.is(fate.phase, 'total')
  })
}

onStoppedTime('limits are changed while they run, and taken away', async (t) => {
  const { timers } = reactor.metrics()
  const [socket] = await connectedPair(t)
  const bare = traces(socket)
  const guard = withTimeouts(socket, { idle: 50, total: 500, response: 10, read: 10, write: 10 })
  const fate = new Fate(socket)
  t.deepEqual(guard.phases, { idle: 50, total: 500, response: 10, read: 10, write: 10 })
  await pass(40)
  guard.update({ idle: 200, response: 0, read: undefined })
  t.deepEqual(guard.phases, { idle: 200, total: 500, write: 10 })
  await pass(190)
  t.is(fate.phase, undefined)
  guard.update({ idle: 0 })
  await pass(200)
  t.is(fate.phase, undefined)
  guard.update({ total: 420 })
  await pass(2)
  t.is(fate.phase, 'total', 'from the beginning of its life, not from now')
  guard.update({ total: 10 })

  const [other] = await connectedPair(t)
  const guarded = withTimeouts(other, { idle: 50, total: 50, response: 50, read: 50, write: 50 })
  t.notDeepEqual(traces(other), bare)
  guarded[Symbol.dispose]()
  guarded[Symbol.dispose]()
  t.deepEqual(traces(other), bare, 'nothing of it is left')
  t.is(reactor.metrics().timers, timers)
  await pass(100)
  t.false(other.destroyed)
})

onStoppedTime('a limit that is added later', async (t) => {
  const { socket, guard, fate } = await limited(t, {})
  socket.resume()
  await pass(100)
  guard.update({ response: 30 })
  await pass(100)
  socket.write('x')
  await pass(29)
  t.is(fate.phase, undefined)
  await pass(2)
  t.is(fate.phase, 'response')
})

onStoppedTime('limits end with the socket', async (t) => {
  const { timers } = reactor.metrics()
  const { socket, peer } = await limited(t, { idle: 50, total: 50, response: 50, read: 50, write: 50 })
  peer.resume()
  socket.write('x')
  await turns()
  t.true(reactor.metrics().timers > timers)
  socket.destroy()
  await once(socket, 'close')
  await turns()
  t.is(reactor.metrics().timers, timers)
})

onStoppedTime('a client that takes all listeners away, or sets the timeout of the socket, disarms nothing', async (t) => {
  const { socket, peer, fate } = await limited(t, { response: 50 })
  socket.removeAllListeners()
  socket.setTimeout(0)
  socket.on('error', (error) => {
    fate.error = error
  })
  socket.resume()
  socket.write('x')
  await pass(30)
  peer.write('x')
  await pass(100)
  t.is(fate.phase, undefined)
  socket.setTimeout(1_000_000)
  socket.write('x')
  await pass(52)
  t.is(fate.phase, 'response')

  const { port } = await serve(t)
  const connecting = ending(t, net.connect({ host: '127.0.0.1', port }))
  withTimeouts(connecting, { connect: 50 })
  connecting.removeAllListeners()
  const other = new Fate(connecting)
  while (connecting.connecting) await turns()
  await pass(100)
  t.is(other.phase, undefined, 'it is connected, though nobody was told')

  const guarded = await limited(t, { response: 50, total: 100 })
  guarded.socket.removeAllListeners()
  await turns()
  t.is(guarded.socket.listenerCount('close'), 1, 'a limit ends with its socket')
})

onStoppedTime("a socket's own timeout goes on beside ours", async (t) => {
  const { socket, peer, fate } = await limited(t, { response: 50, read: 50, write: 50, idle: 50 })
  const timedOut = once(socket, 'timeout')
  socket.setTimeout(20)
  await timedOut
  t.is(fate.phase, undefined)
  peer.write('x')
  await pass(10)
  t.false(socket.destroyed)
})

for (const event of ['data', 'connect', 'end', 'close', 'error', 'drain', 'resume'] as const) {
  onStoppedTime(`the socket is destroyed in its "${event}" event`, async (t) => {
    const { timers } = reactor.metrics()
    const { port } = await serve(t, (peer) => {
      peer.write('hello')
      if (event === 'end') peer.end()
      if (event === 'drain') peer.resume()
    })
    const socket = ending(t, net.connect({ host: '127.0.0.1', port }))
    withTimeouts(socket, { connect: 100, idle: 100, total: 100, response: 100, read: 100, write: 100 })
    const fate = new Fate(socket)
    socket.on(event, () => socket.destroy())
    if (event !== 'data' && event !== 'connect') socket.on('data', () => {})
    socket.on('connect', () => {
      if (event === 'drain') socket.write(Buffer.alloc(20_000_000))
      if (event === 'error') socket.destroy(new Error('ours'))
      if (event === 'close') socket.destroy()
    })
    if (event === 'data') socket.on('data', () => {})
    while (!fate.closed) await turns()
    await pass(200, 10)
    t.is(fate.phase, event === 'error' ? 'ours' : undefined)
    t.is(reactor.metrics().timers, timers)
  })
}

onStoppedTime('two guards of one socket, taken away in either order', async (t) => {
  for (const first of [0, 1]) {
    const [socket, peer] = await connectedPair(t)
    const fate = new Fate(socket)
    socket.resume()
    const guards = [withTimeouts(socket, { response: 50 }), withTimeouts(socket, { response: 30, read: 100 })]
    guards[first]?.[Symbol.dispose]()
    socket.write('x')
    await pass(28)
    peer.write('x')
    await pass(60)
    t.is(fate.phase, undefined)
    guards[1 - first]?.[Symbol.dispose]()
    socket.write('x')
    await pass(200)
    t.is(fate.phase, undefined)
  }
})

onStoppedTime('corked writes are one write, and half-open sockets are waited on', async (t) => {
  const { socket, peer, fate } = await limited(t, { response: 50 }, { allowHalfOpen: true })
  socket.resume()
  socket.cork()
  socket.write('a')
  socket.write('b')
  await pass(100)
  t.is(fate.phase, undefined, 'nothing was written yet')
  socket.uncork()
  socket.end()
  await pass(40)
  t.is(fate.phase, undefined)
  peer.write('answer')
  await pass(100)
  t.is(fate.phase, undefined)
})

onStoppedTime('a socket that is encrypted later: its limits of bytes go on', async (t) => {
  let upgraded: Socket | undefined
  const { port } = await serve(t, (peer) =>
    peer.once('data', () => {
      upgraded = ending(t, new tls.TLSSocket(peer, { isServer: true, key, cert }))
      upgraded.resume()
      peer.write('S')
    }),
  )
  const raw = ending(t, net.connect({ host: '127.0.0.1', port }))
  withTimeouts(raw, { idle: 100 })
  const fate = new Fate(raw)
  await once(raw, 'connect')
  raw.write('please')
  await once(raw, 'data')
  raw.removeAllListeners('data')
  t.throws(() => withTimeouts(raw, { secureConnect: 100 }), { code: 'ERR_INVALID_ARG_VALUE', message: /tls\.connect/ })
  const secure = ending(t, tls.connect({ socket: raw, ca: cert, host: 'localhost' }))
  withTimeouts(secure, { secureConnect: 1000, response: 400 })
  const secureFate = new Fate(secure)
  await once(secure, 'secureConnect')
  secure.resume()
  for (let i = 0; i < 4; i++) {
    await pass(60, 2)
    t.is(fate.phase, undefined, `${i} ${raw.bytesRead}`)
    upgraded?.write('x')
    await turns(10)
  }
  await pass(112)
  t.is(fate.phase, 'idle')
  await turns(20)
  t.true(secureFate.closed)
})

/** A connection with limits on which somebody else speaks TLS. The peer answers `ask`, and reads nothing more after `stop`. */
async function encryptedLater(
  t: T,
  phases: Phases,
  before?: (raw: Socket) => void,
): Promise<{ fate: Fate; secure: tls.TLSSocket }> {
  const { port } = await serve(t, (peer) => {
    const upgraded = ending(t, new tls.TLSSocket(peer, { isServer: true, key, cert }))
    upgraded.on('data', (chunk) => {
      if (String(chunk) === 'stop') upgraded.pause()
      if (String(chunk) === 'ask') upgraded.write('answer')
    })
  })
  const raw = ending(t, net.connect({ host: '127.0.0.1', port }))
  withTimeouts(raw, phases)
  await once(raw, 'connect')
  before?.(raw)
  const secure = ending(t, tls.connect({ socket: raw, ca: cert, host: 'localhost' }))
  await once(secure, 'secureConnect')
  return { fate: new Fate(raw), secure }
}

for (const takes of [false, true]) {
  const how = takes ? ', by somebody who took all listeners away' : ''
  onStoppedTime(`a socket that is encrypted later${how}: what is asked above and gets no answer`, async (t) => {
    const { fate, secure } = await encryptedLater(t, { response: 100 }, takes ? (raw) => raw.removeAllListeners() : undefined)
    await pass(300, 10)
    for (let i = 0; i < 3; i++) {
      secure.write('ask')
      await once(secure, 'data')
      await pass(300, 10)
      t.is(fate.phase, undefined, 'it waits for nothing')
    }
    secure.write('nothing')
    await pass(90, 2)
    t.is(fate.phase, undefined)
    await pass(30, 2)
    t.is(fate.phase, 'response')
  })
}

onStoppedTime('a socket that is encrypted later: somebody reads above, and nothing comes', async (t) => {
  const { fate, secure } = await encryptedLater(t, { read: 100 })
  secure.resume()
  for (let i = 0; i < 5; i++) {
    secure.write('ask')
    await once(secure, 'data')
    await pass(60, 5)
    t.is(fate.phase, undefined, 'answers come')
  }
  secure.pause()
  await pass(500, 20)
  // Node's reads on, until its buffer is full.
  t.is(fate.phase, ON_NODE ? 'read' : undefined)
  if (ON_NODE) return
  secure.resume()
  await pass(230, 5)
  t.is(fate.phase, 'read')
})

if ('bun' in process.versions) {
  onStoppedTime('a socket of an http server that shows nothing takes no limits of bytes', async (t) => {
    const server = http.createServer((_, response) => response.end('x'))
    const { port } = await listening(t, server)
    const [[socket]] = await Promise.all([once(server, 'connection'), fetch(`http://127.0.0.1:${port}`)])
    for (const phase of ['idle', 'read', 'response', 'write'])
      t.throws(() => withTimeouts(socket, { [phase]: 100 }), { code: 'ERR_ASYNCFD_UNSUPPORTED' })
    const guard = withTimeouts(socket, { total: 1000 })
    t.throws(() => guard.update({ idle: 100 }), { code: 'ERR_ASYNCFD_UNSUPPORTED' })
    guard[Symbol.dispose]()
  })
}

if (ON_NODE) {
  onStoppedTime('a socket that is encrypted later: what it reads does not let a write begin before it did', async (t) => {
    const { fate, secure } = await encryptedLater(t, { write: 100 })
    secure.write('stop')
    await turns(20)
    await pass(300, 10)
    secure.read() // Asks for the socket below, as a write does.
    ;(secure as unknown as { _unrefTimer(): void })._unrefTimer()
    await pass(7)
    await stalls(t, secure, fate, 99, 20)
  })

  onStoppedTime('a socket that is connected has listeners for what can still come', async (t) => {
    const [socket] = await connectedPair(t)
    const [before] = traces(socket)
    const added = () =>
      (traces(socket)[0] as [string, number][]).filter(
        ([name, count]) => !before!.some((one) => String(one) === `${name},${count}`),
      )
    withTimeouts(socket, { idle: 1000, total: 1000 })
    t.deepEqual(
      added().map(([name]) => name),
      ['close'],
    )
    withTimeouts(socket, { idle: 1000 }).update({ read: 1000 })
    t.deepEqual(
      added()
        .map(([name]) => name)
        .sort(),
      ['close', 'newListener', 'removeListener', 'resume'],
    )
  })

  onStoppedTime('who keeps what stands in for `onread`, and puts it back when the limits are gone, gets what came', async (t) => {
    const [socket, peer] = await connectedPair(t)
    const handle = (socket as unknown as { _handle: { onread: (this: unknown, bytes: unknown) => unknown } })._handle
    const got: string[] = []
    socket.on('data', (data) => got.push(String(data)))
    let guard = withTimeouts(socket, { read: 1000 })
    const kept = handle.onread
    const wrapped = function (this: unknown, bytes: unknown) {
      return kept.call(this, bytes)
    }
    for (const onread of [kept, wrapped, kept]) {
      guard[Symbol.dispose]()
      handle.onread = onread
      guard = withTimeouts(socket, { read: 50 })
      await pass(40)
      peer.write('x')
      await turns()
      await pass(40)
    }
    t.deepEqual(got, ['x', 'x', 'x'])
    const fate = new Fate(socket)
    await pass(11)
    t.is(fate.phase, 'read')
  })

  onStoppedTime(
    'a socket of Node keeps its shape: two guards hear at its handle, which is as it was when both have ended',
    async (t) => {
      const [socket, peer] = await connectedPair(t, narrow(t))
      const handle = (socket as unknown as { _handle: { onread: unknown } })._handle
      const shape = () => [Reflect.ownKeys(socket), Reflect.ownKeys(Object.getPrototypeOf(socket))]
      const [before, prototype, { onread }] = [shape(), Object.getPrototypeOf(handle), handle]
      const first = withTimeouts(socket, { idle: 1000, response: 1000, read: 1000, write: 1000 })
      const second = withTimeouts(socket, { read: 50, write: 50 })
      t.deepEqual(shape(), before)
      t.true(handle instanceof prototype.constructor)
      first[Symbol.dispose]()
      const fate = new Fate(socket)
      socket.resume()
      await pass(40)
      peer.write('x')
      await turns()
      await pass(40)
      t.is(fate.phase, undefined, 'the other one still hears what comes')
      second[Symbol.dispose]()
      t.is(Object.getPrototypeOf(handle), prototype)
      t.is(handle.onread, onread)
      const third = withTimeouts(socket, { write: 50 })
      third.update({ write: 0, read: 1000 })
      third.update({ read: 0, write: 60 })
      await stalls(t, socket, fate, 59, 9, 'and who comes later hears what is written')
    },
  )

  onStoppedTime(
    'write: while one write follows another nothing is called for each, and after a pause the next one is heard',
    async (t) => {
      const [socket] = await connectedPair(t)
      const handle = (socket as unknown as { _handle: object })._handle
      const isCalled = () => {
        const key = Object.getOwnPropertySymbols(handle).find(({ description }) => description === 'asyncfd.writes')
        return Reflect.get(handle, key!) !== null
      }
      withTimeouts(socket, { write: 100 })
      for (let times = 0; times < 2; times++) {
        t.true(isCalled())
        for (let writes = 0; writes < 20; writes++) {
          socket.write('x')
          t.false(isCalled())
          await pass(7)
        }
        await pass(40)
      }
      t.true(isCalled())
    },
  )
}

// Deno takes whatever is written to a TLS socket at once.
if (!ON_DENO) {
  onStoppedTime('a socket that is encrypted later: a peer that reads nothing', async (t) => {
    const { fate, secure } = await encryptedLater(t, { write: 100 })
    secure.write(Buffer.alloc(300_000))
    await pass(300, 10)
    t.is(fate.phase, undefined)
    secure.write('stop')
    await turns(20)
    secure.write(Buffer.alloc(30_000_000))
    await pass(90, 2)
    t.is(fate.phase, undefined)
    await pass(60, 2)
    t.is(fate.phase, 'write')
  })
}

if (ON_NODE) {
  onStoppedTime('a server of http: its requests are read past the socket, and seen', async (t) => {
    const server = http.createServer((_, response) => response.end('x'))
    const { port } = await listening(t, server)
    const fate = new Promise<Fate>((resolve) =>
      server.on('connection', (socket: Socket) => {
        withTimeouts(socket, { read: 100 })
        resolve(new Fate(socket))
      }),
    )
    server.on('clientError', () => {})
    const client = ending(t, net.connect(port, '127.0.0.1'))
    client.resume()
    client.write('POST / HTTP/1.1\r\nHost: x\r\n')
    const { phase } = await fate
    t.is(phase, undefined)
    for (let i = 0; i < 5; i++) {
      await pass(60, 5)
      client.write(`x-${i}: y\r\n`)
      await turns()
      t.is((await fate).phase, undefined, 'a slow client that goes on')
    }
    await pass(110, 2)
    t.is((await fate).phase, 'read')
  })
}

onStoppedTime('the error keeps the context of who set the limits', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const [socket] = await connectedPair(t)
  storage.run('mine', () => withTimeouts(socket, { idle: 50 }))
  const seen: unknown[] = []
  socket.on('error', () => seen.push(storage.getStore()))
  await pass(60)
  if (!ON_DENO) t.deepEqual(seen, ['mine'])
  t.is(seen.length, 1)
})

onStoppedTime('fractions, and limits of no time', async (t) => {
  const { fate } = await limited(t, { total: 0.5, idle: 0, read: undefined, write: Infinity })
  await turns()
  t.is(fate.phase, undefined)
  await pass(1)
  t.is(fate.phase, 'total')
  t.true((fate.error as TimeoutError).elapsed >= 0.5)
  const huge = await limited(t, { idle: Number.MAX_VALUE, total: Number.MAX_SAFE_INTEGER, connect: 2 ** 53 })
  await pass(100, 50)
  t.is(huge.fate.phase, undefined)
})

test('bad input throws at the call', async (t) => {
  const [socket] = await connectedPair(t)
  const junk = [null, undefined, 1, 'x', {}, [], new (await import('node:stream')).Duplex()]
  for (const one of junk) t.throws(() => withTimeouts(one as never, {}), { code: 'ERR_INVALID_ARG_TYPE' }, inspect(one))
  // Going through the bytes of the last would take minutes.
  for (const one of [null, undefined, 1, 'x', 1n, [], new Uint8Array(2 ** 24)])
    t.throws(() => withTimeouts(socket, one as never), { code: 'ERR_INVALID_ARG_TYPE' })
  const phases = ['lookup', 'connect', 'idle', 'socket', 'response', 'read', 'write', 'total'] as const
  for (const phase of phases) {
    for (const ms of ['1', null, 1n, {}, true, Symbol('x')]) {
      t.throws(() => withTimeouts(socket, { [phase]: ms as never }), { code: 'ERR_INVALID_ARG_TYPE', message: new RegExp(phase) })
    }
    for (const ms of [Number.NaN, -1, -Infinity]) {
      t.throws(() => withTimeouts(socket, { [phase]: ms }), { code: 'ERR_INVALID_ARG_VALUE' })
    }
  }
  const typos = { conect: 'connect', Response: 'response', tottal: 'total', secureconnect: 'secureConnect', idel: 'idle' }
  for (const [typo, meant] of Object.entries(typos)) {
    t.throws(() => withTimeouts(socket, { [typo]: 1 } as never), { message: new RegExp(`did you mean "${meant}"`) })
  }
  t.throws(() => withTimeouts(socket, { handshakeTimeout: 1 } as never), { message: /there are: lookup, connect/ })
  const guard = withTimeouts(socket, {})
  t.throws(() => guard.update({ idle: -1 }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => guard.update({ secureConnect: 1 }), { code: 'ERR_INVALID_ARG_VALUE' })
  socket.destroy()
  t.throws(() => withTimeouts(socket, {}), { code: 'ERR_INVALID_STATE' })
  t.is(reactor.metrics().refs, 0)
})
