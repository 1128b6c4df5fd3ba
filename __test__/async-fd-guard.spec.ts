/**
 * Guards: what they saw, what clears readiness, what does not, and when a clear comes too late.
 *
 * Portable: bun, deno
 */
import { type AsyncFdReadyGuard, Interest, Ready, WouldBlock } from 'asyncfd'
import {
  drain,
  feed,
  fill,
  isPending,
  noLeaks,
  pipe,
  settled,
  shut,
  socketPair,
  take,
  tcpPair,
  watch,
} from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE, WRITABLE, PRIORITY, ERROR } = Interest
const BOTH = READABLE | WRITABLE

noLeaks(test)

test('a guard tells what was ready in the words of Ready', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  await settled()
  const flags = (guard: AsyncFdReadyGuard) => [guard.isReadable, guard.isWritable, guard.isReadClosed, guard.isWriteClosed]
  const both = await fd.ready(BOTH)
  t.is(both.ready, Ready.READABLE | Ready.WRITABLE)
  t.deepEqual(flags(both), [true, true, false, false])
  t.like(both, { isPriority: false, isError: false, isEmpty: false, inner: a, asyncFd: fd })
  const readable = await fd.readable()
  t.is(readable.ready, Ready.READABLE)
  t.deepEqual(flags(readable), [true, false, false, false])
  shut(b)
  await fd.hangup()
  const hungUp = await fd.ready(BOTH)
  t.deepEqual(flags(hungUp), [true, true, true, true])
  t.deepEqual(flags(await fd.writable()), [false, true, false, true], 'a closed state counts as readiness of its direction')
})

test('disposing, retaining and looking clear nothing', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  {
    using guard = await fd.readable()
    guard.retainReady()
    t.true(guard.isReadable)
  }
  t.true((await fd.readable({ timeout: 60_000 })).isReadable)
})

test('clearReady clears what the guard saw, and the guard reads empty', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  const guard = await fd.readable()
  drain(a)
  guard.clearReady()
  t.true(guard.isEmpty)
  t.is(guard.ready, Ready.EMPTY)
  t.true(await isPending(fd.readable().catch(() => {})))
  t.is((await fd.writable()).ready, Ready.WRITABLE, 'the other direction is untouched')
})

test('clearReadyMatching clears some bits and keeps the others', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  await settled()
  const guard = await fd.ready(BOTH)
  fill(a)
  guard.clearReadyMatching(Ready.WRITABLE)
  t.is(guard.ready, Ready.READABLE)
  const writable = fd.writable()
  t.true(await isPending(writable))
  t.is((await fd.ready(BOTH)).ready, Ready.READABLE)
  guard.clearReadyMatching(Ready.WRITABLE | Ready.PRIORITY)
  t.is(guard.ready, Ready.READABLE, 'bits the guard did not see are nothing to it')
  drain(a)
  guard.clearReadyMatching(Ready.READABLE)
  t.true(guard.isEmpty)
  drain(b)
  t.true((await writable).isWritable)
})

test('an event between guard and clear is not lost: the clear is for an older tick', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const guard = await fd.readable()
  drain(reader)
  feed(writer)
  await settled()
  guard.clearReady()
  t.true(guard.isEmpty)
  t.true((await fd.readable({ timeout: 60_000 })).isReadable)
  t.is(fd.tryIo(READABLE, take), 1)
})

test('an event between guard and a WouldBlock is not lost', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const guard = await fd.readable()
  drain(reader)
  const blocked = take(reader)
  feed(writer)
  await settled()
  t.is(
    guard.tryIo(() => blocked),
    WouldBlock,
  )
  t.is(await fd.asyncIo(READABLE, take), 1)
})

test('ticks are per direction: traffic one way does not undo clears of the other', async (t) => {
  const [a, b] = tcpPair(t)
  const fd = watch(t, a)
  const writable = await fd.writable()
  while (sendSome(a) !== WouldBlock);
  // More events of the one direction than of the other, so that their ticks differ.
  for (let i = 0; i < 3; i++) {
    feed(b)
    await settled()
  }
  const readable = await fd.readable()
  if (readable.isReadable) writable.clearReady()
  // The event of the arriving byte told about reading alone, so the clear of writing must count.
  t.is((await fd.ready(BOTH)).ready, Ready.READABLE)
  t.is(
    fd.tryIo(WRITABLE, () => t.fail()),
    WouldBlock,
  )
})

function sendSome(fd: number): unknown {
  return fill(fd) === 0 ? WouldBlock : undefined
}

test('a second guard that saw the same clears too; an older one does not undo it', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const [first, second] = await Promise.all([fd.readable(), fd.readable()])
  drain(reader)
  second?.clearReady()
  first?.clearReady()
  const wait = fd.readable()
  t.true(await isPending(wait))
  feed(writer)
  t.true((await wait).isReadable)
})

