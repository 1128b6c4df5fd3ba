/**
 * What goes wrong with connections: each fault is told to who waits, by the error that a user of Node knows, and to nobody else.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { type NetConnectOpts, connect as nodeConnect } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { type Async, AsyncFdError, reactor, TimeoutError } from 'asyncfd'
import { lookupHost, TcpListener, TcpStream, UnixListener, UnixStream } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { fill, folder, isPending, noLeaks, refusedAddress, settled } from './helpers/fixtures.js'
import { Child } from './helpers/process.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

/** Bytes that no kernel takes at once while nobody reads. */
const MUCH = 30_000_000
type Stream = TcpStream | UnixStream

const onNode = !('bun' in process.versions) && !('deno' in process.versions)
const onLinux = process.platform === 'linux'
const { errno } = constants
const CLOSED = { code: 'ERR_ASYNCFD_CLOSED' }
const BUSY = { code: 'ERR_ASYNCFD_BUSY' }
const { SOL_SOCKET, SO_SNDBUF, SO_RCVBUF } = sys.constants

noLeaks(test)

function closing<C extends { destroy(): void }>(t: T, made: C): C {
  t.teardown(() => made.destroy())
  return made
}

/** A connection, both ends, and what it was accepted by. */
interface Made {
  client: Stream
  server: Stream
}

const kinds: Record<
  string,
  { listen(t: T, backlog?: number): Promise<TcpListener | UnixListener>; connect(to: unknown): Promise<Stream> }
> = {
  TcpStream: {
    listen: async (t, backlog = 511) => closing(t, await TcpListener.bind('127.0.0.1:0', { backlog })),
    connect: (to) => TcpStream.connect((to as TcpListener).localAddress),
  },
  UnixStream: {
    listen: async (t, backlog = 511) => closing(t, await UnixListener.bind(join(folder(t), 'socket'), { backlog })),
    connect: (to) => UnixStream.connect((to as UnixListener).localAddress),
  },
}

async function made(t: T, kind: string): Promise<Made> {
  const { listen, connect } = kinds[kind]!
  const listener = await listen(t)
  const [client, server] = await Promise.all([connect(listener), listener.accept()])
  listener.destroy()
  return { client: closing(t, client), server: closing(t, server) }
}

/** Ends the connection by a reset: what was not sent or read is thrown away. */
async function reset(t: T, stream: Stream, peer: Stream): Promise<void> {
  if (stream instanceof TcpStream) stream.setLinger(0)
  else {
    // A Unix socket resets where it is closed with something unread.
    await peer.write(Buffer.from('never read'))
    await stream.readable()
  }
  await stream.close()
  t.true(stream.closed)
}

/** Memory that can be shrunk. */
const resizable = (size: number): ArrayBuffer =>
  new (ArrayBuffer as unknown as new (size: number, options: object) => ArrayBuffer)(size, { maxByteLength: size })

/** A DataView tells differently that it is detached. */
const VIEWS = [Uint8Array, DataView] as unknown as readonly (new (memory: ArrayBuffer) => ArrayBufferView)[]

/** What can be done to the memory of a buffer while it is in use. */
const spoil: Record<string, (memory: ArrayBuffer) => void> = {
  transferred: (memory) => void structuredClone(memory, { transfer: [memory] }),
  shrunk: (memory) => (memory as ArrayBuffer & { resize(size: number): void }).resize(0),
}

interface NodeError extends Error {
  code?: string
  errno?: number
  syscall?: string
  address?: string
  port?: number
  bytesWritten?: number
}

/** What Node's own socket says to the same. */
async function ofNode(options: NetConnectOpts): Promise<NodeError> {
  const socket = nodeConnect(options)
  const [error] = (await once(socket, 'error')) as [NodeError]
  socket.destroy()
  return error
}

const numbered = ({ code, errno, syscall, address, port }: NodeError) => ({ code, errno, syscall, address, port })

/** The names of the sockets that this process has open. */
const descriptors = () => (onLinux ? readdirSync('/proc/self/fd').length : 0)

// Connecting.

