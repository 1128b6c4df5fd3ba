/**
 * TCP: connecting, listening, and what goes wrong with either.
 *
 * Portable: bun, deno
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:net'
import { type DiagnosticEvents, Interest, reactor } from 'asyncfd'
import { lookupHost, TcpListener, type TcpListenOptions, TcpStream } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { sleep } from 'asyncfd/time'
import { block, feed, isPending, noLeaks, own, pipe, refusedAddress, settled, watch } from './helpers/fixtures.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>
const onNode = !('bun' in process.versions) && !('deno' in process.versions)

noLeaks(test)

function closing<C extends { destroy(): void }>(t: T, socket: C): C {
  t.teardown(() => socket.destroy())
  return socket
}

async function listen(t: T, options?: TcpListenOptions): Promise<TcpListener> {
  return closing(t, await TcpListener.bind('127.0.0.1:0', options))
}

async function pair(t: T): Promise<[client: TcpStream, server: TcpStream]> {
  const listener = await listen(t)
  const [client, server] = await Promise.all([TcpStream.connect(listener.localAddress), listener.accept()])
  listener.destroy()
  return [closing(t, client), closing(t, server)]
}

test('a connection: addresses, bytes, a half-close, the end', async (t) => {
  const listener = await listen(t)
  const client = closing(t, await TcpStream.connect(listener.localAddress))
  const server = closing(t, await listener.accept())
  t.deepEqual(client.remoteAddress, listener.localAddress)
  t.deepEqual(server.remoteAddress, client.localAddress)
  t.deepEqual(server.localAddress, listener.localAddress)
  await client.writeAll(Buffer.from('question'))
  const buffer = Buffer.alloc(100)
  t.is(await server.peek(buffer), 8)
  t.is(await server.read(buffer), 8)
  client.shutdown()
  t.is(await server.read(buffer), 0)
  await server.writeAll(Buffer.from('answer'))
  t.is(await client.read(buffer), 6)
  t.throws(() => client.shutdown('sideways' as never), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('the address of the other end is the one that was found, and is known when the connection is gone', async (t) => {
  const listener = await listen(t)
  const client = closing(t, await TcpStream.connect({ host: '0.0.0.0', port: listener.localAddress.port }))
  const server = closing(t, await listener.accept())
  t.deepEqual(client.remoteAddress, listener.localAddress)
  server.setLinger(0).destroy()
  await t.throwsAsync(client.read(Buffer.alloc(1)), { code: 'ECONNRESET' })
  t.is(client.remoteAddress.port, listener.localAddress.port)
  client.destroy()
  t.is(client.remoteAddress.port, listener.localAddress.port)
  t.throws(() => server.remoteAddress, { code: 'ERR_ASYNCFD_CLOSED' })
})

test('addresses as users write them', async (t) => {
  const listener = await listen(t)
  const { port } = listener.localAddress
  const forms = [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    { host: '127.0.0.1', port },
    { host: 'localhost', port },
    { port },
    { address: '127.0.0.1', port },
    { address: '127.0.0.1', port, family: 'IPv4' as const },
    { address: '127.0.0.1', port, family: 4 as const },
  ]
  for (const form of forms) {
    const [client, server] = await Promise.all([TcpStream.connect(form, { timeout: 10_000 }), listener.accept()])
    t.is(client.remoteAddress.port, port)
    client.destroy()
    server.destroy()
  }
  t.deepEqual(await lookupHost('127.0.0.1:80'), [{ address: '127.0.0.1', port: 80, family: 'IPv4' }])
  t.deepEqual(await lookupHost('[::1]:80'), [{ address: '::1', port: 80, family: 'IPv6' }])
  for (const bad of ['', 'host', 'host:', 'host:x', 'host:123456', '::1:80', '[::1]', '[host]:80', '[::1]:80:'])
    t.throws(() => lookupHost(bad), { code: 'ERR_INVALID_ARG_VALUE' }, bad)
  for (const port of [-1, 65_536, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => TcpStream.connect({ host: 'localhost', port }), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => TcpListener.bind({ address: '::1', port }), { code: 'ERR_OUT_OF_RANGE' })
  }
  t.throws(() => lookupHost('host:99999'), { code: 'ERR_OUT_OF_RANGE' })
  for (const bad of [undefined, null, 1, {}, { host: 1, port: 1 }, { host: 'x', port: '80' }, { address: 1, port: 1 }])
    t.throws(() => lookupHost(bad as never), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const bad of [
    { address: 'localhost', port: 1 },
    { address: '::1', port: 1, family: 4 },
    { host: 'a\0b', port: 1 },
  ])
    t.throws(() => lookupHost(bad as never), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('refused: the error names what was to be reached', async (t) => {
  const address = refusedAddress(t)
  const error = await t.throwsAsync(TcpStream.connect(address), { code: 'ECONNREFUSED' })
  t.like(error, { syscall: 'connect', address: address.address, port: address.port })
  const lookup = ((_host: string, _options: object, callback: (error: null, found: object[]) => void) =>
    callback(null, [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
    ])) as never
  const all = await t.throwsAsync(TcpStream.connect({ host: 'somewhere', port: address.port }, { lookup }), {
    code: 'ECONNREFUSED',
  })
  t.true(all instanceof AggregateError)
  t.deepEqual(
    (all as AggregateError).errors.map(({ code, address }) => [code, address]),
    [
      ['ECONNREFUSED', '127.0.0.1'],
      ['ECONNREFUSED', '127.0.0.2'],
    ],
  )
  t.regex(all!.message, /127\.0\.0\.1.*127\.0\.0\.2/)
})

test('a blocked event loop does not make the limit accuse a peer that was there in time', async (t) => {
  const listener = await listen(t)
  for (const signal of [undefined, new AbortController().signal]) {
    const connecting = TcpStream.connect(listener.localAddress, { timeout: 5, signal })
    block(20)
    t.false(closing(t, await connecting).closed)
  }
})

// More than the kernel tells of in two turns is ready before the connection is, and all of it while the event loop is blocked.
test.serial('nor one that thousands of other descriptors were ready before', async (t) => {
  const listener = await listen(t)
  const writers = Array.from({ length: 20 }, () => {
    const [reader, writer] = pipe(t)
    // The kernel has no more than 500 duplicates of a file watched.
    for (let i = 0; i < 400; i++) {
      const other = watch(t, own(t, sys.dup(reader)))
      other.subscribe(Interest.READABLE, () => {})
      other.unref()
    }
    return writer
  })
  await settled()
  feed(...writers)
  // The first that keeps the process alive, so that its limit counts from here.
  const connecting = TcpStream.connect(listener.localAddress, { timeout: 5 })
  block(20)
  t.false(closing(t, await connecting).closed)
  await settled()
})

test('a limit, or an abort, that comes after the connection is none of its business', async (t) => {
  const listener = await listen(t)
  const controller = new AbortController()
  const stream = closing(t, await TcpStream.connect(listener.localAddress, { timeout: 100, signal: controller.signal }))
  await sleep(150)
  controller.abort()
  await settled()
  t.false(stream.closed)
})

test('the first address that answers is taken, whichever families come first', async (t) => {
  const listener = await listen(t)
  const { port } = listener.localAddress
  const lookup = ((_host: string, _options: object, callback: (error: null, found: object[]) => void) =>
    callback(null, [
      { address: '127.0.0.9', family: 4 },
      { address: '127.0.0.8', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ])) as never
  const [client, server] = await Promise.all([TcpStream.connect(`name:${port}`, { lookup }), listener.accept()])
  t.is(client.remoteAddress.address, '127.0.0.1')
  client.destroy()
  server.destroy()
})

test('a lookup that fails, never answers, or gives nothing useful', async (t) => {
  const failing = ((_host: string, _options: object, callback: (error: Error) => void) =>
    callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))) as never
  await t.throwsAsync(TcpStream.connect('name:80', { lookup: failing }), { code: 'ENOTFOUND' })
  const silent = (() => {}) as never
  const error = await t.throwsAsync(TcpStream.connect('name:80', { lookup: silent, timeout: 5 }), { code: 'ETIMEDOUT' })
  t.is((error as { timeout?: number }).timeout, 5)
  const controller = new AbortController()
  const connecting = TcpStream.connect('name:80', { lookup: silent, signal: controller.signal })
  controller.abort('changed my mind')
  t.is(await connecting.catch((reason) => reason), 'changed my mind')
  t.is(await TcpStream.connect('name:80', { signal: AbortSignal.abort('before') }).catch((reason) => reason), 'before')
})

/** A listener whose backlog is full: the kernel drops what comes. */
function full(t: T): sys.InetAddress {
  const fd = sys.socket(sys.constants.AF_INET, sys.constants.SOCK_STREAM)
  sys.bind(fd, { address: '127.0.0.1', port: 0 })
  sys.listen(fd, 0)
  const address = sys.localAddress(fd) as sys.InetAddress
  const fillers = Array.from({ length: 4 }, () => {
    const filler = sys.socket(sys.constants.AF_INET, sys.constants.SOCK_STREAM)
    sys.connect(filler, address)
    return filler
  })
  t.teardown(() => {
    for (const each of [fd, ...fillers]) sys.close(each)
  })
  return address
}

