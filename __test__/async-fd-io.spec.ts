/**
 * I/O gated by readiness: tryIo and asyncIo of an AsyncFd, the level trigger, the blocking calls for scripts.
 *
 * Portable: bun, deno
 */
import { AsyncFd, Interest, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { drain, feed, fill, isPending, noLeaks, pipe, settled, socketPair, take, udpPair, watch } from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE, WRITABLE } = Interest
const BOTH = READABLE | WRITABLE

noLeaks(test)

test('tryIo calls only if the flag of its direction is set, for both directions', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  await fd.writable()
  t.is(
    fd.tryIo(READABLE, () => t.fail()),
    WouldBlock,
  )
  t.is(
    fd.tryIo(WRITABLE, () => 'written'),
    'written',
  )
  fill(a)
  t.is(
    fd.tryIo(WRITABLE, (inner) => sys.write(inner, Buffer.alloc(1))),
    WouldBlock,
  )
  t.is(
    fd.tryIo(WRITABLE, () => t.fail()),
    WouldBlock,
    'the WouldBlock cleared it',
  )
  feed(b)
  await fd.readable()
  t.is(fd.tryIo(READABLE, take), 1)
  t.is(fd.tryIo(READABLE, take), WouldBlock)
  t.is(
    fd.tryIo(READABLE, () => t.fail()),
    WouldBlock,
  )
})

test('tryIo with a combined interest works and does not always say WouldBlock', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  await settled()
  t.is(fd.tryIo(BOTH, take), 1)
  t.is(fd.tryIo(BOTH, take), WouldBlock)
  t.is(
    fd.tryIo(WRITABLE, () => 'still'),
    'still',
    'only what the kernel denied was cleared',
  )
  t.is(
    fd.tryIo(READABLE, () => t.fail()),
    WouldBlock,
  )
})

test('tryIo: an event that comes while the closure runs is not cleared by its WouldBlock', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  await fd.readable()
  drain(reader)
  const blocked = fd.tryIo(READABLE, (inner) => {
    const result = take(inner)
    feed(writer)
    return result
  })
  t.is(blocked, WouldBlock)
  t.is(await fd.asyncIo(READABLE, take), 1)
})

test('asyncIo waits, and loops for as long as the closure says WouldBlock', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const results: unknown[] = []
  const io = fd.asyncIo(READABLE, (inner) => {
    if (results.length === 0) drain(inner)
    const result = take(inner)
    results.push(result)
    return result
  })
  t.true(await isPending(io))
  t.deepEqual(results, [], 'nothing is attempted before it is ready')
  feed(writer)
  t.true(await isPending(io))
  feed(writer)
  t.is(await io, 1)
  t.deepEqual(results, [WouldBlock, 1])
})

test('any error of the closure ends asyncIo', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const mine = new Error('mine')
  const error = await t.throwsAsync(
    fd.asyncIo(READABLE, () => {
      throw mine
    }),
  )
  t.is(error, mine)
  t.is(await fd.asyncIo(READABLE, take), 1, 'and clears nothing')
})

test('asyncIo carries datagrams both ways', async (t) => {
  for (const [a, b] of [udpPair(t), socketPair(t, sys.constants.SOCK_DGRAM)]) {
    const [one, two] = [watch(t, a), watch(t, b)]
    const buffer = Buffer.alloc(16)
    const received = two.asyncIo(READABLE, (inner) => sys.recv(inner, buffer))
    t.is(await one.asyncIo(WRITABLE, (inner) => sys.send(inner, Buffer.from('hello'))), 5)
    t.is(await received, 5)
    t.is(buffer.toString('latin1', 0, 5), 'hello')
    const back = one.asyncIo(READABLE, (inner) => sys.recv(inner, buffer))
    t.is(await two.asyncIo(WRITABLE, (inner) => sys.send(inner, Buffer.alloc(0))), 0)
    t.is(await back, 0, 'an empty datagram is readiness too')
  }
})

class Thenable {
  // biome-ignore lint/suspicious/noThenProperty: what is to be refused
  then(): void {}
}

