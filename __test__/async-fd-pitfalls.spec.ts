/**
 * What befell others: numbers closed and reused behind the reactor's back, duplicates, descriptors that are polled
 * elsewhere too, objects whose descriptor changes.
 *
 * Portable: bun, deno
 */
import { createConnection, createServer, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { AsyncFd, Interest, Ready, reactor, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import {
  drain,
  feed,
  isPending,
  noLeaks,
  own,
  pipe,
  release,
  reuse,
  settled,
  shut,
  socketPair,
  take,
  watch,
} from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE, PRIORITY, ERROR } = Interest

noLeaks(test)

/** Events that came during a few turns in which nothing happened but the barriers of {@link settled}. */
async function eventsInQuiet(): Promise<number> {
  const before = reactor.metrics().events
  await settled()
  await settled()
  return reactor.metrics().events - before
}

test.serial('a duplicate that outlives the original wakes nobody after close(), and nothing spins', async (t) => {
  const [reader, writer] = pipe(t)
  const ghost = own(t, sys.dup(reader))
  const fd = watch(t, reader)
  await settled()
  shut(reader)
  const before = reactor.metrics()
  fd.close()
  t.true(fd.closed)
  t.is(reactor.metrics().registered, before.registered - 1)
  feed(writer)
  await settled()
  t.true(reactor.metrics().stale >= before.stale, 'events of the ended registration are told to nobody')
  t.true((await eventsInQuiet()) <= 12, 'each barrier is an event, a spin would be thousands')
  const other = watch(t, ghost)
  t.is(await other.asyncIo(READABLE, take), 1)
})

test.serial('a number that was closed elsewhere and reused is not woken by the old registration', async (t) => {
  const [reader, writer] = pipe(t)
  const [quiet] = pipe(t)
  const ghost = own(t, sys.dup(reader))
  const old = watch(t, reader)
  const wait = old.readable()
  await settled()
  const number = reuse(t, reader, quiet)
  const fd = watch(t, number)
  const error = await t.throwsAsync(wait, { code: 'ERR_ASYNCFD_FD_REUSED', message: /belongs to another file now/ })
  t.like(error, { fd: number })
  t.true(old.closed)
  await t.throwsAsync(old.readable(), { code: 'ERR_ASYNCFD_FD_REUSED' })
  t.throws(() => old.tryIo(READABLE, take), { code: 'ERR_ASYNCFD_FD_REUSED' })
  const fresh = fd.readable()
  feed(writer)
  t.true(await isPending(fresh), 'the duplicate of the old file is ready, not the new file')
  t.is(drain(ghost), 1)
  fd.close()
  await t.throwsAsync(fresh)
})

test('ending the old registration neither deregisters nor closes the file that has its number now', async (t) => {
  for (const owned of [false, true]) {
    const [reader] = pipe(t)
    const [other, otherWriter] = pipe(t)
    const old = new AsyncFd(reader, { owned })
    const number = reuse(t, reader, other)
    const fd = watch(t, number)
    const wait = fd.readable()
    old.close()
    t.notThrows(() => sys.isNonblocking(number))
    feed(otherWriter)
    t.true((await wait).isReadable)
  }
})

test('an owned number that was closed elsewhere and reused unregistered is not closed', (t) => {
  const [reader] = pipe(t)
  const [other] = pipe(t)
  const old = new AsyncFd(reader, { owned: true })
  const number = reuse(t, reader, other)
  old.close()
  t.notThrows(() => sys.isNonblocking(number))
})

test('a descriptor closed before its AsyncFd leaves nothing registered, and close() throws nothing', async (t) => {
  const [reader] = pipe(t)
  const fd = new AsyncFd(reader)
  const wait = fd.readable()
  shut(reader)
  const { registered } = reactor.metrics()
  t.notThrows(() => fd.close())
  t.is(reactor.metrics().registered, registered - 1)
  await t.throwsAsync(wait, { code: 'ERR_ASYNCFD_CLOSED' })
})

test.serial('a descriptor closed elsewhere: what asks the kernel says EBADF', async (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader)
  await settled()
  shut(reader)
  const expected = { code: 'EBADF', message: /poll/ }
  t.throws(() => fd.readableSync({ timeout: 0 }), expected)
  await t.throwsAsync(fd.readable({ timeout: 0 }), expected)
  t.throws(() => fd.setInterest(READABLE), { code: 'EBADF' })
})

test('an object whose descriptor changes is noticed at the next call', async (t) => {
  const [reader, writer] = pipe(t)
  const source = { fd: reader }
  const fd = new AsyncFd(source)
  const pending = fd.readable()
  source.fd = writer
  const expected = { code: 'ERR_ASYNCFD_FD_CHANGED', message: /close\(\) this AsyncFd and make a new one/ }
  for (const wait of [fd.readable(), fd.hangup(), fd.asyncIo(READABLE, () => 0)]) await t.throwsAsync(wait, expected)
  t.throws(() => fd.tryIo(READABLE, () => 0), expected)
  t.throws(() => fd.pollReadReady(() => {}), expected)
  t.throws(() => fd.subscribe(READABLE, () => {}), expected)
  t.throws(() => fd.intoInner(), expected)
  t.false(fd.closed)
  fd.close()
  await t.throwsAsync(pending, { code: 'ERR_ASYNCFD_CLOSED' })
})

