/**
 * Subscriptions: when the listener is called, with what, and that it is not called again.
 *
 * Portable: bun, deno
 */
import { type AsyncFdReadyGuard, Interest, Ready } from 'asyncfd'
import { drain, feed, fill, isPending, noLeaks, pipe, settled, shut, socketPair, take, watch } from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE, WRITABLE } = Interest

noLeaks(test)

test('the listener is never called from the call that adds it, though it is ready', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  feed(writer)
  await fd.readable()
  let calls = 0
  const subscription = fd.subscribe(READABLE, () => calls++)
  t.is(calls, 0)
  await Promise.resolve()
  t.is(calls, 0, 'nor from a microtask')
  await settled()
  t.true(calls >= 1, 'what was ready already is told')
  subscription[Symbol.dispose]()
})

test('a listener that drains is told of every event, and no byte is left', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  let bytes = 0
  using _subscription = fd.subscribe(READABLE, (guard) => {
    if (guard !== null) bytes += drain(guard.inner)
  })
  for (let round = 1; round <= 50; round++) {
    feed(writer)
    if (round % 5 === 0) await settled()
    if (round % 5 === 0) t.is(bytes, round)
  }
})

test('a listener that feeds its own descriptor is told of that too', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  let rounds = 0
  await new Promise<void>((resolve) => {
    const subscription = fd.subscribe(READABLE, (guard) => {
      if (guard?.tryIo(take) !== 1) return
      if (++rounds === 1000) {
        subscription[Symbol.dispose]()
        resolve()
      } else feed(writer)
    })
    feed(writer)
  })
  t.is(rounds, 1000)
})

test('a listener is told of its own direction only, and its guard holds no other', async (t) => {
  const [a, b] = socketPair(t)
  fill(a)
  const fd = watch(t, a)
  await settled()
  const seen = { read: 0, write: 0 }
  using _read = fd.subscribe(READABLE, (guard) => {
    seen.read |= guard?.ready ?? 0
    if (guard !== null) drain(guard.inner)
  })
  let full = 0
  using _write = fd.subscribe(WRITABLE, (guard) => {
    seen.write |= guard?.ready ?? 0
    if (guard !== null) full += fill(guard.inner)
  })
  feed(b)
  await settled()
  t.deepEqual(seen, { read: Ready.READABLE, write: 0 })
  drain(b)
  await settled()
  t.deepEqual(seen, { read: Ready.READABLE, write: Ready.WRITABLE })
  t.true(full > 0)
})

test('a subscription does not rob waits, nor another subscription', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const calls: string[] = []
  using _one = fd.subscribe(READABLE, () => calls.push('one'))
  const wait = fd.readable()
  using _two = fd.subscribe(READABLE, () => calls.push('two'))
  feed(writer)
  t.true((await wait).isReadable)
  t.deepEqual(calls.slice(0, 2), ['one', 'two'])
})

test('close() tells null once, not from within close(), and nothing after it', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const calls: unknown[] = []
  fd.subscribe(READABLE, (guard) => calls.push(guard))
  feed(writer)
  fd.close()
  t.deepEqual(calls, [])
  await settled()
  t.deepEqual(calls, [null])
})

test('a subscription that was disposed of hears nothing, not even of a close() before', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const before = fd.subscribe(READABLE, () => t.fail('disposed of before the event'))
  feed(writer)
  before[Symbol.dispose]()
  before[Symbol.dispose]()
  await settled()
  t.false(fd.hasRef())
  const closed = fd.subscribe(READABLE, () => t.fail('disposed of after close()'))
  fd.close()
  closed[Symbol.dispose]()
  await settled()
})

test('an aborted signal ends a subscription without null; one aborted before adds none', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const controller = new AbortController()
  fd.subscribe(READABLE, () => t.fail('aborted'), { signal: controller.signal })
  t.true(fd.hasRef())
  feed(writer)
  controller.abort()
  t.false(fd.hasRef())
  fd.subscribe(READABLE, () => t.fail('aborted before'), { signal: controller.signal })
  t.false(fd.hasRef())
  await settled()
  t.true((await fd.readable()).isReadable, 'and the event is there for others')
})

test('a listener may end its own subscription, and the one that comes next in the batch', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const calls: string[] = []
  const first = fd.subscribe(READABLE, () => {
    calls.push('first')
    first[Symbol.dispose]()
    second[Symbol.dispose]()
  })
  const second = fd.subscribe(READABLE, () => calls.push('second'))
  feed(writer)
  await settled()
  feed(writer)
  await settled()
  t.deepEqual(calls, ['first'])
})

test('a listener added by a listener is called for what is ready, not within the same call', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  let inside = false
  let added = 0
  const subscriptions: Disposable[] = []
  subscriptions.push(
    fd.subscribe(READABLE, () => {
      inside = true
      if (subscriptions.length === 1) {
        subscriptions.push(
          fd.subscribe(READABLE, () => {
            t.false(inside)
            added++
          }),
        )
      }
      inside = false
    }),
  )
  feed(writer)
  await settled()
  t.true(added >= 1)
  for (const subscription of subscriptions) subscription[Symbol.dispose]()
})

test('an idle writable descriptor does not fire for ever', async (t) => {
  const [a] = socketPair(t)
  const fd = watch(t, a)
  let calls = 0
  using _subscription = fd.subscribe(WRITABLE, () => calls++)
  await settled()
  const first = calls
  t.true(first >= 1)
  await settled()
  t.is(calls, first)
})

test('a level-triggered subscription is called for as long as something is left', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader, { trigger: 'level' })
  feed(writer, writer, writer)
  let taken = 0
  using _subscription = fd.subscribe(READABLE, (guard) => {
    if (guard !== null && take(guard.inner) === 1) taken++
  })
  while (taken < 3) await settled()
  t.is(taken, 3)
  feed(writer)
  while (taken < 4) await settled()
  t.true(await isPending(fd.readable().catch(() => {})))
})

test('a level-triggered subscription is told of what is left from before it was added', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader, { trigger: 'level' })
  feed(writer)
  await fd.readable()
  await settled()
  let taken = 0
  using _subscription = fd.subscribe(READABLE, (guard) => {
    if (guard !== null && take(guard.inner) === 1) taken++
  })
  await settled()
  t.is(taken, 1)
})

test('a hang-up is told to a listener that reads, with the closed state', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a, { interest: READABLE })
  const seen = new Promise<AsyncFdReadyGuard | null>((resolve) => {
    const subscription = fd.subscribe(READABLE, (guard) => {
      subscription[Symbol.dispose]()
      resolve(guard)
    })
  })
  shut(b)
  t.true((await seen)?.isReadClosed)
})

test('a descriptor closed by its own listener brings no error of ours', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  let calls = 0
  fd.subscribe(READABLE, (guard) => {
    if (guard === null) return
    calls++
    shut(reader)
  })
  feed(writer)
  await settled()
  t.is(calls, 1)
})
