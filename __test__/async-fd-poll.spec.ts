/**
 * pollReadReady and pollWriteReady, and poll(): one wait without a registration of one's own.
 *
 * Portable: bun, deno
 */
import { type AsyncFd, type AsyncFdReadyGuard, Interest, poll, Ready, reactor, TimeoutError } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { drain, feed, fill, isPending, noLeaks, own, pipe, settled, shut, socketPair, take, watch } from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE, WRITABLE, PRIORITY } = Interest
const BOTH = READABLE | WRITABLE
type Poll = (fd: AsyncFd, waker: () => void) => AsyncFdReadyGuard | null
const pollRead: Poll = (fd, waker) => fd.pollReadReady(waker)
const pollWrite: Poll = (fd, waker) => fd.pollWriteReady(waker)

noLeaks(test)

/** What the wakers of a test are called, in the order in which they were. */
function wakers(): { calls: string[]; waker: (name: string) => () => void } {
  const calls: string[] = []
  return { calls, waker: (name) => () => void calls.push(name) }
}

test('a poll of what is ready gives a guard and keeps no waker', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  await settled()
  t.is(fd.pollReadReady(() => t.fail())?.ready, Ready.READABLE)
  t.is(fd.pollWriteReady(() => t.fail())?.ready, Ready.WRITABLE)
  t.false(fd.hasRef())
  feed(b)
  await settled()
})

test('only the latest waker of a direction is called, and once', async (t) => {
  const [a, b] = socketPair(t)
  fill(a)
  const fd = watch(t, a)
  await settled()
  const cases: [name: string, call: Poll, happen: () => void][] = [
    ['read', pollRead, () => feed(b)],
    ['write', pollWrite, () => void drain(b)],
  ]
  for (const [name, call, happen] of cases) {
    const { calls, waker } = wakers()
    t.is(call(fd, waker('first')), null, name)
    t.is(call(fd, waker('second')), null, name)
    happen()
    t.deepEqual(calls, [], 'never from within a call')
    await settled()
    t.deepEqual(calls, ['second'], name)
    happen()
    await settled()
    t.deepEqual(calls, ['second'], name)
  }
})

test('wakers of the two directions and promise waits are independent of one another', async (t) => {
  const [a, b] = socketPair(t)
  fill(a)
  const fd = watch(t, a)
  await settled()
  const { calls, waker } = wakers()
  fd.pollReadReady(waker('read'))
  fd.pollWriteReady(waker('write'))
  const readable = fd.readable().then(() => calls.push('promise'))
  feed(b)
  await readable
  t.deepEqual(calls, ['read', 'promise'])
  fd.pollReadReady(() => t.fail())
  drain(b)
  await settled()
  t.deepEqual(calls, ['read', 'promise', 'write'])
})

test('a waker is asked for again after it was called and the readiness cleared', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const { calls, waker } = wakers()
  for (let round = 0; round < 5; round++) {
    t.is(fd.pollReadReady(waker(`${round}`)), null)
    feed(writer)
    await settled()
    const guard = fd.pollReadReady(() => t.fail())
    t.is(guard?.tryIo(take), 1)
    guard?.tryIo(take)
    t.true(guard?.isEmpty)
  }
  t.deepEqual(calls, ['0', '1', '2', '3', '4'])
})

test('a poll that finds readiness drops the waker before it', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  let stolen: AsyncFdReadyGuard | null = null
  using _thief = fd.subscribe(READABLE, () => {
    stolen ??= fd.pollReadReady(() => t.fail())
  })
  fd.pollReadReady(() => t.fail())
  feed(writer)
  await settled()
  t.truthy(stolen)
})

test('close() wakes wakers, and polls after it throw', async (t) => {
  const [a] = socketPair(t)
  fill(a)
  const fd = watch(t, a)
  await settled()
  const { calls, waker } = wakers()
  fd.pollReadReady(waker('read'))
  fd.pollWriteReady(waker('write'))
  fd.close()
  t.deepEqual(calls, [], 'not from within close()')
  await settled()
  t.deepEqual(calls, ['read', 'write'])
  for (const call of [pollRead, pollWrite]) t.throws(() => call(fd, waker('late')), { code: 'ERR_ASYNCFD_CLOSED' })
})

test('close() in the tick of an event calls a waker once', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const { calls, waker } = wakers()
  fd.pollReadReady(waker('read'))
  feed(writer)
  fd.close()
  await settled()
  t.deepEqual(calls, ['read'])
})

test('a waker keeps the process alive until it is called', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  fd.pollReadReady(() => {})
  fd.pollReadReady(() => {})
  t.true(fd.hasRef())
  feed(writer)
  await settled()
  t.false(fd.hasRef())
})

test('poll() resolves with the bits and keeps no registration', async (t) => {
  const [a, b] = socketPair(t)
  t.is(await poll(a, WRITABLE), Ready.WRITABLE)
  const readable = poll({ fd: a }, READABLE)
  t.true(await isPending(readable))
  feed(b)
  t.is(await readable, Ready.READABLE)
  t.is(await poll(a, BOTH), Ready.READABLE | Ready.WRITABLE)
  shut(b)
  t.is((await poll(a, READABLE)) & Ready.READ_CLOSED, Ready.READ_CLOSED)
  watch(t, a).close()
})

test('poll() of a descriptor that has an AsyncFd leaves that alone', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const wait = fd.readable()
  const polls = [poll(reader, READABLE), poll(fd, READABLE)]
  feed(writer)
  t.deepEqual(await Promise.all(polls), [Ready.READABLE, Ready.READABLE])
  t.true((await wait).isReadable)
  t.false(fd.closed)
})

test.serial('poll() that fails, expires or is aborted keeps no registration and no duplicate', async (t) => {
  const [reader] = pipe(t)
  watch(t, reader).close() // The reactor has descriptors of its own from the first registration on.
  const before = reactor.metrics().registered
  const probe = () => {
    const fd = sys.dup(reader)
    sys.close(fd)
    return fd
  }
  // The reactor opens descriptors of its own at the first use.
  await t.throwsAsync(poll(reader, READABLE, { timeout: 0 }))
  const lowest = probe()
  for (const registered of [0, 1]) {
    if (registered === 1) watch(t, reader)
    const open = before + registered
    await t.throwsAsync(poll(reader, READABLE, { timeout: 0 }), { instanceOf: TimeoutError })
    await t.throwsAsync(poll(reader, READABLE, { timeout: 1 }), { instanceOf: TimeoutError })
    t.is(await poll(reader, READABLE, { signal: AbortSignal.abort('reason') }).catch((reason) => reason), 'reason')
    const controller = new AbortController()
    const wait = poll(reader, PRIORITY, { signal: controller.signal })
    controller.abort('later')
    t.is(await wait.catch((reason) => reason), 'later')
    for (const options of [{ timeout: -1 }, { timeout: Number.NaN }, { timeout: '1' }, { signal: {} }]) {
      t.throws(() => poll(reader, READABLE, options as never), { message: /^The ("|value of ")options/ })
    }
    for (const interest of [0, 64, 1.5, '1']) t.throws(() => poll(reader, interest as never))
    t.is(reactor.metrics().registered, open)
    t.is(probe(), lowest)
  }
  const file = own(t, sys.open(process.argv[1] as string))
  t.throws(() => poll(file, READABLE), { code: 'EPERM' })
  t.is(reactor.metrics().registered, before + 1)
})
