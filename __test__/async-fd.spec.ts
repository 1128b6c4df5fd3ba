/**
 * AsyncFd: registration, what it leaves alone, and the order of ends.
 *
 * Portable: bun, deno
 */
import { open as openHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import { inspect } from 'node:util'
import { AsyncFd, AsyncFdError, Interest, Ready, reactor, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import {
  drain,
  feed,
  fifo,
  folder,
  isPending,
  noLeaks,
  own,
  pipe,
  release,
  shut,
  socketPair,
  take,
  watch,
} from './helpers/fixtures.js'
import test from './helpers/test.js'

noLeaks(test)

test('a registration changes nothing of the descriptor', (t) => {
  const [reader] = pipe(t)
  for (const nonblocking of [true, false]) {
    sys.setNonblocking(reader, nonblocking)
    const fd = new AsyncFd(reader)
    t.is(sys.isNonblocking(reader), nonblocking)
    fd.close()
    t.is(sys.isNonblocking(reader), nonblocking)
  }
})

test('O_NONBLOCK is set or required only if asked', (t) => {
  const [reader] = pipe(t)
  sys.setNonblocking(reader, false)
  const before = reactor.metrics().registered
  const error = t.throws(() => new AsyncFd(reader, { nonblocking: 'require' }), {
    instanceOf: AsyncFdError,
    code: 'ERR_ASYNCFD_BLOCKING',
  })
  t.is(error?.inner, reader)
  t.regex(error?.message ?? '', /nonblocking: 'set'/)
  t.is(reactor.metrics().registered, before, 'nothing is registered')
  t.false(sys.isNonblocking(reader))
  new AsyncFd(reader, { nonblocking: 'set' }).close()
  t.true(sys.isNonblocking(reader))
  t.notThrows(() => new AsyncFd(reader, { nonblocking: 'require' }).close())
})

test('the default interest is readable and writable, and the number is cached', (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  t.is(fd.interest, Interest.READABLE | Interest.WRITABLE)
  t.like(fd, { fd: a, inner: a, closed: false })
  fd.close()
  t.like(fd, { fd: a, inner: a, closed: true })
})

test('an object with a descriptor is registered and handed back, not its number', (t) => {
  const [reader] = pipe(t)
  const owned = new sys.OwnedFd(reader)
  const fd = new AsyncFd(owned)
  t.is(fd.inner, owned)
  t.is(fd.intoInner(), owned)
  const pq = { socket: () => reader }
  const named = new AsyncFd(pq, { fd: pq.socket() })
  t.is(named.inner, pq)
  t.is(named.fd, reader)
  named.close()
})

const alwaysReady: [name: string, path: (t: Parameters<typeof fifo>[0]) => string][] = [
  ['a regular file', () => process.argv[1] as string],
  ['a directory', (t) => folder(t)],
  ['/dev/null', () => '/dev/null'],
]
for (const [name, path] of alwaysReady) {
  test(`${name} is refused with advice, and nothing stays registered`, (t) => {
    const before = reactor.metrics().registered
    const source = new sys.OwnedFd(own(t, sys.open(path(t))))
    const error = t.throws(() => new AsyncFd(source), { instanceOf: AsyncFdError, code: 'EPERM' })
    t.like(error, { errno: -constants.errno.EPERM, syscall: 'epoll_ctl', fd: source.fd })
    t.is(error?.inner, source, 'the original object comes back on the error')
    t.regex(error?.message ?? '', /always ready.*node:fs/)
    t.is(reactor.metrics().registered, before)
  })
}

test('a closed descriptor is refused as EBADF with the object on the error', (t) => {
  const [reader] = sys.pipe().map((fd) => own(t, fd)) as [number]
  const source = { fd: reader }
  shut(reader)
  const error = t.throws(() => new AsyncFd(source), { instanceOf: AsyncFdError, code: 'EBADF' })
  t.like(error, { errno: -constants.errno.EBADF, fd: reader })
  t.is(error?.inner, source)
})

test('the same descriptor twice is refused, and the first registration survives', async (t) => {
  const [reader, writer] = pipe(t)
  const first = watch(t, reader)
  const wait = first.readable()
  const error = t.throws(() => new AsyncFd(reader), { instanceOf: AsyncFdError, code: 'EEXIST' })
  t.like(error, { inner: reader, syscall: 'epoll_ctl' })
  t.regex(error?.message ?? '', /dup\(\)/)
  feed(writer)
  t.true((await wait).isReadable)
})

test('a socket is writable at first and not readable', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  const guard = await fd.ready(Interest.READABLE | Interest.WRITABLE)
  t.is(guard.ready, Ready.WRITABLE)
  const readable = fd.readable()
  t.true(await isPending(readable))
  feed(b)
  t.is((await readable).ready, Ready.READABLE)
})

test('what is ready before the first event is not told by tryIo, which does not call', async (t) => {
  const [reader, writer] = pipe(t)
  feed(writer)
  const fd = watch(t, reader)
  t.is(
    fd.tryIo(Interest.READABLE, () => t.fail()),
    WouldBlock,
  )
  await fd.readable()
  t.is(fd.tryIo(Interest.READABLE, take), 1)
})

test('close() leaves the descriptor to its owner, and it can be registered anew', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = new AsyncFd(reader)
  fd.close()
  fd.close()
  feed(writer)
  t.true((await watch(t, reader).readable()).isReadable)
  t.is(drain(reader), 1)
})