if (process.platform === 'linux') {
  test.serial('a peer that never answers: the timeout, an abort, and nothing is left behind', async (t) => {
    const address = full(t)
    const { registered, timers } = reactor.metrics()
    await t.throwsAsync(TcpStream.connect(address, { timeout: 20 }), { code: 'ETIMEDOUT' })
    const controller = new AbortController()
    const connecting = TcpStream.connect(address, { signal: controller.signal, timeout: 1e6 })
    t.true(await isPending(connecting))
    controller.abort('enough')
    t.is(await connecting.catch((reason) => reason), 'enough')
    await settled()
    t.is(reactor.metrics().registered, registered)
    t.is(reactor.metrics().timers, timers)
  })

  test('an address that does not answer holds the others up for a moment only', async (t) => {
    const silent = full(t)
    const listener = closing(t, await TcpListener.bind({ address: '127.0.0.3', port: silent.port }))
    const lookup = ((_host: string, _options: object, callback: (error: null, found: object[]) => void) =>
      callback(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.3', family: 4 },
      ])) as never
    const [client, server] = await Promise.all([
      TcpStream.connect(`name:${silent.port}`, { lookup, timeout: 30_000 }),
      listener.accept(),
    ])
    t.is(client.remoteAddress.address, '127.0.0.3')
    client.destroy()
    server.destroy()
  })
}