test('an object that was closed is noticed, too', async (t) => {
  const [reader] = pipe(t)
  const source = new sys.OwnedFd(release(reader))
  const fd = new AsyncFd(source)
  source.close()
  await t.throwsAsync(fd.readable(), { code: 'ERR_ASYNCFD_FD_CHANGED' })
  fd.close()
})

test.serial('hang-ups and errors of what is registered for neither do not spin', async (t) => {
  const [a, b] = socketPair(t)
  const [reader, writer] = pipe(t)
  const fds = [watch(t, a, { interest: PRIORITY }), watch(t, writer, { interest: ERROR })]
  shut(b)
  shut(reader)
  t.true((await eventsInQuiet()) <= 24)
  t.true((await fds[0]!.ready(PRIORITY)).isReadClosed)
  t.true((await fds[1]!.ready(ERROR)).isError)
})

test('registering, changing and ending others while a wait is pending does not disturb it', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const wait = fd.readable()
  const others = Array.from({ length: 200 }, () => watch(t, pipe(t)[0]))
  for (const [i, other] of others.entries()) {
    if (i % 3 === 0) other.setInterest(READABLE | PRIORITY)
    if (i % 3 === 1) other.close()
  }
  t.true(await isPending(wait))
  fd.setInterest(READABLE)
  feed(writer)
  t.is((await wait).ready, Ready.READABLE)
})

test('the same descriptor is awaited in two threads, and each sees every event', async (t) => {
  for (const trigger of ['edge', 'level'] as const) {
    const [reader, writer] = pipe(t)
    const fd = watch(t, reader, { trigger })
    const worker = new Worker(new URL('./fixtures/second-reactor.js', import.meta.url), { workerData: { fd: reader, trigger } })
    const told = (message: string) =>
      new Promise<void>((resolve, reject) => {
        worker.once('error', reject)
        worker.once('message', (text) => (text === message ? resolve() : reject(new Error(String(text)))))
      })
    await told('waiting')
    const both = Promise.all([fd.readable(), told('readable')])
    feed(writer)
    const [guard] = await both
    t.is(guard.tryIo(take), 1)
    t.is(guard.tryIo(take), WouldBlock)
    await worker.terminate()
    const again = fd.readable()
    t.true(await isPending(again))
    feed(writer)
    t.true((await again).isReadable, 'the end of the other thread took nothing from this one')
    drain(reader)
  }
})

test.serial('one open file watched through more duplicates than the kernel allows is refused, and nothing aborts', async (t) => {
  const [reader, writer] = pipe(t)
  const fds: AsyncFd[] = []
  const refused: unknown[] = []
  for (let i = 0; i < 1100; i++) {
    const copy = own(t, sys.dup(reader))
    try {
      fds.push(watch(t, copy))
    } catch (error) {
      refused.push((error as { code?: unknown }).code)
    }
  }
  t.true(fds.length >= 400)
  t.true(refused.every((code) => code === 'EINVAL'))
  const waits = fds.map((fd) => fd.readable())
  feed(writer)
  t.is((await Promise.all(waits)).length, fds.length)
})

/** The descriptor of a socket of node:net, where it can be seen. */
const handleOf = (socket: Socket) => (socket as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1

test('a descriptor that the runtime itself polls may be awaited here too, and each sees its events', async (t) => {
  const server = createServer((peer) => peer.on('error', () => {}).end('hello'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const socket = createConnection(port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  const number = handleOf(socket)
  t.teardown(() => new Promise((resolve) => server.close(() => resolve(undefined))))
  if (number < 0) {
    socket.destroy()
    t.log('skipped: this runtime does not show the descriptor of a socket')
    t.pass()
    return
  }
  const fd = watch(t, number)
  const hangup = fd.hangup()
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += chunk
  t.is(text, 'hello')
  fd.close()
  await hangup.catch(() => {})
})

/** Connects to itself, and says which descriptor its socket has. */
const SOCKET_OF_A_WORKER = `
  const { createConnection, createServer } = require('node:net')
  const { parentPort } = require('node:worker_threads')
  const server = createServer()
  server.listen(0, '127.0.0.1', () => {
    const socket = createConnection(server.address().port, '127.0.0.1', () => parentPort.postMessage(socket._handle?.fd ?? -1))
  })`

test.serial("the descriptor of another thread's socket may be awaited, and that thread may end with it", async (t) => {
  const worker = new Worker(SOCKET_OF_A_WORKER, { eval: true })
  const number = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  if (number < 0) {
    await worker.terminate()
    t.log('skipped: this runtime does not show the descriptor of a socket')
    t.pass()
    return
  }
  const { registered } = reactor.metrics()
  const fd = new AsyncFd(number, { interest: READABLE | Interest.WRITABLE })
  t.true((await fd.writable()).isWritable)
  // Woken if the peer, which is the worker's too, goes first.
  const outcome = fd.readable().then(
    () => 'woken',
    (error) => error.code,
  )
  await worker.terminate()
  t.notThrows(() => fd.close(), 'the socket went with its thread')
  t.true(['woken', 'ERR_ASYNCFD_CLOSED'].includes(await outcome))
  t.is(reactor.metrics().registered, registered)
})
