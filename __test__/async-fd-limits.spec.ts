/**
 * Deadlines and aborts of waits: never early, never at the expense of bytes or of another wait.
 *
 * Portable: bun, deno
 */
import { getEventListeners } from 'node:events'
import { AsyncFd, Interest, reactor, TimeoutError, WouldBlock } from 'asyncfd'
import { deadline, timeout } from 'asyncfd/time'
import { block, drain, feed, isPending, noLeaks, pipe, settled, take, turns, watch } from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE } = Interest

noLeaks(test)

for (const timeout of [0.25, 1, 1.5, 2, 7, 20]) {
  test(`a timeout of ${timeout} ms is not early, and its error says what happened`, async (t) => {
    const [reader] = pipe(t)
    const fd = watch(t, reader)
    const start = performance.now()
    const error = (await t.throwsAsync(fd.readable({ timeout }), { instanceOf: TimeoutError })) as TimeoutError
    const elapsed = performance.now() - start
    t.true(elapsed >= timeout, `${elapsed} ms`)
    t.like(error, { name: 'TimeoutError', code: 'ETIMEDOUT', timeout, message: `not ready within ${timeout} ms` })
    t.true(error.elapsed >= timeout && error.elapsed <= elapsed, `${error.elapsed} ms of ${elapsed} ms`)
    t.false(fd.hasRef(), 'nothing stays pending')
  })
}

test('a timeout of 0 asks the kernel once and waits for nothing', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const error = await t.throwsAsync(fd.readable({ timeout: 0 }), { instanceOf: TimeoutError })
  t.like(error, { timeout: 0 })
  t.false(fd.hasRef())
  feed(writer)
  const wait = fd.readable({ timeout: 0 })
  t.false(fd.hasRef(), 'the event has not been seen, the kernel was asked')
  t.true((await wait).isReadable)
  await t.throwsAsync(fd.hangup({ timeout: 0 }), { instanceOf: TimeoutError })
})

test('no timeout, undefined and Infinity wait for ever', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const waits = [fd.readable(), fd.readable({}), fd.readable({ timeout: undefined }), fd.readable({ timeout: Infinity })]
  for (const timeout of [2 ** 31, 2 ** 53]) waits.push(fd.readable({ timeout }))
  t.true(await isPending(Promise.race(waits)), 'longer than a timer of the runtime can be')
  feed(writer)
  t.is((await Promise.all(waits)).length, 6)
})

test('a blocked event loop does not make a deadline accuse a descriptor that is ready', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const waits = [1, 2, 3].map((timeout) => fd.readable({ timeout }))
  feed(writer)
  block(20)
  for (const guard of await Promise.all(waits)) t.true(guard.isReadable)
})

test.serial('what keeps the event loop from its turn just after a limit was set does not count', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  // The first that keeps the process alive has everything drained at once.
  using _held = watch(t, writer).subscribe(Interest.WRITABLE, () => {})
  await settled()
  using limit = deadline(500)
  const wait = fd.readable({ timeout: 500 })
  block(600)
  await settled()
  t.false(limit.expired)
  feed(writer)
  t.true((await wait).isReadable)
  t.true(limit.refresh())
  block(600)
  await settled()
  t.false(limit.expired)
})

test.serial(
  'timeout(): what came in time while the event loop was blocked wins, through as many promises as it takes',
  async (t) => {
    const [reader, writer] = pipe(t)
    const fd = watch(t, reader)
    await settled()
    const work = async () => {
      const guard = await fd.readable()
      await null
      return guard.isReadable
    }
    const limited = timeout(20, work().then(Boolean))
    feed(writer)
    block(60)
    t.true(await limited)
    await settled()
  },
)

// A thread that may not ask for a turn before the immediates have run may have looked before they did.
test.serial('nor does it count that the event loop is busy with something else in between', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const work = async () => {
    const guard = await fd.readable()
    drain(reader)
    guard.clearReady()
    return 'done'
  }
  await settled()
  for (let round = 0; round < 8; round++) {
    const limited = timeout(5, work())
    if (round % 2 === 0) {
      setImmediate(() => block(10))
      setTimeout(() => block(10))
    }
    feed(writer)
    block(12)
    t.is(await limited, 'done')
  }
  await settled()
})

test('an expiry loses no readiness of another wait', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const patient = fd.readable()
  await t.throwsAsync(fd.readable({ timeout: 1 }), { instanceOf: TimeoutError })
  t.true(await isPending(patient))
  feed(writer)
  t.true((await patient).isReadable)
})

test('an abort rejects with the reason of the signal, whatever it is', async (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader)
  for (const reason of [new Error('mine'), 'text', 0, null]) {
    const controller = new AbortController()
    const waits = [fd.readable({ signal: controller.signal }), fd.hangup({ signal: controller.signal })]
    controller.abort(reason)
    for (const wait of [...waits, fd.readable({ signal: controller.signal })]) {
      t.is(
        await wait.then(
          () => 'resolved',
          (caught) => caught,
        ),
        reason,
      )
    }
  }
  const plain = new AbortController()
  const wait = fd.readable({ signal: plain.signal })
  plain.abort()
  t.is(await wait.catch((reason) => reason), plain.signal.reason)
  t.is(plain.signal.reason.name, 'AbortError')
  t.false(fd.hasRef())
})

