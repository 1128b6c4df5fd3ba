/**
 * Waits: who is woken, what closing does to them, iteration, a changed interest, ref and unref.
 *
 * Portable: bun, deno
 */
import { type AsyncFdReadyGuard, Interest, Ready, reactor } from 'asyncfd'
import {
  drain,
  feed,
  fill,
  isPending,
  noLeaks,
  pipe,
  reuse,
  settled,
  shut,
  socketPair,
  take,
  turns,
  watch,
} from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE, WRITABLE, PRIORITY } = Interest

noLeaks(test)

test('one event wakes ten waits, not just one', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const waits = Array.from({ length: 10 }, () => fd.readable())
  t.true(await isPending(Promise.race(waits)))
  feed(writer)
  const guards = await Promise.all(waits)
  t.deepEqual(new Set(guards.map((guard) => guard.ready)), new Set([Ready.READABLE]))
})

test('waits of one descriptor end in any order, and what is left is woken in the order in which it began', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  for (const ended of [[2, 0, 4], [0, 1, 2, 3], [4, 3, 2, 1], [1, 1], []]) {
    const { refs } = reactor.metrics()
    const woken: number[] = []
    const begin = (number: number) => {
      const controller = new AbortController()
      const wait = fd.readable({ signal: controller.signal }).then(
        (guard) => {
          woken.push(number)
          return guard
        },
        () => null,
      )
      return { controller, wait }
    }
    const begun = [0, 1, 2, 3, 4].map(begin)
    t.is(reactor.metrics().refs, refs + 5)
    for (const number of ended) begun[number]!.controller.abort()
    const left = [0, 1, 2, 3, 4].filter((number) => !ended.includes(number))
    t.is(reactor.metrics().refs, refs + left.length)
    begun.push(begin(5))
    feed(writer)
    const guards = await Promise.all(begun.map(({ wait }) => wait))
    t.deepEqual(woken, [...left, 5])
    t.false(fd.hasRef())
    drain(reader)
    guards.at(-1)!.clearReady()
  }
})

test('an event wakes the waits of its direction only', async (t) => {
  const [a, b] = socketPair(t)
  fill(a)
  const fd = watch(t, a)
  await settled()
  const woken: string[] = []
  const name = (label: string) => (guard: AsyncFdReadyGuard) => void woken.push(`${label} ${guard.ready}`)
  const waits = [
    fd.writable().then(name('write')),
    fd.ready(READABLE | WRITABLE).then(name('either')),
    fd.readable().then(name('read')),
  ]
  await settled()
  t.deepEqual(woken, [])
  feed(b)
  await waits[2]
  t.deepEqual(woken, [`either ${Ready.READABLE}`, `read ${Ready.READABLE}`])
  drain(b)
  await waits[0]
  t.is(woken.at(-1), `write ${Ready.WRITABLE}`)
})

test('readiness survives a read and needs a clear', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const guard = await fd.readable()
  drain(reader)
  const again = await fd.readable()
  t.true(again.isReadable)
  guard.clearReady()
  const wait = fd.readable()
  t.true(await isPending(wait))
  feed(writer)
  t.true((await wait).isReadable)
})

test('filling a socket and clearing stops writability, draining it wakes', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  const guard = await fd.writable()
  fill(a)
  guard.clearReady()
  const wait = fd.writable()
  t.true(await isPending(wait))
  drain(b)
  t.true((await wait).isWritable)
})

test('duplex traffic: the events of one direction re-arm and lose nothing of the other', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  for (let round = 0; round < 20; round++) {
    const writable = await fd.writable()
    fill(a)
    writable.clearReady()
    const waits = Promise.all([fd.readable(), fd.writable()])
    if (round % 2 === 0) feed(b)
    drain(b)
    if (round % 2 !== 0) feed(b)
    const [readable] = await waits
    drain(a)
    readable.clearReady()
  }
  t.pass()
})

test('a wait never resolves with an empty guard, though a listener before it took the event', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  let taken = 0
  using _taker = fd.subscribe(READABLE, (guard) => {
    taken += drain(reader)
    guard?.clearReady()
  })
  const wait = fd.readable()
  feed(writer)
  t.true(await isPending(wait))
  t.is(taken, 1)
  fd.close()
  await t.throwsAsync(wait, { code: 'ERR_ASYNCFD_CLOSED' })
})

test('close() rejects pending and later waits of every kind with a typed error; none hangs', async (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader, { interest: READABLE | PRIORITY })
  const waits = () => [
    fd.readable(),
    fd.ready(PRIORITY),
    fd.hangup(),
    fd.asyncIo(READABLE, take),
    fd.readable({ timeout: 60_000 }),
  ]
  const pending = waits()
  fd.close()
  const expected = { name: 'AsyncFdError', code: 'ERR_ASYNCFD_CLOSED', message: /closed.*make a new one/ }
  for (const wait of [...pending, ...waits()]) t.is(((await t.throwsAsync(wait, expected)) as { fd?: number }).fd, reader)
})

test('close() in the tick of an event: the wait ends one way, and nothing hangs', async (t) => {
  for (let round = 0; round < 10; round++) {
    const [reader, writer] = pipe(t)
    const fd = watch(t, reader)
    const wait = fd.readable()
    feed(writer)
    if (round % 2 === 0) fd.close()
    else setImmediate(() => fd.close())
    const outcome = await wait.then(
      () => 'ready',
      (error) => error.code,
    )
    t.true(['ready', 'ERR_ASYNCFD_CLOSED'].includes(outcome), outcome)
    if (round % 2 === 0) t.is(outcome, 'ERR_ASYNCFD_CLOSED')
  }
})