test('tryIo of a guard always calls, keeps on success and clears on WouldBlock', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const guard = await fd.readable()
  t.is(guard.tryIo(take), 1)
  t.true(guard.isReadable)
  t.true((await fd.readable({ timeout: 60_000 })).isReadable, 'a successful read clears nothing')
  t.is(guard.tryIo(take), WouldBlock)
  t.true(guard.isEmpty)
  t.true(await isPending(fd.readable().catch(() => {})))
  let calls = 0
  t.is(
    guard.tryIo(() => ++calls),
    1,
    'an empty guard calls too',
  )
})

test('a thrown EAGAIN is WouldBlock', async (t) => {
  for (const code of ['EAGAIN', 'EWOULDBLOCK']) {
    const [reader, writer] = pipe(t)
    const fd = watch(t, reader)
    feed(writer)
    const guard = await fd.readable()
    drain(reader)
    t.is(
      guard.tryIo(() => {
        throw Object.assign(new Error(code), { code })
      }),
      WouldBlock,
    )
    t.true(guard.isEmpty)
    t.true(await isPending(fd.readable().catch(() => {})))
  }
})

test('other errors are passed on and clear nothing', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const guard = await fd.readable()
  for (const thrown of [new Error('mine'), Object.assign(new Error('io'), { code: 'EIO' }), null, undefined, 'text']) {
    const fail = () => {
      throw thrown
    }
    for (const call of [() => guard.tryIo(fail), () => fd.tryIo(READABLE, fail)]) {
      let caught: unknown = 'nothing'
      try {
        call()
      } catch (error) {
        caught = error
      }
      t.is(caught, thrown)
    }
    t.true(guard.isReadable)
  }
  t.true((await fd.readable({ timeout: 60_000 })).isReadable)
})

test('a WouldBlock of a combined guard clears only what the kernel denies', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  await settled()
  const guard = await fd.ready(BOTH)
  drain(a)
  t.is(guard.tryIo(take), WouldBlock)
  t.is(guard.ready, Ready.WRITABLE)
  t.is((await fd.ready(BOTH)).ready, Ready.WRITABLE)
  fill(a)
  feed(b)
  await fd.readable()
  const other = await fd.ready(BOTH)
  t.is(other.ready, Ready.READABLE | Ready.WRITABLE)
  t.is(
    other.tryIo(() => WouldBlock),
    WouldBlock,
  )
  t.is(other.ready, Ready.READABLE, 'the kernel says: readable, not writable')
  const writable = fd.writable()
  t.true(await isPending(writable))
  drain(b)
  t.true((await writable).isWritable)
})

test('recheck asks the kernel and clears only what it denies', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  await settled()
  const guard = await fd.ready(BOTH)
  t.is(guard.recheck(), Ready.READABLE | Ready.WRITABLE)
  drain(a)
  t.is(guard.recheck(), Ready.WRITABLE)
  t.is(guard.ready, Ready.WRITABLE)
  const readable = fd.readable()
  t.true(await isPending(readable))
  feed(b)
  t.true((await readable).isReadable)
})

test('a guard of one direction does not clear the other, whatever it is asked to', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  await settled()
  const guard = await fd.readable()
  guard.clearReadyMatching(Ready.ALL)
  t.is(
    fd.tryIo(WRITABLE, () => 'still'),
    'still',
  )
  t.is(
    fd.tryIo(READABLE, () => t.fail()),
    WouldBlock,
  )
})

test('a clear of a subset of an interest leaves waits for the rest resolved at once', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader, { interest: READABLE | PRIORITY | ERROR })
  feed(writer)
  const guard = await fd.ready(READABLE | PRIORITY)
  t.is(guard.ready, Ready.READABLE)
  guard.clearReadyMatching(Ready.PRIORITY | Ready.ERROR)
  t.true((await fd.readable({ timeout: 60_000 })).isReadable)
})

test('clearing and rechecking after close() does nothing, also not to a registration that has the slot now', async (t) => {
  const [reader, writer] = pipe(t)
  feed(writer)
  const fd = watch(t, reader)
  const guard = await fd.readable()
  fd.close()
  const other = watch(t, reader)
  const seen = await other.readable()
  guard.clearReady()
  guard.clearReadyMatching(Ready.ALL)
  t.is(guard.recheck(), Ready.EMPTY)
  t.true((await other.readable({ timeout: 60_000 })).isReadable)
  t.true(seen.isReadable)
})

test('a guard does no I/O after close(): the number may be another file by then', async (t) => {
  const [reader, writer] = pipe(t)
  feed(writer)
  const fd = watch(t, reader)
  const guard = await fd.readable()
  fd.close()
  t.throws(() => guard.tryIo(() => t.fail()), { code: 'ERR_ASYNCFD_CLOSED' })
})
