// Portable: bun, deno
/** Sleeping, on stopped time: what tokio's `Sleep` promises. */
import { setImmediate } from 'node:timers/promises'
import { clock, now, Sleep, sleep, sleepUntil } from 'asyncfd/time'
import { onStoppedTime, watch } from './helpers/clock.js'

onStoppedTime('a sleep ends at its deadline, and not a tick before', async (t) => {
  const begun = now()
  const slept = watch(sleep(100))
  await clock.advance(99.9375)
  t.is(slept.state, 'pending')
  await clock.advance(0.0625)
  t.is(slept.state, 'resolved')
  t.is(slept.at, begun + 100)
})

onStoppedTime('a sleep of zero, and one until a past instant, end without time going by, but not at once', async (t) => {
  const begun = now()
  const sleeps = [sleep(0), sleepUntil(begun), sleepUntil(begun - 1000), sleepUntil(-Infinity)].map(watch)
  await Promise.resolve()
  t.deepEqual(
    sleeps.map(({ state }) => state),
    ['pending', 'pending', 'pending', 'pending'],
  )
  await sleep(0)
  await setImmediate()
  t.deepEqual(
    sleeps.map(({ at }) => at),
    [begun, begun, begun, begun],
  )
})

onStoppedTime('a sleep below a millisecond ends within that millisecond', async (t) => {
  const begun = now()
  const slept = watch(sleep(0.3))
  await clock.advance(10)
  t.true(slept.at >= begun + 0.3 && slept.at < begun + 0.4, `${slept.at - begun}`)
})

onStoppedTime('durations around the borders of the levels of the wheel end in their tick', async (t) => {
  for (const ms of [1, 3.9375, 4, 4.0625, 63, 64, 255, 256, 257, 16_383, 16_384, 16_385, 1_048_575, 1_048_577]) {
    const begun = now()
    const slept = watch(sleep(ms))
    await clock.advance(ms - 0.0625)
    t.is(slept.state, 'pending', `${ms}`)
    await clock.advance(0.0625)
    t.is(slept.at, begun + ms, `${ms}`)
  }
})

onStoppedTime('very long sleeps end on time: hours, a year, beyond the top level', async (t) => {
  for (const ms of [3_600_000, 365 * 86_400_000, 2 ** 32 * 4]) {
    const begun = now()
    const slept = watch(sleep(ms))
    await clock.advance(ms - 1)
    t.is(slept.state, 'pending', `${ms}`)
    await clock.advance(1)
    t.is(slept.at, begun + ms, `${ms}`)
  }
})

onStoppedTime('huge durations and Infinity are never, and can be aborted', async (t) => {
  const aborting = new AbortController()
  const { signal } = aborting
  const sleeps = [Infinity, Number.MAX_VALUE, Number.MAX_SAFE_INTEGER].map((ms) => watch(sleep(ms, { signal })))
  sleeps.push(watch(sleepUntil(Infinity, { signal })))
  await clock.advance(1e12)
  t.true(sleeps.every(({ state }) => state === 'pending'))
  const reason = new Error('enough')
  aborting.abort(reason)
  await Promise.resolve()
  t.true(sleeps.every(({ error }) => error === reason))
})

onStoppedTime('an abort ends a sleep at once, with the reason of the signal', async (t) => {
  const aborting = new AbortController()
  const slept = watch(sleep(50, { signal: aborting.signal }))
  await clock.advance(49)
  aborting.abort('why')
  await Promise.resolve()
  t.is(slept.error, 'why')
  const after = watch(sleep(50, { signal: aborting.signal }))
  await Promise.resolve()
  t.is(after.error, 'why')
})

onStoppedTime('an abort after the end changes nothing, and no listener is left on the signal', async (t) => {
  const signal = new AbortController().signal
  const counts = { added: 0, removed: 0 }
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = function (this: AbortSignal, ...args: Parameters<typeof addEventListener>) {
    counts.added++
    addEventListener.apply(this, args)
  } as typeof addEventListener
  signal.removeEventListener = function (this: AbortSignal, ...args: Parameters<typeof removeEventListener>) {
    counts.removed++
    removeEventListener.apply(this, args)
  } as typeof removeEventListener
  const slept = sleep(5, { signal })
  await clock.advance(5)
  await slept
  const awaited = new Sleep(5).wait({ signal })
  await clock.advance(5)
  await awaited
  t.deepEqual(counts, { added: 2, removed: 2 })
})

onStoppedTime('a Sleep ends at its deadline for everybody who waits', async (t) => {
  const object = new Sleep(20)
  t.is(object.deadline, now() + 20)
  t.false(object.isElapsed)
  const waits = [object.wait(), object.wait()].map(watch)
  await clock.advance(20)
  t.true(object.isElapsed)
  t.deepEqual(
    waits.map(({ at }) => at),
    [object.deadline, object.deadline],
  )
  const late = watch(object.wait())
  await clock.advance(0)
  t.is(late.state, 'resolved', 'one that has elapsed ends without time going by')
})

