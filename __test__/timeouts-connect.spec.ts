/**
 * connect, connectTls and setUserTimeout.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { reactor, TimeoutError } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { connect, connectTls, setUserTimeout, withTimeouts } from 'asyncfd/timeouts'
import { cert, key } from './fixtures/certificate.js'
import { onStoppedTime, pass, turns, watch } from './helpers/clock.js'
import { folder, noLeaks, refusedAddress } from './helpers/fixtures.js'
import { connectedPair, ending, Fate, fullListener, listening, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

noLeaks(test)

const ON_DENO = 'deno' in process.versions
const ON_NODE = !ON_DENO && !('bun' in process.versions)

type Answer = (error: Error | null, found: string | { address: string; family: number }[], family?: number) => void

/** A lookup that answers with addresses, or never. */
const named = (...addresses: string[]): net.LookupFunction =>
  ((_: string, __: unknown, done: Answer) => {
    if (addresses.length > 0)
      done(
        null,
        addresses.map((address) => ({ address, family: net.isIP(address) })),
      )
  }) as never

async function tlsServer(t: T, onConnection?: (socket: Socket) => void): Promise<number> {
  return (await listening(t, tls.createServer({ key, cert }, onConnection))).port
}

/** What settles with real sockets, on stopped time. */
async function settle<R>(promise: Promise<R>): Promise<R> {
  const watched = watch(promise)
  for (let i = 0; i < 2000 && watched.state === 'pending'; i++) await turns(1)
  return promise
}

onStoppedTime('connects to an address, a name and a path, and the limits of traffic go on', async (t) => {
  const { port } = await serve(t)
  const path = join(folder(t), 'socket')
  await serve(t, undefined, { path })
  const targets = [{ host: '127.0.0.1', port }, { host: 'localhost', port }, { port: String(port) as never }, { path }]
  for (const target of targets) {
    const socket = ending(t, await settle(connect(target, { lookup: 1000, connect: 1000, response: 50, idle: 5000 })))
    t.false(socket.connecting)
    const fate = new Fate(socket)
    socket.resume()
    await pass(1000, 50)
    t.is(fate.phase, undefined)
    socket.write('query')
    await pass(55)
    t.is(fate.phase, 'response')
  }
})

onStoppedTime('leaves nothing on a socket that has no limits', async (t) => {
  const { port } = await serve(t)
  const plain = ending(t, net.connect(port, '127.0.0.1'))
  await once(plain, 'connect')
  const socket = ending(t, await settle(connect({ host: '127.0.0.1', port }, { connect: 1000 })))
  const listeners = (of: Socket) =>
    of
      .eventNames()
      .map((name) => [String(name), of.listenerCount(name)])
      .sort()
  t.deepEqual(listeners(socket), listeners(plain))
})

onStoppedTime('lookup: a name server that never answers', async (t) => {
  const connecting = watch(connect({ host: 'name.invalid', port: 1, lookup: named() }, { lookup: 50, connect: 10 }))
  await pass(49)
  t.is(connecting.state, 'pending')
  await pass(3)
  t.like(connecting.error as TimeoutError, {
    phase: 'lookup',
    code: 'ETIMEDOUT',
    syscall: 'getaddrinfo',
    address: 'name.invalid',
    port: 1,
  })
  t.deepEqual((connecting.error as TimeoutError).attempts, [])
})

onStoppedTime('connect: all addresses together within one limit; each is told', async (t) => {
  const { port } = await fullListener(t)
  const refused = refusedAddress(t)
  const limits = { lookup: 10, connect: 600 }
  const connecting = watch(connect({ host: 'name.invalid', port, lookup: named('127.0.0.1', '::1') }, limits))
  await pass(300)
  t.is(connecting.state, 'pending')
  await pass(298)
  t.is(connecting.state, 'pending')
  await pass(4)
  const error = connecting.error as TimeoutError
  t.true(error instanceof TimeoutError)
  t.like(error, { phase: 'connect', syscall: 'connect', timeout: 600 })
  t.deepEqual(
    error.attempts?.map(({ address, port: tried, error: why }) => [address, tried, (why as { code?: string } | undefined)?.code]),
    [
      ['127.0.0.1', port, undefined],
      ['::1', port, 'ECONNREFUSED'],
    ],
  )
  // Those that refuse do not wait for each other.
  const all = await t.throwsAsync(
    settle(connect({ host: 'name.invalid', port: refused.port, lookup: named('127.0.0.1', '::1') }, limits)),
  )
  t.like(all, { code: 'ECONNREFUSED', name: 'AggregateError' })
  const one = await t.throwsAsync(settle(connect({ host: '127.0.0.1', port: refused.port }, limits)))
  t.like(one, { code: 'ECONNREFUSED', syscall: 'connect', address: '127.0.0.1', port: refused.port })
})