test('a promise instead of a result is refused, and its rejection is not reported twice', async (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  const guard = await fd.writable()
  const promises: (() => never)[] = [() => Promise.reject(new Error('late')) as never, () => new Thenable() as never]
  for (const promise of promises) {
    const expected = { code: 'ERR_ASYNCFD_PROMISE', message: /await outside/ }
    t.throws(() => fd.tryIo(WRITABLE, promise), expected)
    t.throws(() => guard.tryIo(promise), expected)
    await t.throwsAsync(fd.asyncIo(WRITABLE, promise), expected)
  }
  await settled()
  t.true(guard.isWritable)
})

test('a closure that waits on its own AsyncFd is refused, and closures work afterwards', async (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  const guard = await fd.writable()
  const waits: (() => unknown)[] = [
    () => fd.readable(),
    () => fd.ready(BOTH),
    () => fd.hangup(),
    () => fd.readiness(READABLE),
    () => fd.asyncIo(READABLE, take),
    () => fd.pollReadReady(() => {}),
    () => fd.subscribe(READABLE, () => {}),
    () => fd.readableSync({ timeout: 0 }),
  ]
  for (const wait of waits) {
    const closure = () => {
      wait()
      return 0
    }
    t.throws(() => guard.tryIo(closure), { code: 'ERR_ASYNCFD_REENTRANT' })
    t.throws(() => fd.tryIo(WRITABLE, closure), { code: 'ERR_ASYNCFD_REENTRANT' })
  }
  t.is(
    fd.tryIo(WRITABLE, () => 'fine'),
    'fine',
  )
  t.false(fd.hasRef(), 'nothing was begun')
})

test('close() inside a closure ends the AsyncFd without touching what comes after', async (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  const guard = await fd.writable()
  const io = guard.tryIo(() => {
    fd.close()
    return WouldBlock
  })
  t.is(io, WouldBlock)
  t.true(fd.closed)
})

test('level: a reader that never sees EAGAIN neither hangs nor loses what it left', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader, { trigger: 'level' })
  feed(writer, writer, writer)
  for (let i = 0; i < 3; i++) {
    const guard = await fd.readable()
    t.is(take(reader), 1)
    guard.clearReady()
  }
  const wait = fd.readable()
  t.true(await isPending(wait), 'what was read to the end is not readable still')
  feed(writer)
  t.true((await wait).isReadable)
})

test('edge: a clear of what was not exhausted waits for the next event', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  sys.write(writer, new Uint8Array(2)) // at once: of two writes the second may be an event of its own
  const guard = await fd.readable()
  t.is(take(reader), 1)
  guard.clearReady()
  const wait = fd.readable()
  if (process.env.ASYNCFD_POLLING !== 'oneshot') t.true(await isPending(wait))
  feed(writer)
  t.true((await wait).isReadable)
})

test('level: tryIo asks the kernel, so it works before any event', (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader, { trigger: 'level' })
  t.is(
    fd.tryIo(READABLE, () => t.fail()),
    WouldBlock,
  )
  feed(writer)
  t.is(fd.tryIo(READABLE, take), 1)
  t.is(
    fd.tryIo(READABLE, () => t.fail()),
    WouldBlock,
  )
})

test('readableSync blocks until ready and says whether it became so in time', (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  t.false(fd.readableSync({ timeout: 0 }))
  const start = performance.now()
  t.false(fd.readableSync({ timeout: 3.5 }))
  t.true(performance.now() - start >= 3.5)
  t.true(fd.writableSync())
  fill(a)
  t.false(fd.writableSync({ timeout: 0 }))
  feed(b)
  t.true(fd.readableSync())
  fd.close()
  t.throws(() => fd.readableSync(), { code: 'ERR_ASYNCFD_CLOSED' })
})

test('the events of level-triggered descriptors do not spin while nobody waits', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = new AsyncFd(reader, { trigger: 'level' })
  feed(writer)
  await fd.readable()
  t.false(fd.hasRef())
  fd.close()
})