onStoppedTime('a Sleep that nobody awaits elapses all the same', async (t) => {
  const object = new Sleep(20)
  await clock.advance(20)
  t.true(object.isElapsed)
})

onStoppedTime('reset to later while it is awaited: it ends later', async (t) => {
  const begun = now()
  const object = new Sleep(100)
  const wait = watch(object.wait())
  await clock.advance(50)
  object.reset(100)
  await clock.advance(99.9375)
  t.is(wait.state, 'pending')
  await clock.advance(1)
  t.is(wait.at, begun + 150)
})

onStoppedTime('reset to earlier while it is awaited: it ends earlier', async (t) => {
  const begun = now()
  const object = new Sleep(3_000_000)
  const wait = watch(object.wait())
  await clock.advance(50)
  object.reset(3)
  await clock.advance(100)
  t.is(wait.at, begun + 53)
})

onStoppedTime('reset to much later and back to earlier, across levels', async (t) => {
  const begun = now()
  const object = new Sleep(10)
  const wait = watch(object.wait())
  object.reset(100_000_000)
  await clock.advance(20_000)
  t.is(wait.state, 'pending')
  object.resetAt(begun + 30_000)
  object.resetAt(begun + 90_000)
  object.resetAt(begun + 25_000.5)
  await clock.advance(5000)
  t.is(wait.state, 'pending')
  await clock.advance(1)
  t.is(wait.at, begun + 25_000.5)
})

onStoppedTime('reset to the past while it is awaited: it ends without time going by', async (t) => {
  const object = new Sleep(100)
  const wait = watch(object.wait())
  object.resetAt(now() - 5)
  t.true(object.isElapsed)
  await clock.advance(0)
  t.is(wait.state, 'resolved')
})

onStoppedTime('reset after it has elapsed: it runs again', async (t) => {
  const object = new Sleep(5)
  const first = watch(object.wait())
  await clock.advance(5)
  t.is(first.state, 'resolved')
  object.reset(7)
  t.false(object.isElapsed)
  const second = watch(object.wait())
  await clock.advance(6)
  t.is(second.state, 'pending')
  await clock.advance(1)
  t.is(second.state, 'resolved')
})

onStoppedTime('reset from within what its end caused, and a timer that re-arms itself a hundred times', async (t) => {
  const begun = now()
  const object = new Sleep(1)
  const ends: number[] = []
  const loop = (async () => {
    for (let i = 0; i < 100; i++) {
      await object.wait()
      ends.push(now() - begun)
      object.resetAt(object.deadline + 1)
    }
  })()
  await clock.advance(100)
  await loop
  t.deepEqual(
    ends,
    Array.from({ length: 100 }, (_, i) => i + 1),
  )
})

onStoppedTime('cancel while awaited rejects; reset starts it again', async (t) => {
  const object = new Sleep(10)
  const wait = watch(object.wait())
  object.cancel()
  object.cancel()
  await Promise.resolve()
  t.like(wait.error, { code: 'ERR_ASYNCFD_CLOSED' })
  await t.throwsAsync(object.wait(), { code: 'ERR_ASYNCFD_CLOSED' })
  object.reset(10)
  const again = watch(object.wait())
  await clock.advance(10)
  t.is(again.state, 'resolved')
})

onStoppedTime('drop while firing: a Sleep disposed of by another of the same tick does not end', async (t) => {
  const first = new Sleep(10)
  const second = new Sleep(10)
  const wait = watch(first.wait().then(() => second[Symbol.dispose]()))
  const dropped = watch(second.wait())
  await clock.advance(10)
  t.is(wait.state, 'resolved')
  t.not(dropped.state, 'pending')
  const third = new Sleep(5)
  third[Symbol.dispose]()
  await t.throwsAsync(third.wait(), { code: 'ERR_ASYNCFD_CLOSED' })
})

onStoppedTime('one of two waits aborted: the other one ends on time', async (t) => {
  const aborting = new AbortController()
  const object = new Sleep(10)
  const [one, two] = [watch(object.wait({ signal: aborting.signal })), watch(object.wait())]
  aborting.abort('out')
  await clock.advance(9)
  t.is(one.error, 'out')
  t.is(two.state, 'pending')
  await clock.advance(1)
  t.is(two.state, 'resolved')
})

onStoppedTime('the last wait aborted: nothing is pending, and a later wait still ends on time', async (t) => {
  const aborting = new AbortController()
  const object = new Sleep(10)
  const one = watch(object.wait({ signal: aborting.signal }))
  aborting.abort('out')
  await Promise.resolve()
  t.is(one.error, 'out')
  t.false(object.hasRef())
  const two = watch(object.wait())
  t.true(object.hasRef())
  t.false(object.unref().hasRef())
  t.true(object.ref().hasRef())
  await clock.advance(10)
  t.is(two.state, 'resolved')
  t.false(object.hasRef())
})

onStoppedTime('no class here is thenable', async (t) => {
  const object = new Sleep(10)
  t.is(await (async () => object)(), object)
})