onStoppedTime('a route that is slow is not given up for the next one', async (t) => {
  // The first address answers only when it is asked again, after a second; the second never does.
  const { port } = await fullListener(t)
  let peer: Socket | undefined
  const other = await serve(
    t,
    (socket) => {
      peer = socket
    },
    { host: '127.0.0.2', port },
  )
  t.is(other.port, port)
  const connecting = watch(connect({ host: 'name.invalid', port, lookup: named('127.0.0.1', '127.0.0.2') }, { connect: 5000 }))
  await pass(249)
  t.is(peer, undefined, 'the first has some time to itself')
  await pass(2)
  for (let i = 0; i < 500 && connecting.state === 'pending'; i++) await turns(1)
  t.is(connecting.state, 'resolved')
  t.is((connecting.value as Socket).remoteAddress, '127.0.0.2')
  ending(t, connecting.value as Socket)
})

onStoppedTime('total: over lookup, connect and handshake', async (t) => {
  const limits = { lookup: 1000, connect: 1000, secureConnect: 1000, total: 50 }
  const looking = watch(connect({ host: 'name.invalid', port: 1, lookup: named() }, limits))
  await pass(53)
  t.is((looking.error as TimeoutError).phase, 'total')
  const { port } = await serve(t, (peer) => peer.resume())
  const shaking = watch(connectTls({ host: '127.0.0.1', port, ca: cert }, limits))
  for (let i = 0; i < 20; i++) await turns()
  await pass(48)
  t.is(shaking.state, 'pending')
  await pass(5)
  t.is((shaking.error as TimeoutError).phase, 'total')
  const whole = await settle(connect({ host: '127.0.0.1', port }, limits))
  const fate = new Fate(ending(t, whole))
  await pass(52)
  t.is(fate.phase, 'total')
})

onStoppedTime('connectTls: connects, or the handshake takes too long', async (t) => {
  const port = await tlsServer(t, (socket) => socket.end('hello'))
  const limits = { lookup: 1000, connect: 1000, secureConnect: 1000, idle: 1000 }
  const options = { host: 'localhost', port, ca: cert, servername: 'localhost' }
  const socket = ending(t, await settle(connectTls(options, limits)))
  t.true(socket.authorized)
  t.true(socket.encrypted)
  await t.throwsAsync(settle(connectTls({ host: '127.0.0.1', port }, limits)), undefined, 'not trusted')

  const silent = await serve(t, (peer) => peer.resume())
  const shaking = watch(connectTls({ ...options, host: '127.0.0.1', port: silent.port }, { ...limits, secureConnect: 50 }))
  for (let i = 0; i < 20; i++) await turns()
  await pass(48)
  t.is(shaking.state, 'pending')
  await pass(5)
  t.like(shaking.error as TimeoutError, { phase: 'secureConnect', port: silent.port })
})

if (ON_NODE) {
  onStoppedTime('connectTls: options that Node refuses once it is connected leave no connection', async (t) => {
    let closed = false
    const { port } = await serve(t, (peer) => {
      peer.resume().on('close', () => {
        closed = true
      })
    })
    await t.throwsAsync(settle(connectTls({ host: '127.0.0.1', port, minDHSize: -1 }, { connect: 1000 })), {
      message: /minDHSize/,
    })
    for (let i = 0; i < 2000 && !closed; i++) await turns(1)
    t.true(closed)
  })
}

onStoppedTime('connectTls over a connection that is there', async (t) => {
  const port = await tlsServer(t)
  const raw = ending(t, net.connect(port, '127.0.0.1'))
  await once(raw, 'connect')
  const socket = ending(t, await settle(connectTls({ socket: raw, host: 'localhost', ca: cert }, { secureConnect: 1000 })))
  t.true(socket.encrypted)
  raw.destroy()
  t.throws(() => connectTls({ socket: raw, ca: cert }, {}), { code: 'ERR_INVALID_STATE' })
})

onStoppedTime('an abort at any moment rejects with its reason and leaves nothing', async (t) => {
  const { port } = await fullListener(t)
  const silent = await serve(t, (peer) => peer.resume())
  const { timers } = reactor.metrics()
  const attempts: ((signal: AbortSignal) => Promise<Socket>)[] = [
    (signal) => connect({ host: 'name.invalid', port, lookup: named(), signal }, { lookup: 1000, connect: 1000 }),
    (signal) => connect({ host: '127.0.0.1', port, signal }, { connect: 1000, total: 1000, idle: 100 }),
    (signal) => connect({ host: 'x.invalid', port, lookup: named('127.0.0.1', '127.0.0.1'), signal }, { connect: 1000 }),
    (signal) => connectTls({ host: '127.0.0.1', port: silent.port, ca: cert, signal }, { secureConnect: 1000 }),
  ]
  for (const [i, attempt] of attempts.entries()) {
    for (const wait of [0, 1, 10, 40]) {
      const controller = new AbortController()
      const reason = new Error('no longer wanted')
      if (wait === 0) controller.abort(reason)
      const connecting = watch(attempt(controller.signal))
      await turns(wait)
      controller.abort(reason)
      await turns(20)
      t.is(connecting.error, reason, `${i} after ${wait}`)
    }
  }
  await turns(20)
  t.is(reactor.metrics().timers, timers)
})

