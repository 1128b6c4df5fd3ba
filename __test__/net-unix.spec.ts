/**
 * Unix sockets: streams, datagrams and packets between processes of one host, and the files that they are bound to.
 *
 * Portable: bun, deno
 */
import { chmodSync, existsSync, lstatSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect as netConnect } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Async, reactor, WouldBlock } from 'asyncfd'
import { UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { feed, fill, folder, isPending, noLeaks, own, pipe, release, settled, shut, take } from './helpers/fixtures.js'
import { descriptorsOf, fileOf, flagsOf, NOT_OPEN } from './helpers/sys.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>
const { constants } = sys
const TYPE = { code: 'ERR_INVALID_ARG_TYPE' }
const VALUE = { code: 'ERR_INVALID_ARG_VALUE' }
const RANGE = { code: 'ERR_OUT_OF_RANGE' }
const CLOSED = { code: 'ERR_ASYNCFD_CLOSED' }
const TIMEOUT = { code: 'ETIMEDOUT' }

noLeaks(test)

interface Closable {
  close(): Promise<void>
}

/** The test closes them when it ends. */
function closing<S extends Closable | readonly Closable[]>(t: T, made: S): S {
  t.teardown(async () => {
    for (const one of [made].flat() as Closable[]) await one.close()
  })
  return made
}

let names = 0
/** An abstract name that nobody else has. */
const abstract = () => `\0asyncfd-test-${process.pid}-${names++}`
const path = (t: T) => join(folder(t), 'socket')

/** Both kinds of connections, and what tests need to do with either. */
const kinds = {
  UnixStream: {
    listen: (...args: Parameters<typeof UnixListener.bind>) => UnixListener.bind(...args),
    connect: (...args: Parameters<typeof UnixStream.connect>) => UnixStream.connect(...args),
    pair: () => UnixStream.pair(),
    send: (from: UnixStream | UnixSeqpacket, data: string) => (from as UnixStream).write(Buffer.from(data)),
    recv: (to: UnixStream | UnixSeqpacket, ...args: Parameters<UnixStream['read']>) => (to as UnixStream).read(...args),
  },
  UnixSeqpacket: {
    listen: (...args: Parameters<typeof UnixSeqpacketListener.bind>) => UnixSeqpacketListener.bind(...args),
    connect: (...args: Parameters<typeof UnixSeqpacket.connect>) => UnixSeqpacket.connect(...args),
    pair: () => UnixSeqpacket.pair(),
    send: (from: UnixStream | UnixSeqpacket, data: string) => (from as UnixSeqpacket).send(Buffer.from(data)),
    recv: (to: UnixStream | UnixSeqpacket, ...args: Parameters<UnixStream['read']>) => (to as UnixSeqpacket).recv(...args),
  },
}

/** What binds to a path. */
const binders = {
  UnixListener: kinds.UnixStream.listen,
  UnixSeqpacketListener: kinds.UnixSeqpacket.listen,
  UnixDatagram: (...args: Parameters<typeof UnixDatagram.bind>) => UnixDatagram.bind(...args),
}

for (const [what, { listen, connect, pair, send, recv }] of Object.entries(kinds)) {
  /** What is there, as text. */
  const text = async (from: UnixStream | UnixSeqpacket, size = 100): Promise<string> => {
    const buffer = Buffer.alloc(size)
    return buffer.toString('latin1', 0, await recv(from, buffer))
  }

  test(`${what}: a listener takes connections, which carry bytes both ways until they end`, async (t) => {
    for (const name of [path(t), abstract()]) {
      const listener = closing(t, await listen(name))
      t.deepEqual(listener.localAddress, { path: name })
      const accepting = listener.accept()
      t.true(await isPending(accepting))
      const client = closing(t, await connect(name))
      const server = closing(t, await accepting)
      t.is(server.constructor.name, what)
      t.deepEqual(server.localAddress, { path: name })
      t.deepEqual(client.localAddress, { path: '' })
      const reading = text(server)
      t.true(await isPending(reading))
      t.is(await send(client, 'ping'), 4)
      t.is(await reading, 'ping')
      await send(server, 'pong')
      t.is(await text(client), 'pong')
      await client.close()
      t.is(await text(server), '')
      t.is(await text(server), '')
      await t.throwsAsync(send(server, 'x'), { code: 'EPIPE' })
      const again = closing(t, await connect({ path: name }))
      closing(t, await listener.accept())
      t.true(sys.isNonblocking(again.fd))
    }
  })

  test(`${what}: several accept at once, and incoming goes on until close`, async (t) => {
    const listener = closing(t, await listen(path(t)))
    const { path: name } = listener.localAddress
    const controller = new AbortController()
    const accepting = [listener.accept(), listener.accept({ signal: controller.signal }), listener.accept()]
    t.true(await isPending(accepting[0]!))
    controller.abort(new Error('gave up'))
    await t.throwsAsync(accepting[1]!, { message: 'gave up' })
    closing(t, [await connect(name), await connect(name)])
    closing(t, await Promise.all([accepting[0]!, accepting[2]!]))
    await t.throwsAsync(listener.accept({ timeout: 0 }), TIMEOUT)
    await t.throwsAsync(listener.accept({ timeout: 2 }), TIMEOUT)
    let count = 0
    const serving = (async () => {
      for await (const connection of listener.incoming()) {
        closing(t, connection)
        count++
      }
    })()
    closing(t, [await connect(name), await connect(name), await connect(name)])
    while (count < 3) await settled()
    await listener.close()
    await serving
    t.is(count, 3)
    await t.throwsAsync(listener.accept(), CLOSED)
    t.throws(() => listener.localAddress, CLOSED)
    t.deepEqual(await listener.incoming().next(), { done: true, value: undefined })
    const other = closing(t, await listen(path(t)))
    const pending = other.accept()
    const iterator = other.incoming({ timeout: 2 })
    await t.throwsAsync(iterator.next(), TIMEOUT)
    other.destroy()
    await t.throwsAsync(pending, CLOSED)
    t.true((await iterator.next()).done)
  })

  test(`${what}: connecting to nobody`, async (t) => {
    const name = path(t)
    await t.throwsAsync(connect(name), { code: 'ENOENT' })
    await t.throwsAsync(connect(abstract()), { code: 'ECONNREFUSED' })
    const listener = await listen(name, { unlink: false })
    await listener.close()
    const error = (await t.throwsAsync(connect(name), { code: 'ECONNREFUSED' })) as Error & { address?: string }
    t.is(error.address, name)
    const datagram = closing(t, await UnixDatagram.bind(abstract()))
    await t.throwsAsync(connect(datagram.localAddress), { code: 'ECONNREFUSED' }, 'an abstract name is of one type')
    rmSync(name)
    const bound = closing(t, await UnixDatagram.bind(name))
    await t.throwsAsync(connect(bound.localAddress), { code: 'EPROTOTYPE' })
  })

  test(`${what}: a full backlog is waited for, within the limits`, async (t) => {
    const listener = closing(t, await listen(path(t), { backlog: 0 }))
    const { path: name } = listener.localAddress
    const waiting: Closable[] = closing(t, [])
    for (;;) {
      try {
        waiting.push(await connect(name, { timeout: 0 }))
      } catch (error) {
        t.is((error as { code?: string }).code, 'ETIMEDOUT')
        break
      }
    }
    t.true(waiting.length > 0)
    const begun = performance.now()
    const error = (await t.throwsAsync(connect(name, { timeout: 5 }), TIMEOUT)) as Error & { elapsed: number }
    t.true(performance.now() - begun >= 5 && error.elapsed >= 5)
    await t.throwsAsync(connect(name, { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' })
    const controller = new AbortController()
    const aborted = connect(name, { signal: controller.signal })
    const late = connect(name, { timeout: 60_000 })
    t.true(await isPending(late))
    controller.abort(new Error('while waiting'))
    await t.throwsAsync(aborted, { message: 'while waiting' })
    for (const _ of waiting) closing(t, await listener.accept())
    closing(t, await late)
    closing(t, await listener.accept())
    await t.throwsAsync(listener.accept({ timeout: 0 }), TIMEOUT, 'who gave up did not connect')
    for (let full = false; !full; ) {
      try {
        waiting.push(await connect(name, { timeout: 0 }))
      } catch {
        full = true
      }
    }
    const refused = connect(name)
    t.true(await isPending(refused))
    await listener.close()
    const { code } = (await t.throwsAsync(refused)) as Error & { code?: string }
    t.true(code === 'ENOENT' || code === 'ECONNREFUSED', code)
  })

  test(`${what}: limits, and closing while pending`, async (t) => {
    const [a, b] = closing(t, pair())
    const buffer = Buffer.alloc(10)
    await t.throwsAsync(recv(a, buffer, { timeout: 0 }), TIMEOUT)
    await t.throwsAsync(recv(a, buffer, { timeout: 2 }), TIMEOUT)
    await t.throwsAsync(a.recvFds(buffer, { timeout: 2 }), TIMEOUT)
    await t.throwsAsync(a.recvFds(buffer, { signal: AbortSignal.abort(new Error('no')) }), { message: 'no' })
    const controller = new AbortController()
    const aborted = recv(a, buffer, { signal: controller.signal })
    t.true(await isPending(aborted))
    controller.abort(new Error('enough'))
    await t.throwsAsync(aborted, { message: 'enough' })
    const pending = [recv(a, buffer), a.recvFds(buffer)]
    await settled()
    await a.close()
    for (const one of pending) await t.throwsAsync(one, CLOSED)
    await t.throwsAsync(a.recvFds(buffer), CLOSED)
    await t.throwsAsync(a.sendFds([1]), CLOSED)
    await t.throwsAsync(send(a, 'x'), CLOSED)
    t.throws(() => a.localAddress, CLOSED)
    t.throws(() => a.peerCredentials(), CLOSED)
    t.is(await text(b), '')
  })

  test(`${what}: descriptors are passed, and belong to who received them`, async (t) => {
    const [a, b] = closing(t, pair())
    const [reader, writer] = pipe(t)
    const buffer = Buffer.alloc(8)
    const receiving = b.recvFds(buffer)
    t.true(await isPending(receiving))
    t.is(await a.sendFds([writer]), 1)
    const { bytes, fds } = await receiving
    t.is(bytes, 1)
    t.is(buffer[0], 0)
    t.is(fds.length, 1)
    own(t, fds[0]!)
    t.true(flagsOf(fds[0]!).cloexec)
    t.is(fileOf(fds[0]!), fileOf(writer))
    shut(writer)
    feed(fds[0]!)
    t.is(take(reader), 1)
    shut(fds[0]!)
    t.is(take(reader), 0, 'nobody has the writer any more')

    const several = Array.from({ length: 20 }, () => ({ fd: reader }))
    t.is(await a.sendFds(several, Buffer.from('twenty')), 6)
    const more = await b.recvFds(buffer, { timeout: 0 })
    t.is(more.bytes, 6)
    t.is(buffer.toString('latin1', 0, 6), 'twenty')
    t.is(more.fds.length, 20)
    for (const fd of more.fds) sys.close(fd)
    await send(a, 'none')
    t.deepEqual(await b.recvFds(buffer), { bytes: 4, fds: [] })
    await a.close()
    t.deepEqual(await b.recvFds(buffer), { bytes: 0, fds: [] })
  })

  test(`${what}: descriptors that are not asked for are closed`, async (t) => {
    const [a, b] = closing(t, pair())
    const [reader, writer] = pipe(t)
    const file = fileOf(writer)
    const buffer = Buffer.alloc(8)
    await a.sendFds([writer, reader, writer])
    const { fds } = await b.recvFds(buffer, { maxFds: 1 })
    t.is(fds.length, 1)
    sys.close(fds[0]!)
    await a.sendFds([writer])
    t.deepEqual(await b.recvFds(buffer, { maxFds: 0 }), { bytes: 1, fds: [] })
    await a.sendFds([writer])
    t.is(await recv(b, buffer), 1)
    await a.sendFds([writer])
    await b.close()
    await a.close()
    t.is(descriptorsOf(file), 2)
  })

  test(`${what}: sending descriptors waits for room, and notices what was closed meanwhile`, async (t) => {
    const [a, b] = closing(t, pair())
    const [, writer] = pipe(t)
    fill(a.fd)
    const copy = new sys.OwnedFd(sys.dup(writer))
    t.teardown(() => copy.close())
    const [first, second] = [a.sendFds([writer]), a.sendFds([copy])]
    t.true(await isPending(first))
    copy.close()
    const buffer = Buffer.alloc(200_000)
    const received: number[] = []
    const drained = (async () => {
      while (received.length === 0) received.push(...(await b.recvFds(buffer)).fds)
    })()
    t.is(await first, 1)
    await t.throwsAsync(second, { code: 'ERR_INVALID_STATE' })
    await drained
    for (const fd of received) sys.close(fd)
    t.is(received.length, 1)
    fill(a.fd)
    await t.throwsAsync(a.sendFds([writer], undefined, { timeout: 2 }), TIMEOUT)
    await t.throwsAsync(a.sendFds([NOT_OPEN]), { code: 'EBADF' })
  })

  test(`${what}: bad input throws at the call, before a descriptor leaves`, async (t) => {
    const [a, b] = closing(t, pair())
    const [, writer] = pipe(t)
    const file = fileOf(writer)
    const detached = new Uint8Array(8)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    for (const fds of [undefined, null, 1, 'x', {}, [undefined], ['1'], [{}]])
      t.throws(() => a.sendFds(fds as never), TYPE, inspect(fds))
    t.throws(() => a.sendFds([writer, -1]), RANGE)
    t.throws(() => a.sendFds([writer, { fd: -1 }]), { code: 'ERR_INVALID_STATE' })
    t.throws(() => a.sendFds(Array(254).fill(writer)), RANGE)
    const transfers: ((buffer: never, options?: never) => unknown)[] = [
      (buffer, options) => a.sendFds([writer], buffer, options),
      (buffer, options) => a.recvFds(buffer, options),
    ]
    if (a instanceof UnixSeqpacket) {
      transfers.push((buffer, options) => a.send(buffer, options))
      transfers.push((buffer, options) => a.recv(buffer, options))
    }
    for (const transfer of transfers) {
      for (const junk of [null, 1, 'text', {}, [], new ArrayBuffer(8)]) t.throws(() => transfer(junk as never), TYPE)
      t.throws(() => transfer(new Uint8Array(new SharedArrayBuffer(8)) as never), VALUE)
      t.throws(() => transfer(detached as never), { code: 'ERR_INVALID_STATE' })
      t.throws(() => transfer(Buffer.alloc(0) as never), VALUE)
      t.throws(() => transfer(Buffer.alloc(1) as never, null as never), TYPE)
      t.throws(() => transfer(Buffer.alloc(1) as never, { timeout: -1 } as never), RANGE)
      t.throws(() => transfer(Buffer.alloc(1) as never, { signal: {} } as never), TYPE)
    }
    for (const maxFds of [-1, 254, 1.5]) t.throws(() => a.recvFds(Buffer.alloc(1), { maxFds }), RANGE)
    t.throws(() => a.recvFds(Buffer.alloc(1), { maxFds: '1' as never }), TYPE)
    await t.throwsAsync(b.recvFds(Buffer.alloc(1), { timeout: 0 }), TIMEOUT)
    t.is(descriptorsOf(file), 2)
  })

  test(`${what}: a buffer that is transferred away meanwhile is refused, and no descriptor is lost`, async (t) => {
    const [a, b] = closing(t, pair())
    const [, writer] = pipe(t)
    const buffer = new Uint8Array(8)
    const receiving = b.recvFds(buffer)
    t.true(await isPending(receiving))
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] })
    await a.sendFds([writer])
    await t.throwsAsync(receiving, { code: 'ERR_INVALID_STATE' })
    const { fds } = await b.recvFds(Buffer.alloc(8))
    t.is(fds.length, 1)
    sys.close(fds[0]!)
  })

  test(`${what}: who the peer is`, async (t) => {
    const us = { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() }
    const listener = closing(t, await listen(abstract()))
    const client = closing(t, await connect(listener.localAddress))
    const server = closing(t, await listener.accept())
    const [a, b] = closing(t, pair())
    for (const one of [client, server, a, b]) t.deepEqual(one.peerCredentials(), us)
  })

  test(`${what}: a socket of somebody else is taken over, and given away`, async (t) => {
    const type = what === 'UnixStream' ? constants.SOCK_STREAM : constants.SOCK_SEQPACKET
    const [fd, peer] = sys.socketpair(constants.AF_UNIX, type).map((fd) => own(t, fd)) as [number, number]
    const made = closing(t, what === 'UnixStream' ? new UnixStream(release(fd)) : new UnixSeqpacket(release(fd)))
    sys.send(peer, Buffer.from('hello'))
    t.is(await text(made), 'hello')
    t.is(made.intoInner(), fd)
    t.true(made.closed)
    sys.send(fd, Buffer.from('x'))
    sys.close(fd)
    t.throws(() => (what === 'UnixStream' ? new UnixStream(NOT_OPEN) : new UnixSeqpacket(NOT_OPEN)), { code: 'EBADF' })
  })
}

test('UnixStream: its names, both ends of it, and half of it', async (t) => {
  const name = abstract()
  const listener = closing(t, await UnixListener.bind(name))
  const client = closing(t, await UnixStream.connect(name))
  const server = closing(t, await listener.accept())
  t.deepEqual(client.remoteAddress, { path: name })
  t.deepEqual(server.remoteAddress, { path: '' })
  await client.writeAll(Buffer.from('all there is\n'))
  client.shutdown()
  const lines: string[] = []
  for await (const line of server.lines()) lines.push(line)
  t.deepEqual(lines, ['all there is'])
  await server.write(Buffer.from('back'))
  t.is(await client.read(Buffer.alloc(10)), 4)
  client.shutdown('read')
  t.is(await client.read(Buffer.alloc(10)), 0)
  server.shutdown('both')
  await t.throwsAsync(server.write(Buffer.from('x')), { code: 'EPIPE' })
  for (const how of ['', 'rdwr', 1, null, 'toString', Object.create(null)]) t.throws(() => client.shutdown(how as never), VALUE)
  t.regex(inspect(client), /^UnixStream \{ fd: \d+, open \}/)
  await client.close()
  t.throws(() => client.shutdown(), CLOSED)
  t.throws(() => client.remoteAddress, CLOSED)
})

test('UnixStream: it is an Async, and refuses a second read', async (t) => {
  const [a, b] = closing(t, UnixStream.pair())
  t.true(a instanceof Async)
  const sent = Buffer.alloc(3_000_000, 'x')
  const writing = a.writeAll(sent).then(() => a.shutdown())
  let total = 0
  for await (const chunk of b.chunks({ lend: true })) total += chunk.length
  await writing
  t.is(total, sent.length)
  const reading = a.read(Buffer.alloc(1))
  await t.throwsAsync(a.read(Buffer.alloc(1)), { code: 'ERR_ASYNCFD_BUSY' })
  await b.write(Buffer.from('x'))
  t.is(await reading, 1)
})

test('UnixListener: connections of node:net', async (t) => {
  const listener = closing(t, await UnixListener.bind(path(t)))
  const socket = netConnect(listener.localAddress.path)
  t.teardown(() => socket.destroy())
  const server = closing(t, await listener.accept())
  socket.write('from node')
  const buffer = Buffer.alloc(20)
  t.is(buffer.toString('latin1', 0, await server.read(buffer)), 'from node')
})

test('UnixSeqpacket: packets keep their bounds, several receive at once, and an empty one is refused', async (t) => {
  const [a, b] = closing(t, UnixSeqpacket.pair())
  const buffers = [Buffer.alloc(8), Buffer.alloc(3), Buffer.alloc(8)]
  const receiving = buffers.map((buffer) => b.recv(buffer))
  t.true(await isPending(receiving[0]!))
  for (const packet of ['one', 'two is cut', 'three']) sys.send(a.fd, Buffer.from(packet))
  t.deepEqual(await Promise.all(receiving), [3, 3, 5])
  t.deepEqual(
    buffers.map((buffer) => buffer.toString('latin1').replaceAll('\0', '')),
    ['one', 'two', 'three'],
  )
  t.throws(() => a.send(Buffer.alloc(0)), VALUE)
  const packet = Buffer.alloc(50_000, 'p')
  while (sys.send(a.fd, packet) !== WouldBlock);
  const sending = [a.send(packet), a.send(Buffer.from('last'))]
  t.true(await isPending(sending[0]!))
  const buffer = Buffer.alloc(packet.length)
  let size = 0
  do size = await b.recv(buffer)
  while (size === packet.length)
  t.is(buffer.toString('latin1', 0, size), 'last')
  t.deepEqual(await Promise.all(sending), [packet.length, 4])
  await t.throwsAsync(a.send(Buffer.alloc(50_000_000)), { code: 'EMSGSIZE' })
  t.regex(inspect(a), /^UnixSeqpacket \{ fd: \d+, \{ path: '' \} \}/)
})

test('UnixDatagram: datagrams are waited for, whole, empty or cut, and say who sent them', async (t) => {
  for (const make of [path, abstract] as ((t: T) => string)[]) {
    const [a, b] = closing(t, [await UnixDatagram.bind(make(t)), await UnixDatagram.bind(make(t))])
    const buffer = Buffer.alloc(6)
    const receiving = b.recvFrom(buffer)
    t.true(await isPending(receiving))
    t.is(await a.sendTo(Buffer.from('hello'), b.localAddress.path), 5)
    t.deepEqual(await receiving, { bytes: 5, address: a.localAddress })
    await a.sendTo(Buffer.alloc(0), b.localAddress)
    await a.sendTo(Buffer.from('longer than its buffer'), b.localAddress)
    t.is(await b.recv(buffer), 0)
    t.is(await b.recv(buffer), 6)
    t.is(buffer.toString('latin1'), 'longer')
    const nameless = closing(t, UnixDatagram.unbound())
    t.deepEqual(nameless.localAddress, { path: '' })
    await nameless.sendTo(Buffer.from('x'), b.localAddress)
    const { address } = await b.recvFrom(buffer)
    t.deepEqual(address, { path: '' })
    t.throws(() => b.sendTo(buffer, address), VALUE, 'nobody can answer it')
    await a.connect(b.localAddress)
    await b.connect(a.localAddress.path)
    t.is(await a.send(Buffer.from('to you')), 6)
    t.is(await b.recv(buffer), 6)
    await t.throwsAsync(nameless.sendTo(Buffer.from('x'), b.localAddress), { code: 'EPERM' }, 'b hears its peer alone')
    await t.throwsAsync(nameless.send(Buffer.from('x')), { code: 'ENOTCONN' })
  }
})

test('UnixDatagram: a name that is no UTF-8 comes as bytes, and can be answered', async (t) => {
  const server = closing(t, await UnixDatagram.bind(abstract()))
  const name = Buffer.concat([Buffer.from(`\0asyncfd-test-${process.pid}-`), Buffer.of(0xff, 0xfe)])
  const address = Buffer.concat([Buffer.from(Uint16Array.of(constants.AF_UNIX).buffer), name])
  const fd = sys.socket(constants.AF_UNIX, constants.SOCK_DGRAM)
  sys.bind(fd, address)
  const client = closing(t, new UnixDatagram(fd))
  t.true(client.localAddress.path.endsWith('-\u{fffd}\u{fffd}'))
  await client.sendTo(Buffer.from('x'), server.localAddress)
  const buffer = Buffer.alloc(4)
  const received = await server.recvFrom(buffer)
  t.deepEqual(Buffer.from(received.address as Uint8Array), address)
  const copy = Uint8Array.from(received.address as Uint8Array)
  const sending = server.sendTo(Buffer.from('back'), copy)
  copy.fill(0)
  await sending
  t.is(await client.recv(buffer), 4)
})

test('UnixDatagram: several receive at once, a pair, and limits', async (t) => {
  const [a, b] = closing(t, UnixDatagram.pair())
  const buffers = [Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1)]
  const controller = new AbortController()
  const receiving = buffers.map((buffer, i) => b.recv(buffer, i === 1 ? { signal: controller.signal } : {}))
  t.true(await isPending(receiving[0]!))
  controller.abort(new Error('gave up'))
  await t.throwsAsync(receiving[1]!, { message: 'gave up' })
  await a.send(Buffer.from('a'))
  await a.send(Buffer.from('b'))
  await Promise.all([receiving[0], receiving[2]])
  t.is(Buffer.concat(buffers).toString('latin1'), 'a\0b')
  const buffer = Buffer.alloc(1)
  await t.throwsAsync(b.recv(buffer, { timeout: 0 }), TIMEOUT)
  await t.throwsAsync(b.recvFrom(buffer, { timeout: 2 }), TIMEOUT)
  await t.throwsAsync(a.send(buffer, { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' })
  const pending = [b.recv(buffer), b.recvFrom(buffer)]
  await settled()
  await b.close()
  for (const one of pending) await t.throwsAsync(one, CLOSED)
  await t.throwsAsync(b.recv(buffer), CLOSED)
  await t.throwsAsync(b.send(buffer), CLOSED)
  await t.throwsAsync(b.sendTo(buffer, '/x'), CLOSED)
  await t.throwsAsync(b.connect('/x'), CLOSED)
  t.throws(() => b.localAddress, CLOSED)
  await t.throwsAsync(a.send(buffer), { code: 'ECONNREFUSED' })
})

/** Fills the queue of `to`, from `from`. */
function crowd(from: UnixDatagram, to: UnixDatagram): number {
  for (let count = 0; ; count++) if (sys.sendTo(from.fd, Buffer.from('x'), to.localAddress) === WouldBlock) return count
}

test('UnixDatagram: a full queue is waited for, also when it is others who filled it', async (t) => {
  const to = closing(t, await UnixDatagram.bind(abstract()))
  const [crowding, connected, other] = closing(t, [UnixDatagram.unbound(), UnixDatagram.unbound(), UnixDatagram.unbound()])
  await connected!.connect(to.localAddress)
  const drain = async () => {
    const bytes: number[] = []
    for (;;) {
      try {
        bytes.push(await to.recv(Buffer.alloc(10), { timeout: 0 }))
      } catch {
        return bytes
      }
    }
  }
  const count = crowd(crowding!, to)
  t.true(count > 0)
  await t.throwsAsync(other!.sendTo(Buffer.from('xx'), to.localAddress, { timeout: 0 }), TIMEOUT)
  const late = (await t.throwsAsync(other!.sendTo(Buffer.from('xx'), to.localAddress, { timeout: 5 }), TIMEOUT)) as Error & {
    timeout: number
    elapsed: number
  }
  t.is(late.timeout, 5)
  t.true(late.elapsed >= 5)
  const reason = Object.assign(new Error('an abort that looks like an expiry'), { code: 'ETIMEDOUT' })
  const controller = new AbortController()
  const aborted = other!.sendTo(Buffer.from('xx'), to.localAddress, { signal: controller.signal })
  const sending = [connected!.send(Buffer.from('12')), other!.sendTo(Buffer.from('123'), to.localAddress)]
  t.true(await isPending(Promise.race([...sending, aborted])))
  controller.abort(reason)
  t.is(await t.throwsAsync(aborted), reason)
  t.deepEqual(await drain(), Array(count).fill(1))
  t.deepEqual(await Promise.all(sending), [2, 3])
  t.deepEqual((await drain()).sort(), [2, 3])
  crowd(crowding!, to)
  const closed = other!.sendTo(Buffer.from('xx'), to.localAddress)
  const orphaned = connected!.send(Buffer.from('xx'))
  t.true(await isPending(closed))
  await other!.close()
  await t.throwsAsync(closed, CLOSED)
  await to.close()
  await t.throwsAsync(orphaned, { code: 'ECONNREFUSED' })
})

test.serial('UnixDatagram: waiting for the queue of another does not spin', async (t) => {
  const to = closing(t, await UnixDatagram.bind(abstract()))
  const [crowding, other] = closing(t, [UnixDatagram.unbound(), UnixDatagram.unbound()])
  crowd(crowding!, to)
  const before = reactor.metrics().events
  await t.throwsAsync(other!.sendTo(Buffer.from('x'), to.localAddress, { timeout: 30 }), TIMEOUT)
  const { events } = reactor.metrics()
  t.true(events - before < 60, `${events - before} events: each failed attempt is one, and asks for the next`)
  const given = other!.sendTo(Buffer.from('x'), to.localAddress)
  t.true(await isPending(given))
  sys.close(other!.intoInner())
  await t.throwsAsync(given, CLOSED)
})

test('UnixDatagram: sending to nobody', async (t) => {
  const name = path(t)
  const socket = closing(t, UnixDatagram.unbound())
  await t.throwsAsync(socket.sendTo(Buffer.from('x'), name), { code: 'ENOENT' })
  await t.throwsAsync(socket.connect(name), { code: 'ENOENT' })
  await t.throwsAsync(socket.connect(abstract()), { code: 'ECONNREFUSED' })
  closing(t, await UnixListener.bind(name))
  await t.throwsAsync(socket.connect(name), { code: 'EPROTOTYPE' })
  await t.throwsAsync(socket.sendTo(Buffer.from('x'), name), { code: 'EPROTOTYPE' })
})

for (const [what, bind] of Object.entries(binders)) {
  test(`${what}: closing removes the file that binding made, and no other`, async (t) => {
    const name = path(t)
    for (const end of ['close', 'destroy'] as const) {
      const socket = await bind(name)
      t.true(lstatSync(name).isSocket())
      await socket[end]()
      t.false(existsSync(name), end)
      await socket.close()
    }
    {
      await using socket = await bind(name)
      t.false(socket.closed)
    }
    t.false(existsSync(name), 'at the end of its scope')

    const kept = await bind(name, { unlink: false })
    await t.throwsAsync(bind(name), { code: 'EADDRINUSE' })
    await kept.close()
    t.true(existsSync(name))
    await t.throwsAsync(bind(name), { code: 'EADDRINUSE' })
    t.true(existsSync(name), 'who failed to bind removes nothing')
    rmSync(name)

    const replaced = await bind(name)
    rmSync(name)
    writeFileSync(name, 'of somebody else')
    await replaced.close()
    t.true(existsSync(name), 'a file that took its place')
    rmSync(name)

    const moved = await bind(name)
    renameSync(name, `${name}-moved`)
    const heir = closing(t, await bind(name))
    await moved.close()
    t.true(existsSync(name), 'the socket of the next one')
    t.true(existsSync(`${name}-moved`))
    symlinkSync(`${name}-moved`, `${name}-link`)
    await heir.close()
    t.false(existsSync(name))

    const given = await bind(name)
    const fd = given.intoInner()
    await given.close()
    t.true(existsSync(name), 'what was given away')
    sys.close(fd)
    rmSync(name)

    const gone = await bind(name)
    rmSync(name)
    await t.notThrowsAsync(gone.close())
    const hidden = abstract()
    const nameOnly = await bind(hidden)
    await nameOnly.close()
    await (await bind(hidden)).close()
  })

  test(`${what}: mode is that of the file, from the start`, async (t) => {
    const name = path(t)
    for (const mode of [0o600, 0o666, 0o000, -0, 0o777]) {
      const socket = await bind(name, { mode })
      t.is(statSync(name).mode & 0o777, mode + 0)
      await socket.close()
    }
    t.throws(() => bind(abstract(), { mode: 0o600 }), VALUE)
    for (const mode of [-1, 0o1000, 1.5]) t.throws(() => bind(name, { mode }), RANGE)
    t.throws(() => bind(name, { mode: '600' as never }), TYPE)
    t.false(existsSync(name))
  })

  test(`${what}: binding where that is not possible rejects`, async (t) => {
    const where = folder(t)
    await t.throwsAsync(bind(join(where, 'missing/socket')), { code: 'ENOENT' })
    writeFileSync(join(where, 'file'), '')
    await t.throwsAsync(bind(join(where, 'file')), { code: 'EADDRINUSE' })
    await t.throwsAsync(bind(join(where, 'file/socket')), { code: 'ENOTDIR' })
    t.true(existsSync(join(where, 'file')))
    if (process.getuid!() === 0) return
    chmodSync(where, 0o500)
    await t.throwsAsync(bind(join(where, 'socket')), { code: 'EACCES' })
    chmodSync(where, 0o700)
  })

  test(`${what}: bad input throws at the call`, (t) => {
    badPaths(t, (name) => bind(name as never), 'bind')
    for (const options of [null, 1, 'x']) t.throws(() => bind('/x', options as never), TYPE)
    t.throws(() => bind('/x', { unlink: 1 as never }), TYPE)
    if (what === 'UnixDatagram') return
    for (const backlog of [-1, 1.5, 2 ** 31]) t.throws(() => bind('/x', { backlog } as never), RANGE)
    t.throws(() => bind('/x', { backlog: '1' } as never), TYPE)
  })
}

/** Names that are refused. */
function badPaths(t: T, call: (name: unknown) => unknown, syscall: string): void {
  for (const junk of [undefined, null, 1, {}, [], { path: 1 }, Symbol.iterator]) t.throws(() => call(junk), TYPE, inspect(junk))
  for (const name of ['', { path: '' }, '/a\0b']) t.throws(() => call(name), VALUE, inspect(name))
  for (const long of [`/${'x'.repeat(107)}`, `/${'é'.repeat(54)}`, `\0${'x'.repeat(108)}`, '/x'.repeat(5000)]) {
    const error = t.throws(() => call(long), { code: 'ENAMETOOLONG' }) as sys.AsyncFdError
    t.is(error.syscall, syscall)
  }
}

test('connecting and sending to bad names throws at the call', async (t) => {
  badPaths(t, (name) => UnixStream.connect(name as never), 'connect')
  badPaths(t, (name) => UnixSeqpacket.connect(name as never), 'connect')
  const socket = closing(t, UnixDatagram.unbound())
  badPaths(t, (name) => socket.connect(name as never), 'connect')
  badPaths(t, (name) => socket.sendTo(Buffer.from('x'), name as never), 'sendto')
  const long = abstract().slice(1).padEnd(107, 'x')
  const listener = closing(t, await UnixListener.bind(`\0${long}`))
  closing(t, await UnixStream.connect(`\0${long}`))
  t.deepEqual(listener.localAddress, { path: `\0${long}` }, 'the longest name there is')
  await t.throwsAsync(UnixStream.connect(`/${'x'.repeat(106)}`), { code: 'ENOENT' })
  for (const connect of [UnixStream.connect, UnixSeqpacket.connect]) {
    t.throws(() => connect('/x', null as never), TYPE)
    t.throws(() => connect('/x', { timeout: -1 }), RANGE)
    t.throws(() => connect('/x', { signal: {} as never }), TYPE)
  }
  for (const options of [null, 1]) {
    t.throws(() => listener.accept(options as never), TYPE)
    t.throws(() => listener.incoming(options as never), TYPE)
  }
  t.throws(() => listener.accept({ timeout: Number.NaN }), RANGE)
})

test('options are read once: Node aborts the process for a mode that was not checked', async (t) => {
  const path = join(folder(t), 'once')
  let reads = 0
  const options = {
    get mode() {
      return reads++ === 0 ? 0o600 : 2 ** 31
    },
  }
  const listener = await UnixListener.bind(path, options)
  t.is(statSync(path).mode & 0o777, 0o600)
  await listener.close()
})

test('UnixDatagram: bad input throws at the call, before anything is sent', async (t) => {
  const [a, b] = closing(t, UnixDatagram.pair())
  const detached = new Uint8Array(8)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const transfers: ((buffer: never, options?: never) => unknown)[] = [
    (buffer, options) => a.send(buffer, options),
    (buffer, options) => a.sendTo(buffer, '/x', options),
    (buffer, options) => a.recv(buffer, options),
    (buffer, options) => a.recvFrom(buffer, options),
  ]
  for (const transfer of transfers) {
    for (const junk of [undefined, null, 1, 'text', {}, [], new ArrayBuffer(8)]) t.throws(() => transfer(junk as never), TYPE)
    t.throws(() => transfer(new Uint8Array(new SharedArrayBuffer(8)) as never), VALUE)
    t.throws(() => transfer(detached as never), { code: 'ERR_INVALID_STATE' })
    t.throws(() => transfer(Buffer.alloc(1) as never, { timeout: -1 } as never), RANGE)
    t.throws(() => transfer(Buffer.alloc(1) as never, { signal: {} } as never), TYPE)
    t.throws(() => transfer(Buffer.alloc(1) as never, null as never), TYPE)
  }
  t.throws(() => a.sendTo(Buffer.alloc(1), detached), { code: 'ERR_INVALID_STATE' }, 'an address that was detached')
  const buffer = new Uint8Array(8)
  const receiving = b.recvFrom(buffer)
  t.true(await isPending(receiving))
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] })
  await a.send(Buffer.from('data'))
  await t.throwsAsync(receiving, { code: 'ERR_INVALID_STATE' })
  t.is(await b.recv(Buffer.alloc(8)), 4)
})

test.serial('what is pending keeps the process, unless it is unref', async (t) => {
  const listener = closing(t, await UnixListener.bind(abstract()))
  const before = reactor.metrics().refs
  const accepting = listener.accept({ timeout: 5 })
  t.true(listener.hasRef())
  t.is(listener.unref(), listener)
  t.is(reactor.metrics().refs, before)
  listener.ref()
  await t.throwsAsync(accepting, TIMEOUT)
  t.is(reactor.metrics().refs, before)
})