test('refused: the error is that of node:net', async (t) => {
  const { address, port } = refusedAddress(t)
  const error = (await t.throwsAsync(TcpStream.connect({ host: address, port }))) as NodeError
  t.true(error instanceof AsyncFdError)
  t.like(error, { code: 'ECONNREFUSED', syscall: 'connect', address, port })
  if (onNode) t.deepEqual(numbered(error), numbered(await ofNode({ host: address, port })))
  const path = join(folder(t), 'nobody')
  const absent = (await t.throwsAsync(UnixStream.connect(path))) as NodeError
  t.like(absent, { code: 'ENOENT', syscall: 'connect', address: path })
  if (onNode) t.deepEqual(numbered(absent), numbered(await ofNode({ path })))
})

// The kernel refuses at once to connect to many: nothing leaves this host.
const NOWHERE = ['255.255.255.255', '224.0.0.1', 'ff02::1']

if (onLinux) {
  test('unreachable: the error is that of node:net, and names the address', async (t) => {
    for (const host of NOWHERE) {
      const error = (await t.throwsAsync(TcpStream.connect({ host, port: 9 }))) as NodeError
      if (error.code === 'EAFNOSUPPORT') continue // no IPv6 here
      t.like(error, { code: 'ENETUNREACH', syscall: 'connect', address: host, port: 9 })
      if (onNode) t.deepEqual(numbered(error), numbered(await ofNode({ host, port: 9 })))
    }
  })

  test('unreachable: the other addresses of a name are tried at once, and all errors told', async (t) => {
    const listener = closing(t, await TcpListener.bind('127.0.0.1:0'))
    const { port } = listener.localAddress
    const of = (...addresses: string[]) =>
      ((_host: string, _options: object, callback: (error: null, found: object[]) => void) =>
        callback(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        )) as never
    const client = closing(t, await TcpStream.connect(`name:${port}`, { lookup: of(...NOWHERE, '127.0.0.1') }))
    t.is(client.remoteAddress.address, '127.0.0.1')
    closing(t, await listener.accept())
    const refused = refusedAddress(t)
    const error = (await t.throwsAsync(
      TcpStream.connect(`name:${refused.port}`, { lookup: of('255.255.255.255', '127.0.0.1') }),
    )) as AggregateError & NodeError
    t.true(error instanceof AggregateError)
    t.is(error.code, 'ENETUNREACH')
    t.deepEqual(
      (error.errors as NodeError[]).map(({ code, address }) => [code, address]),
      [
        ['ENETUNREACH', '255.255.255.255'],
        ['ECONNREFUSED', '127.0.0.1'],
      ],
    )
  })
}

test('an address to connect from that is not ours: the error names that one', async (t) => {
  const listener = closing(t, await TcpListener.bind('127.0.0.1:0'))
  // 192.0.2.0/24 is for documents: nobody has it.
  const connecting = TcpStream.connect(listener.localAddress, { localAddress: '192.0.2.1:0' })
  const error = (await t.throwsAsync(connecting)) as NodeError
  t.like(error, { code: 'EADDRNOTAVAIL', syscall: 'bind', address: '192.0.2.1' })
  const taken = closing(t, await TcpListener.bind('127.0.0.1:0'))
  const busy = TcpStream.connect(listener.localAddress, { localAddress: taken.localAddress })
  t.like(await t.throwsAsync(busy), { code: 'EADDRINUSE', syscall: 'bind', port: taken.localAddress.port })
})

test('listening where that is not possible: the error names the address', async (t) => {
  const { localAddress } = closing(t, await TcpListener.bind('127.0.0.1:0'))
  const { address, port } = localAddress
  const inUse = await t.throwsAsync(TcpListener.bind(localAddress))
  t.like(inUse, { code: 'EADDRINUSE', errno: -errno.EADDRINUSE, syscall: 'bind', address, port })
  const notOurs = await t.throwsAsync(TcpListener.bind('192.0.2.1:0'))
  t.like(notOurs, { code: 'EADDRNOTAVAIL', errno: -errno.EADDRNOTAVAIL, syscall: 'bind', address: '192.0.2.1', port: 0 })
  const path = join(folder(t), 'missing/socket')
  t.like(await t.throwsAsync(UnixListener.bind(path)), { code: 'ENOENT', errno: -errno.ENOENT, syscall: 'bind', address: path })
})

