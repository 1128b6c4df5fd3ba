/**
 * Bad input: each gets its typed error at the call, with a message that says what to do, and nothing is half registered.
 *
 * Portable: bun, deno
 */
import { inspect } from 'node:util'
import { AsyncFd, AsyncFdError, type AsyncFdOptions, type AsyncFdReadyGuard, Interest, poll, reactor } from 'asyncfd'
import { feed, noLeaks, pipe, socketPair, take, watch } from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE } = Interest
const TYPE = 'ERR_INVALID_ARG_TYPE'
const VALUE = 'ERR_INVALID_ARG_VALUE'
const RANGE = 'ERR_OUT_OF_RANGE'

noLeaks(test)

const sources: [value: unknown, code: string, message: RegExp][] = [
  [-1, RANGE, /"fd".*>= 0/],
  [-2147483648, RANGE, />= 0/],
  [2147483648, RANGE, /2147483647/],
  [2 ** 53, RANGE, /2147483647/],
  [Number.NaN, TYPE, /integer/],
  [Infinity, TYPE, /integer/],
  [1.5, TYPE, /integer/],
  ['3', TYPE, /descriptor number or an object/],
  [3n, TYPE, /descriptor number or an object/],
  [true, TYPE, /descriptor number or an object/],
  [null, TYPE, /descriptor number or an object/],
  [undefined, TYPE, /descriptor number or an object/],
  [Symbol('fd'), TYPE, /descriptor number or an object/],
  [() => 3, TYPE, /descriptor number or an object/],
  [{}, TYPE, /descriptor number or an object/],
  [[], TYPE, /descriptor number or an object/],
  [{ fd: '3' }, TYPE, /descriptor number or an object/],
  [{ fd: null }, TYPE, /descriptor number or an object/],
  [{ fd: -1 }, 'ERR_INVALID_STATE', /closed/],
  [{ fd: -2 }, RANGE, />= 0/],
  [{ fd: 0.5 }, TYPE, /integer/],
]
for (const [value, code, message] of sources) {
  test(`${inspect(value)} is no descriptor, and is refused before anything happened`, (t) => {
    const { registered } = reactor.metrics()
    t.throws(() => new AsyncFd(value as number), { code, message })
    t.throws(() => poll(value as number, READABLE), { code, message })
    t.is(reactor.metrics().registered, registered)
  })
}

test('numbers that are no open descriptor are EBADF, also the largest, with the object on the error', async (t) => {
  for (const fd of [0x7fffffff, 1_000_000, 999]) {
    const source = { fd }
    const error = t.throws(() => new AsyncFd(source), { instanceOf: AsyncFdError, code: 'EBADF' })
    t.is(error?.inner, source)
    t.throws(() => new AsyncFd(fd, { nonblocking: 'require' }), { code: 'EBADF' })
    t.throws(() => new AsyncFd(fd, { nonblocking: 'set' }), { code: 'EBADF' })
    t.throws(() => new AsyncFd(fd, { trigger: 'level', owned: true }), { code: 'EBADF' })
  }
})

const options: [options: unknown, code: string, name: RegExp][] = [
  [null, TYPE, /"options"/],
  [1, TYPE, /"options"/],
  ['edge', TYPE, /"options"/],
  [{ interest: 0 }, RANGE, /options\.interest.*not empty/],
  [{ interest: 4 }, RANGE, /options\.interest.*Interest\.READABLE/],
  [{ interest: 64 }, RANGE, /options\.interest/],
  [{ interest: -1 }, RANGE, /options\.interest/],
  [{ interest: 1.5 }, RANGE, /options\.interest/],
  [{ interest: Number.NaN }, RANGE, /options\.interest/],
  [{ interest: 2 ** 32 + 1 }, RANGE, /options\.interest/],
  [{ interest: '1' }, TYPE, /options\.interest/],
  [{ interest: null }, TYPE, /options\.interest/],
  [{ trigger: 'oneshot' }, VALUE, /options\.trigger.*'edge', 'level'/],
  [{ trigger: null }, VALUE, /options\.trigger/],
  [{ nonblocking: true }, VALUE, /options\.nonblocking.*'leave', 'set', 'require'/],
  [{ owned: 1 }, TYPE, /options\.owned/],
  [{ owned: 'true' }, TYPE, /options\.owned/],
  [{ fd: '3' }, TYPE, /"fd"/],
  [{ fd: null }, TYPE, /"fd"/],
  [{ fd: -1 }, RANGE, /"fd"/],
]
for (const [given, code, message] of options) {
  test(`options ${inspect(given)} are refused before anything happened`, (t) => {
    const [reader] = pipe(t)
    const { registered } = reactor.metrics()
    t.throws(() => new AsyncFd(reader, given as AsyncFdOptions), { code, message })
    t.is(reactor.metrics().registered, registered)
  })
}

