/**
 * Hang-ups: what ends, what may come back, and that nobody spins meanwhile.
 *
 * Portable: bun, deno
 */
import { type AsyncFd, Interest, Ready, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import {
  accept,
  drain,
  feed,
  fifo,
  fill,
  isPending,
  listener,
  noLeaks,
  open,
  own,
  pipe,
  refusedAddress,
  settled,
  shut,
  socketPair,
  take,
  tcpPair,
  watch,
} from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE, WRITABLE } = Interest
const BOTH = READABLE | WRITABLE
const { AF_INET, SOCK_STREAM, SHUT_WR, SHUT_RD, SOL_SOCKET, SO_ERROR, O_RDONLY, O_WRONLY } = sys.constants

noLeaks(test)

const connected: [name: string, make: (t: Parameters<typeof socketPair>[0]) => [number, number]][] = [
  ['TCP', tcpPair],
  ['a Unix socket', socketPair],
]
for (const [name, make] of connected) {
  test(`${name}: a half-close is told apart from data, and reads as end of file`, async (t) => {
    const [a, b] = make(t)
    const fd = watch(t, a)
    feed(b)
    t.is((await fd.readable()).ready, Ready.READABLE, 'data is no hang-up')
    const hangup = fd.hangup()
    t.true(await isPending(hangup))
    sys.shutdown(b, SHUT_WR)
    await hangup
    const guard = await fd.ready(BOTH)
    t.true(guard.isReadClosed)
    t.false(guard.isWriteClosed, 'the other direction goes on')
    t.is(drain(a), 1)
    t.is(
      guard.tryIo((inner) => sys.read(inner, Buffer.alloc(1))),
      0,
    )
    t.is(await fd.asyncIo(WRITABLE, (inner) => sys.write(inner, Buffer.alloc(1))), 1)
  })

  test(`${name}: a reader that goes away ends waits to write, and a writer that goes away waits to read`, async (t) => {
    for (const [interest, closed] of [
      [READABLE, Ready.READ_CLOSED],
      [WRITABLE, Ready.WRITE_CLOSED],
    ] as const) {
      const [a, b] = make(t)
      fill(a)
      const fd = watch(t, a, { interest })
      await settled()
      const wait = fd.ready(interest)
      t.true(await isPending(wait))
      shut(b)
      const guard = await wait
      await fd.hangup()
      t.is((await fd.ready(interest)).ready & closed, closed)
      t.true(interest === READABLE ? guard.isReadable : guard.isWritable, 'closed implies ready')
    }
  })

  test(`${name}: hangup() sees the peer go while data waits unread, and reads nothing`, async (t) => {
    const [a, b] = make(t)
    const fd = watch(t, a)
    feed(b, b)
    await fd.ready(BOTH)
    await settled()
    const hangup = fd.hangup()
    t.true(await isPending(hangup))
    shut(b)
    await hangup
    t.is(drain(a), 2)
  })
}

test('a clear leaves closed states, and waits for their direction resolve at once', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  shut(b)
  await fd.hangup()
  const guard = await fd.ready(BOTH)
  guard.clearReady()
  t.true(guard.isEmpty)
  const closed = await fd.readable()
  t.true(closed.isReadClosed && closed.isReadable)
  const writing = await fd.writable()
  t.true(writing.isWriteClosed && writing.isWritable)
})

test('the reader of a pipe sees its writer go, after the data', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  shut(writer)
  await fd.hangup()
  const guard = await fd.readable()
  t.is(guard.tryIo(take), 1)
  t.is(guard.tryIo(take), 0, 'end of file is a result, not WouldBlock')
  t.true(guard.isReadable)
})

test('the writer of a pipe sees its readers go, though the kernel calls that an error', async (t) => {
  const [reader, writer] = pipe(t)
  fill(writer)
  const fd = watch(t, writer)
  await settled()
  const waits = [fd.writable(), fd.ready(BOTH)]
  const hangup = fd.hangup()
  t.true(await isPending(Promise.race([...waits, hangup])))
  shut(reader)
  await hangup
  for (const guard of await Promise.all(waits)) t.true(guard.isWriteClosed)
  const writing = fd.asyncIo(WRITABLE, (inner) => sys.write(inner, Buffer.alloc(1)))
  await t.throwsAsync(writing, { code: 'EPIPE' })
})

test('a FIFO that gets a new writer is not hung up any more: waits wait, and hangup() too', async (t) => {
  const path = fifo(t)
  const reader = open(t, path, O_RDONLY)
  const fd = watch(t, reader)
  for (let round = 0; round < 3; round++) {
    const writer = open(t, path, O_WRONLY)
    feed(writer)
    await fd.readable()
    t.is(drain(reader), 1)
    shut(writer)
    await fd.hangup()
    t.is(take(reader), 0)
    // No event tells of the next writer; an attempt says EAGAIN from now on.
    const next = open(t, path, O_WRONLY)
    const guard = await fd.readable()
    t.true(guard.isReadClosed)
    t.is(guard.tryIo(take), WouldBlock)
    t.true(guard.isEmpty, 'the WouldBlock made us ask, and the kernel denies the hang-up')
    // An event of the old hang-up may be under way still, so a wait may be spurious; an attempt looks again.
    const io = fd.asyncIo(READABLE, take)
    const hangup = fd.hangup()
    t.true(await isPending(Promise.race([io, hangup])))
    feed(next)
    t.is(await io, 1)
    t.true(await isPending(hangup))
    shut(next)
    await hangup
  }
})