test('intoInner gives the descriptor back open, even if owned, and it can be registered anew', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = new AsyncFd(reader, { owned: true })
  const wait = fd.readable()
  t.is(fd.intoInner(), reader)
  t.true(fd.closed)
  await t.throwsAsync(wait, { code: 'ERR_ASYNCFD_CLOSED', message: /intoInner/ })
  t.throws(() => fd.intoInner(), { code: 'ERR_ASYNCFD_CLOSED' })
  feed(writer)
  t.true((await watch(t, reader).readable()).isReadable)
})

test('an owned number is closed once, after it was deregistered', (t) => {
  const [reader] = pipe(t)
  const fd = new AsyncFd(reader, { owned: true })
  fd.close()
  t.throws(() => sys.isNonblocking(release(reader)), { code: 'EBADF' })
  const again = pipe(t)
  fd.close()
  t.notThrows(() => again.map((open) => sys.isNonblocking(open)), 'a second close() would close what has the number now')
})

test('an owned object is ended by its own dispose, else by its own close, after it was deregistered', async (t) => {
  const [reader] = pipe(t)
  const calls: string[] = []
  let fd: AsyncFd<unknown> | undefined
  const call = (name: string) => () => void calls.push(`${name} ${fd?.closed}`)
  fd = new AsyncFd({ fd: reader, [Symbol.dispose]: call('dispose'), close: call('close') }, { owned: true })
  fd.close()
  fd.close()
  fd = new AsyncFd({ fd: reader, close: call('close') }, { owned: true })
  fd.close()
  fd = new AsyncFd({ fd: reader, [Symbol.asyncDispose]: call('asyncDispose') }, { owned: true })
  await fd[Symbol.asyncDispose]()
  fd = new AsyncFd({ fd: reader, close: call('never') })
  fd.close()
  t.deepEqual(calls, ['dispose true', 'close true', 'asyncDispose true'])
})

test.serial('await using waits for an owned object whose closing takes time', async (t) => {
  const handle = await openHandle(fifo(t), sys.constants.O_RDWR | sys.constants.O_NONBLOCK)
  const number = handle.fd
  {
    await using fd = new AsyncFd(handle, { owned: true })
    t.true((await fd.writable()).isWritable)
  }
  t.throws(() => sys.isNonblocking(number), { code: 'EBADF' })
})

test('using closes it', (t) => {
  const [reader] = pipe(t)
  let seen: AsyncFd
  {
    using fd = new AsyncFd(reader)
    seen = fd
    t.false(fd.closed)
  }
  t.true(seen.closed)
})

test('inspect shows the state and no internals', async (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  const guard = await fd.writable()
  const wait = fd.readable()
  t.is(inspect(fd), `AsyncFd { fd: ${a}, interest: READABLE | WRITABLE, trigger: edge, ready: WRITABLE, pending: 1 }`)
  t.is(inspect(guard), `AsyncFdReadyGuard { fd: ${a}, ready: WRITABLE }`)
  fd.close()
  t.regex(inspect(fd), /closed \}$/)
  await t.throwsAsync(wait)
})