test('options that are given as undefined are as if not given', (t) => {
  const [reader] = pipe(t)
  const unset = { fd: undefined, interest: undefined, trigger: undefined, nonblocking: undefined, owned: undefined }
  t.notThrows(() => new AsyncFd(reader, unset).close())
  t.notThrows(() => new AsyncFd(reader, undefined).close())
})

const badInterests: [interest: unknown, code: string][] = [
  [0, RANGE],
  [4, RANGE],
  [63, RANGE],
  [-1, RANGE],
  [1.5, RANGE],
  [Number.NaN, RANGE],
  ['1', TYPE],
  [null, TYPE],
  [undefined, TYPE],
  [1n, TYPE],
  [{}, TYPE],
]
test('an interest that is none is refused by every method, and nothing is begun', (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  for (const [interest, code] of badInterests) {
    const calls: ((bad: number) => unknown)[] = [
      (bad) => fd.ready(bad),
      (bad) => fd.readiness(bad),
      (bad) => fd.tryIo(bad, take),
      (bad) => fd.asyncIo(bad, take),
      (bad) => fd.subscribe(bad, () => {}),
      (bad) => fd.setInterest(bad),
      (bad) => poll(a, bad),
    ]
    for (const call of calls)
      t.throws(() => call(interest as number), { code, message: /interest/ }, `${call} ${String(interest)}`)
  }
  t.false(fd.hasRef())
  t.is(fd.interest, 3)
})

const badWaits: [options: unknown, code: string, message: RegExp][] = [
  [null, TYPE, /"options"/],
  [5, TYPE, /"options"/],
  ['x', TYPE, /"options"/],
  [{ timeout: -1 }, RANGE, /options\.timeout.*>= 0/],
  [{ timeout: Number.NaN }, RANGE, /options\.timeout/],
  [{ timeout: -Infinity }, RANGE, /options\.timeout/],
  [{ timeout: '5' }, TYPE, /options\.timeout/],
  [{ timeout: null }, TYPE, /options\.timeout/],
  [{ timeout: 5n }, TYPE, /options\.timeout/],
  [{ signal: null }, TYPE, /options\.signal/],
  [{ signal: {} }, TYPE, /options\.signal.*AbortSignal/],
  [{ signal: new AbortController() }, TYPE, /options\.signal/],
  [{ signal: 'abort' }, TYPE, /options\.signal/],
]
test('options of waits that are none are refused at the call, not by a rejection', (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  for (const [given, code, message] of badWaits) {
    const calls: ((bad: object) => unknown)[] = [
      (bad) => fd.readable(bad),
      (bad) => fd.writable(bad),
      (bad) => fd.ready(READABLE, bad),
      (bad) => fd.hangup(bad),
      (bad) => fd.readiness(READABLE, bad),
      (bad) => fd.asyncIo(READABLE, take, bad),
      (bad) => fd.readableSync(bad),
      (bad) => fd.writableSync(bad),
      (bad) => poll(a, READABLE, bad),
    ]
    for (const call of calls) t.throws(() => call(given as object), { code, message }, `${call} ${inspect(given)}`)
  }
  t.throws(() => fd.subscribe(READABLE, () => {}, { signal: {} } as never), { code: TYPE })
  t.throws(() => fd.subscribe(READABLE, () => {}, null as never), { code: TYPE })
  t.false(fd.hasRef())
})