test('hangup() does not believe a hang-up that is over', async (t) => {
  const path = fifo(t)
  const reader = open(t, path, O_RDONLY)
  const fd = watch(t, reader)
  shut(open(t, path, O_WRONLY))
  await fd.hangup()
  const writer = open(t, path, O_WRONLY)
  const hangup = fd.hangup()
  t.true(await isPending(hangup))
  shut(writer)
  await t.notThrowsAsync(hangup)
})

test('a TCP socket registered before connect is hung up at first, and not after it', async (t) => {
  const { fd: server, address } = listener(t)
  const socket = own(t, sys.socket(AF_INET, SOCK_STREAM))
  const fd = watch(t, socket)
  await fd.hangup()
  t.true((await fd.writable()).isWriteClosed, 'so says the kernel of an unconnected socket')
  sys.connect(socket, address)
  const peer = accept(t, server)
  const guard = await connectedGuard(fd)
  t.is(guard.ready, Ready.WRITABLE)
  const readable = fd.readable()
  const hangup = fd.hangup()
  t.true(await isPending(Promise.race([readable, hangup])))
  feed(peer)
  t.is((await readable).ready, Ready.READABLE)
  shut(peer)
  await hangup
})

/** What is ready once the stale hang-up has been looked at. */
async function connectedGuard(fd: AsyncFd) {
  const guard = await fd.ready(BOTH)
  guard.recheck()
  return fd.ready(BOTH)
}

test('a loop of readable() on an unconnected TCP socket lets the event loop breathe', async (t) => {
  const fd = watch(t, own(t, sys.socket(AF_INET, SOCK_STREAM)), { interest: READABLE })
  await fd.hangup()
  let breaths = 0
  const breathe = () => {
    if (++breaths < 20) setImmediate(breathe)
  }
  setImmediate(breathe)
  let loops = 0
  while (breaths < 20) {
    const guard = await fd.readable()
    guard.clearReady()
    loops++
  }
  t.true(loops > 0)
})

test('a connect that is refused wakes waits to write, and the error can be asked for', async (t) => {
  const socket = own(t, sys.socket(AF_INET, SOCK_STREAM))
  const address = refusedAddress(t)
  const error = await Promise.resolve()
    .then(() => sys.connect(socket, address))
    .catch((failed) => failed.code)
  if (error === WouldBlock) {
    const guard = await watch(t, socket).writable()
    t.true(guard.isWritable && guard.isError)
    t.is(sys.getSocketOption(socket, SOL_SOCKET, SO_ERROR), (await import('node:os')).constants.errno.ECONNREFUSED)
  } else {
    t.is(error, 'ECONNREFUSED')
  }
})

test('a connect is finished when the socket is writable, and then carries data', async (t) => {
  const { fd: server, address } = listener(t)
  const listening = watch(t, server, { interest: READABLE })
  const socket = own(t, sys.socket(AF_INET, SOCK_STREAM))
  const connecting = sys.connect(socket, address)
  const fd = watch(t, socket)
  t.true(connecting === WouldBlock || connecting === undefined)
  await fd.writable()
  t.is(sys.getSocketOption(socket, SOL_SOCKET, SO_ERROR), 0)
  const peer = own(t, await listening.asyncIo(READABLE, (inner) => sys.accept(inner)))
  t.is(
    listening.tryIo(READABLE, (inner) => sys.accept(inner)),
    WouldBlock,
  )
  feed(socket)
  t.is(await watch(t, peer).asyncIo(READABLE, (inner) => sys.recv(inner, Buffer.alloc(8), 0, 8, sys.constants.MSG_PEEK)), 1)
  t.is(take(peer), 1, 'a peek leaves the data')
})

test('shutdown of the own reading side is a hang-up too, and wakes', async (t) => {
  const [a] = tcpPair(t)
  const fd = watch(t, a)
  const wait = fd.readable()
  sys.shutdown(a, SHUT_RD)
  t.true((await wait).isReadClosed)
  t.is(take(a), 0)
})

test('a PTY whose slave was closed hangs up with EIO, and goes on when it is reopened', async (t) => {
  const { master, slave, path } = sys.openpty()
  own(t, master)
  own(t, slave)
  const fd = watch(t, master)
  const hangup = fd.hangup()
  t.true(await isPending(hangup))
  shut(slave)
  await hangup
  await t.throwsAsync(fd.asyncIo(READABLE, take), { code: 'EIO' })
  const again = open(t, path, sys.constants.O_RDWR)
  const guard = await fd.readable()
  t.is(guard.tryIo(take), WouldBlock)
  t.true(guard.isEmpty)
  const wait = fd.readable()
  t.true(await isPending(wait))
  sys.write(again, Buffer.from('x'))
  t.true((await wait).isReadable)
  t.is(take(master), 1)
})