test('close() inside a listener of the same batch ends the waits that come after it', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  fd.subscribe(READABLE, (guard) => void (guard === null || fd.close()))
  const wait = fd.readable()
  feed(writer)
  await t.throwsAsync(wait, { code: 'ERR_ASYNCFD_CLOSED' })
})

test('asyncIo does not touch the descriptor once closed: its number may be another file by then', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  let calls = 0
  const io = fd.asyncIo(READABLE, () => ++calls)
  fd.subscribe(READABLE, (guard) => void (guard === null || fd.close()))
  feed(writer)
  await t.throwsAsync(io, { code: 'ERR_ASYNCFD_CLOSED' })
  t.is(calls, 0)
})

test('waiting for what is not registered throws at once instead of hanging', (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader, { interest: READABLE })
  const before = reactor.metrics().refs
  const misuses: [name: string, call: () => unknown][] = [
    ['writable', () => fd.writable()],
    ['ready', () => fd.ready(READABLE | WRITABLE)],
    ['ready(PRIORITY)', () => fd.ready(PRIORITY)],
    ['readiness', () => fd.readiness(WRITABLE)],
    ['tryIo', () => fd.tryIo(WRITABLE, take)],
    ['asyncIo', () => fd.asyncIo(WRITABLE, take)],
    ['pollWriteReady', () => fd.pollWriteReady(() => {})],
    ['subscribe', () => fd.subscribe(WRITABLE, () => {})],
    ['writableSync', () => fd.writableSync({ timeout: 0 })],
  ]
  for (const [name, call] of misuses) t.throws(call, { code: 'ERR_ASYNCFD_INTEREST', message: /add it to the interest/ }, name)
  t.is(reactor.metrics().refs, before)
})

test('an iteration sees what its body left ready again, and close() ends it', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer, writer, writer)
  let taken = 0
  for await (const guard of fd.readiness(READABLE)) {
    if (guard.tryIo(take) === 1 && ++taken === 3) setImmediate(() => fd.close())
  }
  t.is(taken, 3)
  const later = fd.readiness(READABLE)
  t.deepEqual(await later.next(), { done: true, value: undefined })
})

test('leaving an iteration leaves nothing pending', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  for await (const guard of fd.readiness(READABLE)) {
    guard.clearReady()
    break
  }
  t.false(fd.hasRef())
})

test('an iteration throws what aborts it, or that a wait expired', async (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader)
  const controller = new AbortController()
  const aborted = fd.readiness(READABLE, { signal: controller.signal })
  const next = aborted.next()
  controller.abort('enough')
  t.is(await next.catch((reason) => reason), 'enough')
  t.true((await aborted.next()).done)
  await t.throwsAsync(fd.readiness(READABLE, { timeout: 1 }).next(), { name: 'TimeoutError' })
})

test('an iteration over a descriptor that was lost throws, and does not look like a close()', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const next = fd.readiness(READABLE).next()
  await settled()
  const number = reuse(t, reader, writer)
  const other = watch(t, number)
  await t.throwsAsync(next, { code: 'ERR_ASYNCFD_FD_REUSED' })
  other.close()
})

test('setInterest: what is dropped rejects, what is added is waited for', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a, { interest: READABLE })
  t.throws(() => fd.writable(), { code: 'ERR_ASYNCFD_INTEREST' })
  fd.setInterest(WRITABLE)
  t.is(fd.interest, WRITABLE)
  t.is((await fd.writable()).ready, Ready.WRITABLE)
  fd.setInterest(READABLE | WRITABLE)
  const wait = fd.readable()
  const hangup = fd.hangup()
  fd.setInterest(WRITABLE)
  await t.throwsAsync(wait, { code: 'ERR_ASYNCFD_INTEREST' })
  feed(b)
  fd.setInterest(READABLE)
  t.is((await fd.readable()).ready, Ready.READABLE, 'what came meanwhile is told')
  t.true(await isPending(hangup), 'a hang-up is always told')
  shut(b)
  await t.notThrowsAsync(hangup)
})

test('setInterest: readiness that was dropped is not remembered', async (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  await fd.writable()
  fd.setInterest(READABLE)
  fill(a)
  fd.setInterest(READABLE | WRITABLE)
  t.true(await isPending(Promise.race([fd.writable(), fd.readable()]).catch(() => {})))
  fd.close()
})

test('hasRef is whether something pending keeps the process alive', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const { refs } = reactor.metrics()
  t.false(fd.hasRef())
  const wait = fd.readable()
  t.true(fd.hasRef())
  t.is(reactor.metrics().refs, refs + 1)
  t.is(fd.unref(), fd)
  t.false(fd.hasRef())
  t.is(reactor.metrics().refs, refs)
  const second = fd.readable()
  t.is(fd.ref(), fd)
  t.is(reactor.metrics().refs, refs + 2)
  feed(writer)
  await Promise.all([wait, second])
  t.false(fd.hasRef())
})

test('many descriptors are told apart', async (t) => {
  const pipes = Array.from({ length: 100 }, () => pipe(t))
  const fds = pipes.map(([reader]) => watch(t, reader))
  const woken: number[] = []
  const waits = fds.map((fd, i) => fd.readable().then(() => woken.push(i)))
  const order = [...pipes.keys()].sort((a, b) => ((a * 37) % 100) - ((b * 37) % 100))
  for (const i of order) {
    feed(pipes[i]![1])
    await waits[i]
    await turns()
  }
  t.deepEqual(woken, order)
})