test('what is no function is refused where one is called, before it is needed', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  feed(b)
  const guard = await fd.readable()
  for (const value of [undefined, null, 1, 'fn', {}, Symbol('fn')]) {
    const none = value as never
    const calls: [name: string, call: () => unknown][] = [
      ['tryIo', () => fd.tryIo(READABLE, none)],
      ['asyncIo', () => fd.asyncIo(READABLE, none)],
      ['pollReadReady', () => fd.pollReadReady(none)],
      ['pollWriteReady', () => fd.pollWriteReady(none)],
      ['subscribe', () => fd.subscribe(READABLE, none)],
      ['guard.tryIo', () => guard.tryIo(none)],
    ]
    for (const [name, call] of calls) t.throws(call, { code: TYPE, message: /of type function/ }, name)
  }
  t.true(guard.isReadable, 'and nothing was cleared')
  t.false(fd.hasRef())
})

test('what is no set of ready bits is refused by clearReadyMatching and clears nothing', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const guard = await fd.readable()
  for (const [bits, code] of [
    [64, RANGE],
    [2 ** 32, RANGE],
    [-1, RANGE],
    [1.5, RANGE],
    [Number.NaN, RANGE],
    ['1', TYPE],
    [null, TYPE],
    [undefined, TYPE],
  ] as const) {
    t.throws(() => guard.clearReadyMatching(bits as number), { code, message: /Ready bits/ })
  }
  t.true(guard.isReadable)
  t.true((await fd.readable({ timeout: 60_000 })).isReadable)
})

test('after close() every method says so with a typed error, and what needs no descriptor works', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  const guard: AsyncFdReadyGuard = await fd.readable()
  fd.close()
  const expected = { instanceOf: AsyncFdError, code: 'ERR_ASYNCFD_CLOSED', message: /make a new one/ }
  const thrown: [name: string, call: () => unknown][] = [
    ['tryIo', () => fd.tryIo(READABLE, take)],
    ['pollReadReady', () => fd.pollReadReady(() => {})],
    ['subscribe', () => fd.subscribe(READABLE, () => {})],
    ['setInterest', () => fd.setInterest(READABLE)],
    ['intoInner', () => fd.intoInner()],
    ['readableSync', () => fd.readableSync()],
    ['guard.tryIo', () => guard.tryIo(take)],
  ]
  for (const [name, call] of thrown) t.throws(call, expected, name)
  for (const wait of [fd.ready(READABLE), fd.readable(), fd.hangup(), fd.asyncIo(READABLE, take)])
    await t.throwsAsync(wait, expected)
  t.deepEqual(await fd.readiness(READABLE).next(), { done: true, value: undefined })
  t.notThrows(() => {
    fd.ref()
    fd.unref()
    t.false(fd.hasRef())
    t.is(fd.inner, reader)
    t.is(guard.inner, reader)
    t.is(fd.interest, 3)
    guard.retainReady()
    fd[Symbol.dispose]()
    inspect(fd)
  })
  await t.notThrowsAsync(fd[Symbol.asyncDispose]())
})

test('a getter that throws, or closes meanwhile, leaves nothing half registered', (t) => {
  const [reader] = pipe(t)
  const { registered } = reactor.metrics()
  const mine = new Error('mine')
  const source = {
    get fd(): number {
      throw mine
    },
  }
  t.is(
    t.throws(() => new AsyncFd(source)),
    mine,
  )
  let given = 0
  const changing = {
    get fd(): number {
      return given++ === 0 ? reader : -1
    },
  }
  const fd = new AsyncFd(changing)
  t.throws(() => fd.tryIo(READABLE, () => 0), { code: 'ERR_ASYNCFD_FD_CHANGED' })
  fd.close()
  t.is(reactor.metrics().registered, registered)
})

test('an owned object whose end throws is deregistered all the same', (t) => {
  const [reader] = pipe(t)
  const mine = new Error('mine')
  const fd = new AsyncFd(
    {
      fd: reader,
      close() {
        throw mine
      },
    },
    { owned: true },
  )
  t.is(
    t.throws(() => fd.close()),
    mine,
  )
  t.true(fd.closed)
  t.notThrows(() => fd.close())
  t.notThrows(() => new AsyncFd(reader).close())
})