test('options of a connection', async (t) => {
  const listener = await listen(t)
  const options = { noDelay: true, keepAlive: 5000, localAddress: { address: '127.0.0.1', port: 0 } }
  const client = closing(t, await TcpStream.connect(listener.localAddress, options))
  const { IPPROTO_TCP, TCP_NODELAY, SOL_SOCKET, SO_KEEPALIVE, SO_LINGER } = sys.constants
  const option = (level: number, name: number) => sys.getSocketOption(client.fd, level, name)
  t.is(option(IPPROTO_TCP, TCP_NODELAY), 1)
  t.is(option(SOL_SOCKET, SO_KEEPALIVE), 1)
  client.setNoDelay(false).setKeepAlive(false).setLinger(1500).setTtl(7)
  t.is(option(IPPROTO_TCP, TCP_NODELAY), 0)
  t.is(option(SOL_SOCKET, SO_KEEPALIVE), 0)
  t.deepEqual([...new Int32Array(sys.getSocketOption(client.fd, SOL_SOCKET, SO_LINGER, 8).buffer.slice(0, 8))], [1, 2])
  if (process.platform === 'linux') {
    t.is(option(IPPROTO_TCP, sys.constants.TCP_KEEPIDLE), 5)
    client.setUserTimeout(1234)
    t.is(option(IPPROTO_TCP, sys.constants.TCP_USER_TIMEOUT), 1234)
  }
  t.is(client.takeError(), null)
  for (const bad of [-1, 1.5, Number.NaN]) t.throws(() => client.setUserTimeout(bad), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => client.setTtl(0), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => client.setNoDelay(1 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => TcpStream.connect('a:1', { noDelay: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => TcpStream.connect('a:1', { keepAlive: 'x' as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => TcpStream.connect('a:1', { keepAlive: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => TcpStream.connect('a:1', { lookup: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => TcpStream.connect('a:1', { localAddress: 'name:1' }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => TcpStream.connect('a:1', null as never), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => TcpStream.connect('a:1', { timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  client.destroy()
  t.throws(() => client.setNoDelay(), { code: 'ERR_ASYNCFD_CLOSED' })
})

test('a reset: what was not read is gone, and the peer is told', async (t) => {
  const [client, server] = await pair(t)
  await server.writeAll(Buffer.from('x'))
  server.setLinger(0)
  await client.readable()
  await server.close()
  await settled()
  const reading = client.read(Buffer.alloc(1)).then(() => client.read(Buffer.alloc(1)))
  await t.throwsAsync(reading, { code: 'ECONNRESET' })
})

test('listening: options, an address in use, several accepts at once', async (t) => {
  const listener = await listen(t)
  await t.throwsAsync(TcpListener.bind(listener.localAddress), { code: 'EADDRINUSE' })
  const waiting = [listener.accept(), listener.accept(), listener.accept()]
  t.true(await isPending(waiting[0]!))
  const clients = await Promise.all(waiting.map(() => TcpStream.connect(listener.localAddress)))
  const servers = await Promise.all(waiting)
  t.is(new Set(servers.map(({ fd }) => fd)).size, 3)
  for (const stream of [...clients, ...servers]) stream.destroy()
  await t.throwsAsync(listener.accept({ timeout: 1 }), { code: 'ETIMEDOUT' })
  await t.throwsAsync(listener.accept({ timeout: 0 }), { code: 'ETIMEDOUT' })
  await t.throwsAsync(listener.accept({ signal: AbortSignal.abort(new Error('no')) }), { message: 'no' })
  t.throws(() => TcpListener.bind(':0', { backlog: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => TcpListener.bind(':0', { reusePort: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => TcpListener.bind(':0', null as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('everywhere: an empty host takes IPv4', async (t) => {
  const listener = closing(t, await TcpListener.bind(':0'))
  const [client, server] = await Promise.all([
    TcpStream.connect({ host: '127.0.0.1', port: listener.localAddress.port }),
    listener.accept(),
  ])
  t.is(client.remoteAddress.address, '127.0.0.1')
  client.destroy()
  server.destroy()
})

test('reusePort: several listeners share an address', async (t) => {
  const first = await listen(t, { reusePort: true })
  const second = closing(t, await TcpListener.bind(first.localAddress, { reusePort: true }))
  const counts = [0, 0]
  const serving = [first, second].map(async (listener, i) => {
    for await (const stream of listener.incoming()) {
      counts[i]!++
      stream.destroy()
    }
  })
  for (let i = 0; i < 40; i++) (await TcpStream.connect(first.localAddress)).destroy()
  await settled()
  first.destroy()
  second.destroy()
  await Promise.all(serving)
  t.true(counts[0]! + counts[1]! > 0)
})

test('close ends incoming and rejects accept; an abort throws', async (t) => {
  const listener = await listen(t)
  const accepting = listener.accept()
  const ended = (async () => {
    for await (const stream of listener.incoming()) stream.destroy()
    return 'ended'
  })()
  await settled()
  await listener.close()
  await t.throwsAsync(accepting, { code: 'ERR_ASYNCFD_CLOSED' })
  t.is(await ended, 'ended')
  const other = await listen(t)
  const controller = new AbortController()
  const next = other.incoming({ signal: controller.signal }).next()
  controller.abort(new Error('shutting down'))
  await t.throwsAsync(next, { message: 'shutting down' })
})

if (process.platform === 'linux') {
  test.serial('no descriptors left: the listener stays, counts, and goes on when there are some', async (t) => {
    const listener = await listen(t)
    const clients = [closing(t, await TcpStream.connect(listener.localAddress))]
    const hoard: number[] = []
    const before = reactor.metrics().acceptPauses
    const told: DiagnosticEvents['accept-backoff'][] = []
    const note = (message: unknown) => void told.push(message as DiagnosticEvents['accept-backoff'])
    subscribe('asyncfd:accept-backoff', note)
    t.teardown(() => void unsubscribe('asyncfd:accept-backoff', note))
    const accepting = listener.accept({ timeout: 60_000 })
    // The first attempt was made at once, and took the connection.
    closing(t, await accepting)
    clients.push(closing(t, await TcpStream.connect(listener.localAddress)))
    const connected = TcpStream.connect(listener.localAddress)
    try {
      for (;;) hoard.push(sys.dup(0))
    } catch (error) {
      t.is((error as { code?: string }).code, 'EMFILE')
    }
    clients.push(closing(t, await connected))
    const next = [listener.accept({ timeout: 60_000 }), listener.accept({ timeout: 60_000 })]
    while (reactor.metrics().acceptPauses === before) await new Promise((resolve) => setImmediate(resolve))
    for (const fd of hoard) sys.close(fd)
    for (const each of next) closing(t, await each)
    t.true(reactor.metrics().acceptPauses > before)
    const { fd, pause, error } = told[0]!
    t.deepEqual([fd, pause, (error as { code?: string }).code], [listener.fd, 5, 'EMFILE'])
  })
}

test('split: two halves, each ends its direction, both the connection', async (t) => {
  const [client, server] = await pair(t)
  const [reader, writer] = client.split()
  const buffer = Buffer.alloc(100)
  await writer.writeAll(Buffer.from('from the half'))
  t.is(await server.read(buffer), 13)
  const lines = reader.lines()
  const next = lines.next()
  await server.writeAll(Buffer.from('to the other\n'))
  t.is((await next).value, 'to the other')
  await writer.close()
  t.is(await server.read(buffer), 0, 'the peer is told')
  t.true(writer.closed)
  t.false(client.closed)
  await server.writeAll(Buffer.from('still heard\n'))
  t.is((await lines.next()).value, 'still heard')
  await reader.close()
  t.true(client.closed)
  await reader.close()
  const [a, b] = await pair(t)
  const [readHalf, writeHalf] = a.split()
  writeHalf.toWritable().end('through streams')
  let text = ''
  for await (const chunk of b.chunks()) text += chunk
  t.is(text, 'through streams')
  await b.close()
  for await (const _ of readHalf.toReadable()) t.fail()
  t.false(a.closed)
  await Promise.all([readHalf.close(), writeHalf.close()])
  t.true(a.closed)
})

test('interoperates with node:net, and becomes a net.Socket', async (t) => {
  const server = createServer((socket) => socket.pipe(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const address = server.address() as { port: number }
  const stream = await TcpStream.connect({ host: '127.0.0.1', port: address.port })
  if (!onNode) {
    t.throws(() => stream.intoSocket(), { code: 'ERR_ASYNCFD_UNSUPPORTED' })
    await stream.close()
    return
  }
  const socket = stream.intoSocket()
  t.true(stream.closed)
  socket.end('through both')
  let text = ''
  for await (const chunk of socket) text += chunk
  t.is(text, 'through both')
})

test('a listener and a stream of a descriptor from elsewhere', async (t) => {
  const listener = await listen(t)
  const moved = closing(t, new TcpListener(listener.intoInner()))
  t.true(listener.closed)
  const client = await TcpStream.connect(moved.localAddress)
  const again = closing(t, new TcpStream(client.intoInner()))
  const server = closing(t, await moved.accept())
  await again.writeAll(Buffer.from('moved'))
  t.is(await server.read(Buffer.alloc(10)), 5)
  t.deepEqual(again.remoteAddress, moved.localAddress)
})

test('a thousand short connections leave nothing behind', async (t) => {
  const listener = await listen(t, { backlog: 1000 })
  const serving = (async () => {
    for await (const stream of listener.incoming()) {
      await stream.writeAll(Buffer.from('bye'))
      await stream.close()
    }
  })()
  const buffer = Buffer.alloc(10)
  for (let round = 0; round < 100; round++) {
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const stream = await TcpStream.connect(listener.localAddress)
        stream.setLinger(0)
        t.is(await stream.read(buffer), 3)
        await stream.close()
      }),
    )
  }
  await listener.close()
  await serving
})