test('an abort of one wait loses no readiness of another', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const controller = new AbortController()
  const aborted = fd.readable({ signal: controller.signal })
  const other = fd.readable()
  feed(writer)
  controller.abort('now')
  t.is(await aborted.catch((reason) => reason), 'now')
  t.true((await other).isReadable)
  t.true((await fd.readable()).isReadable, 'and the readiness stays')
})

test('an abort in the tick of an event loses neither the event nor a byte', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  for (let round = 0; round < 20; round++) {
    const controller = new AbortController()
    const wait = fd.asyncIo(READABLE, take, { signal: controller.signal })
    feed(writer)
    const abort = () => controller.abort('abort')
    if (round % 3 === 0) abort()
    else if (round % 3 === 1) setImmediate(abort)
    else void turns(2).then(abort)
    const outcome = await wait.catch((reason) => reason)
    t.true(outcome === 1 || outcome === 'abort', String(outcome))
    // What the aborted wait did not read, the next one does.
    if (outcome === 'abort') t.is(await fd.asyncIo(READABLE, take), 1)
  }
  t.is(take(reader), WouldBlock)
})

test('a wait that was resolved already is not undone by an abort', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const controller = new AbortController()
  const order: string[] = []
  const wait = fd.readable({ signal: controller.signal })
  using _later = fd.subscribe(READABLE, () => {
    order.push('abort')
    controller.abort()
  })
  feed(writer)
  t.true((await wait).isReadable, 'it was before the listener in the order of waiting')
  await settled()
  t.true(order.length > 0)
})

test('waits leave no listener on a signal that outlives them', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const controller = new AbortController()
  const { signal } = controller
  const listeners = () => getEventListeners(signal, 'abort').length
  const ready = fd.readable({ signal })
  t.is(listeners(), 1)
  feed(writer)
  const guard = await ready
  t.is(listeners(), 0, 'resolved')
  drain(reader)
  guard.clearReady()
  await t.throwsAsync(fd.readable({ signal, timeout: 1 }))
  t.is(listeners(), 0, 'expired')
  const subscription = fd.subscribe(READABLE, () => {}, { signal })
  t.is(listeners(), 1)
  subscription[Symbol.dispose]()
  t.is(listeners(), 0, 'disposed of')
  const closed = fd.readable({ signal })
  fd.subscribe(READABLE, () => {}, { signal })
  fd.close()
  await t.throwsAsync(closed)
  t.is(listeners(), 0, 'closed')
})

test('the deadline of asyncIo is for the whole, and its error tells the whole', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const start = performance.now()
  let calls = 0
  const io = fd.asyncIo(
    READABLE,
    (inner) => {
      calls++
      drain(inner)
      return WouldBlock
    },
    { timeout: 30 },
  )
  feed(writer)
  const error = (await t.throwsAsync(io, { instanceOf: TimeoutError })) as TimeoutError
  t.true(performance.now() - start >= 30)
  t.is(calls, 1)
  t.is(error.timeout, 30)
  t.true(error.elapsed >= 30, `${error.elapsed} ms`)
})

test('a closure that says WouldBlock for ever on a ready descriptor does not outlive its deadline', async (t) => {
  const [reader, writer] = pipe(t)
  feed(writer)
  for (const timeout of [0, 5]) {
    const fd = new AsyncFd(reader, { trigger: 'level' })
    const error = await t.throwsAsync(
      fd.asyncIo(READABLE, () => WouldBlock, { timeout }),
      { instanceOf: TimeoutError },
    )
    t.is((error as TimeoutError).timeout, timeout)
    fd.close()
  }
})

test('a signal given to many waits brings no warning of a leak, and ends them all', async (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader)
  const controller = new AbortController()
  const { signal } = controller
  const waits = Array.from({ length: 100 }, () => fd.readable({ signal }))
  fd.subscribe(READABLE, () => {}, { signal })
  t.is(getEventListeners(signal, 'abort').length, 1, 'Node warns at eleven')
  controller.abort('all')
  t.true(await fd.readable({ signal }).catch((reason) => reason === 'all'))
  for (const wait of waits) t.is(await wait.catch((reason) => reason), 'all')
  t.false(fd.hasRef())
})

test.serial('expired and aborted waits keep nothing alive', async (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader)
  const { refs } = reactor.metrics()
  const controller = new AbortController()
  const waits = Array.from({ length: 50 }, (_, i) => fd.readable(i % 2 === 0 ? { timeout: 1 } : { signal: controller.signal }))
  t.is(reactor.metrics().refs, refs + 50)
  controller.abort()
  const outcomes = await Promise.allSettled(waits)
  t.true(outcomes.every(({ status }) => status === 'rejected'))
  t.is(reactor.metrics().refs, refs)
})