if (onLinux) {
  test.serial('timed out: by the limit that was asked for; nothing stays open', async (t) => {
    const { listen, connect } = kinds.TcpStream!
    const listener = (await listen(t, 0)) as TcpListener
    const first = closing(t, await connect(listener))
    // The queue has one place; who comes next gets no answer.
    const before = descriptors()
    const begun = performance.now()
    const error = await t.throwsAsync(TcpStream.connect(listener.localAddress, { timeout: 30 }), { code: 'ETIMEDOUT' })
    t.true(performance.now() - begun >= 30)
    t.true(error instanceof TimeoutError)
    t.true((error as TimeoutError).elapsed >= 30)
    await settled()
    t.is(descriptors(), before)
    t.true(await isPending(first.read(Buffer.alloc(1), { timeout: 60_000 }).catch(() => {})))
  })

  test('timed out: by the kernel, as the peer takes nothing any more; who writes is told how much was taken', async (t) => {
    const { client } = (await made(t, 'TcpStream')) as { client: TcpStream }
    client.setUserTimeout(50)
    const size = 30_000_000
    const error = (await t.throwsAsync(client.writeAll(Buffer.alloc(size)))) as NodeError
    t.true(error instanceof AsyncFdError, 'it is no limit of ours')
    t.like(error, { code: 'ETIMEDOUT', errno: -errno.ETIMEDOUT, syscall: 'send' })
    t.true(error.bytesWritten! > 0 && error.bytesWritten! < size, `${error.bytesWritten}`)
    await t.throwsAsync(client.write(Buffer.alloc(1)), { code: 'EPIPE' })
    t.is(await client.read(Buffer.alloc(1)), 0)
  })
}

test.serial('closing while connecting: an abort rejects with its reason, and nothing stays open', async (t) => {
  for (const [kind, { listen }] of Object.entries(kinds)) {
    const listener = await listen(t, 0)
    const to = listener.localAddress
    const connect = (signal?: AbortSignal, timeout?: number): Promise<Stream> =>
      'path' in to ? UnixStream.connect(to, { signal, timeout }) : TcpStream.connect(to, { signal, timeout })
    const waiting: Stream[] = []
    for (let full = false; !full; ) {
      await connect(undefined, 20).then(
        (stream) => waiting.push(closing(t, stream)),
        () => {
          full = true
        },
      )
    }
    await settled()
    const before = descriptors()
    const { registered } = reactor.metrics()
    const controllers = Array.from({ length: 5 }, () => new AbortController())
    const connecting = controllers.map(({ signal }) => connect(signal, 60_000))
    t.true(await isPending(Promise.race(connecting)), kind)
    t.true(!onLinux || descriptors() === before + 5, kind)
    const reason = { its: 'own' }
    for (const controller of controllers) controller.abort(reason)
    for (const one of connecting) t.is(await one.catch((error: unknown) => error), reason, kind)
    await settled()
    t.is(descriptors(), before, kind)
    t.is(reactor.metrics().registered, registered, kind)
  }
})

test('host names that are none, and far too long ones, are the lookup’s error', async (t) => {
  for (const host of ['x'.repeat(300), `${'a.'.repeat(200)}invalid`, 'no such host.invalid']) {
    const error = (await t.throwsAsync(TcpStream.connect({ host, port: 80 }))) as NodeError
    t.regex(String(error.code), /^(E|UV_|ARES_|DNS_)/, host)
    await t.throwsAsync(lookupHost({ host, port: 80 }))
  }
})

// Streams that are over.