onStoppedTime('an abort after it connected is no longer of interest', async (t) => {
  const { port } = await serve(t)
  const controller = new AbortController()
  const socket = ending(t, await settle(connect({ host: '127.0.0.1', port, signal: controller.signal }, { connect: 1000 })))
  controller.abort()
  await turns()
  t.false(socket.destroyed)
})

onStoppedTime('lookups that fail, in every way', async (t) => {
  const broken = (lookup: unknown) =>
    settle(connect({ host: 'name.invalid', port: 1, lookup: lookup as never }, { lookup: 1000 }))
  const enoent = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
  t.is(await t.throwsAsync(broken((_: string, __: unknown, done: Answer) => done(enoent, []))), enoent as never)
  await t.throwsAsync(
    broken((_: string, __: unknown, done: Answer) => done(null, [])),
    { code: 'ENOTFOUND' },
  )
  await t.throwsAsync(
    broken((_: string, __: unknown, done: Answer) => done(null, 'not an address')),
    {
      code: 'ERR_INVALID_IP_ADDRESS',
    },
  )
  await t.throwsAsync(
    broken(() => {
      throw enoent
    }),
    { code: 'ENOTFOUND' },
  )
  const { port } = await serve(t)
  const once4 = ((_: string, __: unknown, done: Answer) => done(null, '127.0.0.1', 4)) as never
  ending(t, await settle(connect({ host: 'name.invalid', port, lookup: once4 }, {})))
})

if (!ON_DENO) {
  test('setUserTimeout sets TCP_USER_TIMEOUT, now or when it connects', async (t) => {
    const { IPPROTO_TCP, TCP_USER_TIMEOUT } = sys.constants
    const [socket] = await connectedPair(t)
    const fdOf = (one: Socket) => (one as unknown as { _handle: { fd: number } })._handle.fd
    setUserTimeout(socket, 12_345)
    t.is(sys.getSocketOption(fdOf(socket), IPPROTO_TCP, TCP_USER_TIMEOUT), 12_345)
    const { port } = await serve(t)
    const connecting = ending(t, net.connect(port, '127.0.0.1'))
    setUserTimeout(connecting, 100)
    await once(connecting, 'connect')
    t.is(sys.getSocketOption(fdOf(connecting), IPPROTO_TCP, TCP_USER_TIMEOUT), 100)
    for (const ms of ['1', null, 1n]) t.throws(() => setUserTimeout(socket, ms as never), { code: 'ERR_INVALID_ARG_TYPE' })
    for (const ms of [-1, 1.5, Number.NaN, 2 ** 31]) t.throws(() => setUserTimeout(socket, ms), { code: 'ERR_OUT_OF_RANGE' })
    const path = join(folder(t), 'socket')
    await serve(t, undefined, { path })
    const unix = ending(t, net.connect(path))
    await once(unix, 'connect')
    t.like(
      t.throws(() => setUserTimeout(unix, 1)),
      { syscall: 'setsockopt' },
    )
    socket.destroy()
    t.throws(() => setUserTimeout(socket, 1), { code: 'ERR_INVALID_STATE' })
  })
}

test('bad input throws at the call', (t) => {
  const phases = { connect: 100 }
  for (const make of [connect, connectTls] as ((options: never, phases: never) => Promise<unknown>)[]) {
    for (const options of [null, undefined, 1, 'x', [], Buffer.alloc(1)])
      t.throws(() => make(options as never, phases as never), { code: 'ERR_INVALID_ARG_TYPE' })
    for (const port of [undefined, null, {}, true])
      t.throws(() => make({ port } as never, phases as never), { code: 'ERR_INVALID_ARG_TYPE' })
    for (const port of [-1, 65536, 1.5, Number.NaN, 'x', '']) {
      t.throws(() => make({ port } as never, phases as never), { code: 'ERR_SOCKET_BAD_PORT' })
    }
    for (const more of [{ host: 1 }, { lookup: 'x' }, { signal: 1 }, { path: 1 }]) {
      t.throws(() => make({ port: 1, ...more } as never, phases as never), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    t.throws(() => make({ port: 1 } as never, { conect: 1 } as never), { message: /did you mean "connect"/ })
    t.throws(() => make({ port: 1 } as never, { connect: -1 } as never), { code: 'ERR_INVALID_ARG_VALUE' })
  }
  // Deno looks at certificates later.
  if (!ON_DENO) t.throws(() => connectTls({ port: 1, cert: 'not a certificate' }, phases))
  t.throws(() => connectTls({ socket: {} as never }, phases), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a connection that fails gives the error of the system, not a late one of a limit', async (t) => {
  const { address, port } = refusedAddress(t)
  const error = await t.throwsAsync(connect({ host: address, port }, { connect: 60_000, total: 60_000 }))
  t.like(error, { code: 'ECONNREFUSED' })
  const socket = ending(t, net.connect(port, address))
  withTimeouts(socket, { connect: 60_000 })
  const fate = new Fate(socket)
  while (!fate.closed) await turns(1)
  t.is(fate.phase, 'ECONNREFUSED')
})