for (const kind of Object.keys(kinds)) {
  test(`${kind}: closing while reading ends every way to read`, async (t) => {
    for (const end of ['close', 'destroy', 'intoInner'] as const) {
      const ways: Record<string, (stream: Stream) => Promise<unknown>> = {
        read: (stream) => stream.read(Buffer.alloc(10)),
        'a large read': (stream) => stream.read(Buffer.alloc(100_000)),
        'read with limits': (stream) => stream.read(Buffer.alloc(10), { timeout: 60_000, signal: new AbortController().signal }),
        readable: (stream) => stream.readable(),
        readWith: (stream) => stream.readWith((fd) => sys.read(fd, Buffer.alloc(1))),
        peek: (stream) => (stream instanceof TcpStream ? stream.peek(Buffer.alloc(1)) : stream.recvFds(Buffer.alloc(1))),
      }
      for (const [way, wait] of Object.entries(ways)) {
        const { client } = await made(t, kind)
        const waiting = wait(client)
        t.true(await isPending(waiting))
        const inner = client[end]()
        await t.throwsAsync(waiting, CLOSED, `${way} by ${end}`)
        if (end === 'intoInner') sys.close(inner as number)
        await t.throwsAsync(wait(client), CLOSED, `${way} after ${end}`)
      }
      const { client } = await made(t, kind)
      const chunk = client.chunks().next()
      await settled()
      const inner = client[end]()
      t.true((await chunk).done, end)
      t.true((await client.lines().next()).done, end)
      if (end === 'intoInner') sys.close(inner as number)
    }
  })

  test(`${kind}: closing while writing says how much was written`, async (t) => {
    for (const end of ['close', 'destroy', 'intoInner'] as const) {
      const { client, server } = await made(t, kind)
      const size = 20_000_000
      const writing = client.writeAll(Buffer.alloc(size, 'x'))
      t.true(await isPending(writing))
      const inner = client[end]()
      const error = (await t.throwsAsync(writing, CLOSED)) as NodeError
      t.true(error.bytesWritten! > 0 && error.bytesWritten! < size)
      if (end === 'intoInner') sys.close(inner as number)
      let arrived = 0
      for await (const chunk of server.chunks({ lend: true })) arrived += chunk.length
      t.is(arrived, error.bytesWritten!, `what was taken arrives: ${end}`)
      await t.throwsAsync(client.write(Buffer.alloc(1)), CLOSED)
      await t.throwsAsync(client.writeAll(Buffer.alloc(1)), CLOSED)
      await t.throwsAsync(client.writable(), CLOSED)
    }
  })

  test(`${kind}: closing from within what a read resolves, with a write pending`, async (t) => {
    const { client, server } = await made(t, kind)
    const writing = t.throwsAsync(client.writeAll(Buffer.alloc(MUCH)), CLOSED)
    const closed = client.read(Buffer.alloc(1)).then(async () => {
      const next = client.read(Buffer.alloc(1))
      client.destroy()
      await t.throwsAsync(next, CLOSED)
    })
    await server.write(Buffer.from('x'))
    await Promise.all([closed, writing])
  })

  test(`${kind}: closing while accepting`, async (t) => {
    for (const end of ['close', 'destroy', 'intoInner'] as const) {
      const listener = await kinds[kind]!.listen(t)
      const waiting = [listener.accept(), listener.accept({ timeout: 60_000 }), listener.accept()]
      const next = listener.incoming().next()
      t.true(await isPending(Promise.race([...waiting, next])))
      const inner = listener[end]()
      for (const one of waiting) await t.throwsAsync(one as Promise<unknown>, CLOSED)
      t.true((await next).done)
      await t.throwsAsync(listener.accept() as Promise<unknown>, CLOSED)
      if (end === 'intoInner') sys.close(inner as number)
    }
  })

  test(`${kind}: a listener that goes away refuses who comes, and resets who waits in its queue`, async (t) => {
    const { listen, connect } = kinds[kind]!
    const listener = await listen(t)
    const queued = closing(t, await connect(listener))
    const to = listener.localAddress
    const reading = queued.read(Buffer.alloc(1))
    t.true(await isPending(reading))
    await listener.close()
    const outcome = await reading.catch((error: NodeError) => error.code)
    t.true(outcome === 'ECONNRESET' || outcome === 0, String(outcome))
    const again = 'path' in to ? UnixStream.connect(to) : TcpStream.connect(to)
    const { code } = (await t.throwsAsync<NodeError>(again as Promise<unknown>)) as NodeError
    // Reset, if another process has taken the number of the port by now and gives it up.
    t.true(['ECONNREFUSED', 'ENOENT', 'ECONNRESET'].includes(String(code)), code)
  })

  test(`${kind}: a connection that was reset while it waited in the queue is accepted, and the next as well`, async (t) => {
    const { listen, connect } = kinds[kind]!
    const listener = await listen(t)
    const over = await connect(listener)
    if (over instanceof TcpStream) over.setLinger(0)
    await over.close()
    const client = closing(t, await connect(listener))
    const first = closing(t, (await listener.accept({ timeout: 60_000 })) as Stream)
    const outcome = await first.read(Buffer.alloc(1)).catch((error: NodeError) => error.code)
    t.true(outcome === 'ECONNRESET' || outcome === 0, String(outcome))
    const second = closing(t, (await listener.accept({ timeout: 60_000 })) as Stream)
    await client.write(Buffer.from('x'))
    t.is(await second.read(Buffer.alloc(1)), 1)
  })

  test(`${kind}: a reset during a read: ECONNRESET, then the end`, async (t) => {
    const ways: Record<string, (stream: Stream) => Promise<unknown>> = {
      read: (stream) => stream.read(Buffer.alloc(10)),
      'a large read': (stream) => stream.read(Buffer.alloc(100_000)),
      chunks: (stream) => stream.chunks().next(),
      lines: (stream) => stream.lines().next(),
      toReadable: (stream) => once(stream.toReadable({ autoClose: false }).resume(), 'end'),
      readableStream: (stream) => stream.readableStream.getReader().read(),
    }
    for (const [way, wait] of Object.entries(ways)) {
      const { client, server } = await made(t, kind)
      const waiting = wait(client)
      t.true(await isPending(waiting))
      await reset(t, server, client)
      const error = await t.throwsAsync(waiting, { code: 'ECONNRESET' }, way)
      t.like(error, { errno: -errno.ECONNRESET, syscall: 'recv' }, way)
      if (!client.closed) t.is(await client.read(Buffer.alloc(10)), 0, way)
    }
  })

  test(`${kind}: a write after a reset says that it was one, if the system does, and EPIPE from then on`, async (t) => {
    const ways: Record<string, (stream: Stream) => Promise<unknown>> = {
      write: (stream) => stream.write(Buffer.from('x')),
      writeAll: (stream) => stream.writeAll(Buffer.from('x')),
      'writeAll with a limit': (stream) => stream.writeAll(Buffer.from('x'), { timeout: 1000 }),
      toWritable: async (stream) => {
        const writable = stream.toWritable({ autoClose: false })
        writable.write('x')
        throw (await once(writable, 'error'))[0]
      },
      writableStream: (stream) => stream.writableStream.getWriter().write(Buffer.from('x')),
    }
    for (const [way, write] of Object.entries(ways)) {
      const { client, server } = await made(t, kind)
      await reset(t, server, client)
      const code = kind === 'TcpStream' ? 'ECONNRESET' : 'EPIPE'
      await t.throwsAsync(write(client), { code, message: /send/ }, way)
      if (!client.closed) await t.throwsAsync(client.writeAll(Buffer.from('x')), { code: 'EPIPE' }, way)
    }
  })

  test.serial(
    `${kind}: a peer that vanishes in the middle of a write: an error that says how much was taken, and no signal`,
    async (t) => {
      let signals = 0
      const count = () => signals++
      process.on('SIGPIPE', count)
      t.teardown(() => void process.off('SIGPIPE', count))
      for (const vanish of ['close', 'reset'] as const) {
        const { client, server } = await made(t, kind)
        const size = 20_000_000
        const writing = client.writeAll(Buffer.alloc(size))
        t.true(await isPending(writing))
        if (vanish === 'close') await server.close()
        else await reset(t, server, client).catch(() => server.close()) // its peer is busy writing
        const error = (await t.throwsAsync(writing)) as NodeError
        t.true(error.code === 'EPIPE' || error.code === 'ECONNRESET', error.code)
        t.is(error.syscall, 'send')
        t.true(error.bytesWritten! > 0 && error.bytesWritten! < size)
        for (let i = 0; i < 3; i++) await t.throwsAsync(client.write(Buffer.from('x')), { code: 'EPIPE' })
        const stream = client.toWritable()
        const failed = once(stream, 'error')
        stream.write('x')
        t.is(((await failed) as [NodeError])[0].code, 'EPIPE')
      }
      await settled()
      t.is(signals, 0)
    },
  )

  test(`${kind}: half-closes, from either side first`, async (t) => {
    for (const order of ['client', 'server'] as const) {
      const { client, server } = await made(t, kind)
      const [first, second] = order === 'client' ? [client, server] : [server, client]
      const reading = second.read(Buffer.alloc(10))
      t.true(await isPending(reading))
      first.shutdown()
      t.is(await reading, 0)
      t.is(await second.read(Buffer.alloc(10)), 0, 'and again')
      await t.throwsAsync(first.write(Buffer.from('x')), { code: 'EPIPE', message: /send/ })
      const large = Buffer.alloc(3_000_000, 'y')
      const writing = second.writeAll(large).then(() => second.shutdown())
      let arrived = 0
      for await (const chunk of first.chunks({ lend: true })) arrived += chunk.length
      await writing
      t.is(arrived, large.length)
      t.is(await first.read(Buffer.alloc(10)), 0)
      t.false(first.closed)
    }
  })

  test(`${kind}: shutting the own reading side down wakes who reads`, async (t) => {
    const { client, server } = await made(t, kind)
    const reading = client.read(Buffer.alloc(10))
    t.true(await isPending(reading))
    client.shutdown('read')
    t.is(await reading, 0)
    await client.write(Buffer.from('still'))
    t.is(await server.read(Buffer.alloc(10)), 5)
  })

  test(`${kind}: reads and writes of nothing wait for nothing, take nothing, send nothing`, async (t) => {
    const { client, server } = await made(t, kind)
    const nothing = Buffer.alloc(0)
    t.is(await client.read(nothing), 0)
    t.is(await client.write(nothing), 0)
    await client.writeAll(nothing)
    if (client instanceof TcpStream) t.is(await client.peek(nothing), 0)
    await t.throwsAsync(server.read(Buffer.alloc(1), { timeout: 0 }), { code: 'ETIMEDOUT' })
    await client.write(Buffer.from('data'))
    await server.readable()
    t.is(await server.read(nothing), 0)
    t.is(await server.read(Buffer.alloc(10)), 4)
    await client.close()
    t.is(await server.read(nothing), 0)
    for (const call of ['read', 'write', 'writeAll'] as const) await t.throwsAsync(client[call](nothing), CLOSED)
  })

  test(`${kind}: two readers at once, or two writers: the second is refused, and the first goes on`, async (t) => {
    const { client, server } = await made(t, kind)
    const firsts: Record<string, () => Promise<unknown>> = {
      read: () => client.read(Buffer.alloc(4)),
      'a large read': () => client.read(Buffer.alloc(50_000)),
      chunks: () => client.chunks().next(),
      lines: () => client.lines().next(),
    }
    for (const [first, begin] of Object.entries(firsts)) {
      const reading = begin()
      t.true(await isPending(reading))
      for (const [second, again] of Object.entries(firsts)) await t.throwsAsync(again(), BUSY, `${second} during ${first}`)
      const { code } = ((await once(client.toReadable({ autoClose: false }).resume(), 'error')) as [NodeError])[0]
      t.is(code, 'ERR_ASYNCFD_BUSY', first)
      await server.write(Buffer.from('abc\n'))
      await t.notThrowsAsync(reading, first)
    }
    const writing = client.writeAll(Buffer.concat([Buffer.alloc(MUCH), Buffer.from('the first')]))
    t.true(await isPending(writing))
    for (const call of ['write', 'writeAll'] as const) await t.throwsAsync(client[call](Buffer.from('x')), BUSY)
    let text = ''
    while (!text.endsWith('the first')) {
      const { value } = await server.chunks().next()
      text = (text + value.toString('latin1')).slice(-20)
    }
    await writing
  })

  test.serial(
    `${kind}: buffers that are transferred or shrunk in the middle of a read: refused, and no byte is lost`,
    async (t) => {
      const { client, server } = await made(t, kind)
      for (const [how, change] of Object.entries(spoil)) {
        for (const size of [64, 100_000]) {
          for (const View of VIEWS) {
            const memory = resizable(size)
            const reading = server.read(new View(memory))
            t.true(await isPending(reading))
            change(memory)
            await client.write(Buffer.from('data'))
            await t.throwsAsync(reading, { code: 'ERR_INVALID_STATE' }, `${how}, ${size}, ${View.name}`)
            const buffer = Buffer.alloc(10)
            let text = ''
            while (text.length < 4) text += buffer.toString('latin1', 0, await server.read(buffer))
            t.is(text, 'data')
          }
        }
      }
    },
  )

  test(`${kind}: buffers that are transferred or shrunk in the middle of a write: refused, and nothing goes on for ever`, async (t) => {
    for (const call of ['write', 'writeAll'] as const) {
      for (const View of VIEWS) {
        for (const [how, change] of Object.entries(spoil)) {
          const { client, server } = await made(t, kind)
          let memory: ArrayBuffer
          let writing: Promise<unknown>
          // The kernel makes TCP's buffers larger when it likes, so what is full may not be by then.
          do {
            fill(client.fd)
            memory = resizable(100)
            writing = client[call](new View(memory))
          } while (!(await isPending(writing)))
          change(memory)
          const drained = (async () => {
            for await (const _ of server.chunks({ lend: true }));
          })()
          await t.throwsAsync(writing, { code: 'ERR_INVALID_STATE' }, `${call}, ${View.name}, ${how}`)
          await client.close()
          await drained
        }
      }
    }
  })

  test(`${kind}: the smallest socket buffers, both directions at once: everything arrives, in order`, async (t) => {
    const { client, server } = await made(t, kind)
    for (const { fd } of [client, server]) {
      for (const option of [SO_SNDBUF, SO_RCVBUF]) sys.setSocketOption(fd, SOL_SOCKET, option, 1)
    }
    const size = kind === 'TcpStream' ? 80_000 : 200_000 // TCP's windows of a few bytes wait for timers of the kernel
    const sent = Buffer.from(Uint8Array.from({ length: size }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24))
    const receive = async (from: Async) => {
      const got: Buffer[] = []
      for await (const chunk of from.chunks()) got.push(chunk)
      return Buffer.concat(got)
    }
    const send = async (to: Stream) => {
      const written = await to.write(sent)
      t.true(written < size, 'there is no room for all')
      await to.writeAll(sent.subarray(written))
      to.shutdown()
    }
    const [, , back, forth] = await Promise.all([send(client), send(server), receive(client), receive(server)])
    t.true(back.equals(sent))
    t.true(forth.equals(sent))
  })
}

test('accepting with a socket that is no listener fails, and does not go on for ever', async (t) => {
  const { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM } = sys.constants
  const wrong: [string, () => TcpListener | UnixListener][] = [
    ['EOPNOTSUPP', () => new TcpListener(sys.socket(AF_INET, SOCK_DGRAM))],
    ['EOPNOTSUPP', () => new UnixListener(sys.socket(AF_UNIX, SOCK_DGRAM))],
    ['EINVAL', () => new TcpListener(sys.socket(AF_INET, SOCK_STREAM))],
    ['EINVAL', () => new UnixListener(sys.socket(AF_UNIX, SOCK_STREAM))],
  ]
  for (const [code, make] of wrong) {
    const listener = closing(t, make())
    await t.throwsAsync(listener.accept() as Promise<unknown>, { code })
    await t.throwsAsync(listener.incoming().next(), { code })
  }
})

// Signals.

/** The threads that wait for the threaded driver: a signal is taken by the thread whose number it is sent to. */
function waitingThreads(pid: number): number[] {
  if (!onLinux) return []
  const tasks = readdirSync(`/proc/${pid}/task`)
  return tasks.filter((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() === 'asyncfd').map(Number)
}

test('signals during reads, writes, accepts and waits: none of them fails, and no byte is lost', async (t) => {
  const child = await Child.start('net-signals', [])
  await child.said('ready')
  let sent = 0
  let over = false
  void child.ended.finally(() => {
    over = true
  })
  while (!over) {
    try {
      for (const id of [child.pid, ...waitingThreads(child.pid)]) {
        process.kill(id, 'SIGUSR2')
        sent++
      }
    } catch {
      // A thread has ended, or all of it.
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { code, signal, stdout, stderr } = await child.ended
  t.is(signal, null)
  t.is(code, 0, stderr)
  const received = Number(/^signals (\d+)$/m.exec(stdout)?.[1])
  t.true(sent > 20 && received > 10, `${received} of ${sent}`)
})
