// Portable: bun, deno
/** Intervals, on stopped time: what tokio's `Interval` promises. */
import { clock, type Interval, interval, now } from 'asyncfd/time'
import { onStoppedTime, watch } from './helpers/clock.js'

/** The instants of `count` ticks, relative to `begun`, with `ms` of stopped time between two calls. */
async function ticks(ticking: Interval, begun: number, count: number, advance = 0): Promise<number[]> {
  const instants: number[] = []
  for (let i = 0; i < count; i++) {
    const tick = ticking.tick()
    await clock.advance(advance)
    instants.push((await tick) - begun)
  }
  return instants
}

onStoppedTime('the first tick comes at once, the others a period apart, each the instant at which it was due', async (t) => {
  const begun = now()
  using ticking = interval(10)
  t.is(ticking.period, 10)
  t.is(await ticking.tick(), begun)
  t.deepEqual(await ticks(ticking, begun, 4, 10), [10, 20, 30, 40])
})

onStoppedTime('an interval does not drift when each tick is late by a little', async (t) => {
  const begun = now()
  using ticking = interval(10)
  await ticking.tick()
  // Late by 4 ms at most: not missed, so no behaviour of missed ticks comes into play.
  for (const late of [1, 4, 0.5, 3, 2]) {
    await clock.advance(10)
    await clock.advance(late)
    const due = await ticking.tick()
    t.is((due - begun) % 10, 0)
    await clock.advance(10 - late)
    await ticking.tick()
  }
})

onStoppedTime('a period that is no whole number of ticks does not drift', async (t) => {
  const begun = now()
  using ticking = interval(1 / 3)
  const all: number[] = []
  const loop = (async () => {
    for await (const due of ticking) if (all.push(due - begun) > 3000) break
  })()
  await clock.advance(1000.5)
  await loop
  t.true(Math.abs(all[3000]! - 1000) < 1e-6, `${all[3000]}`)
})

onStoppedTime('missed ticks, burst: they follow at once until the pace is caught up with', async (t) => {
  const begun = now()
  using ticking = interval(10)
  await ticking.tick()
  await clock.advance(45)
  t.deepEqual(await ticks(ticking, begun, 4), [10, 20, 30, 40])
  const next = watch(ticking.tick())
  await clock.advance(4)
  t.is(next.state, 'pending')
  await clock.advance(1)
  t.is(next.value, begun + 50)
})

onStoppedTime('missed ticks, delay: the pace starts afresh from the late tick', async (t) => {
  const begun = now()
  using ticking = interval(10, { missedTickBehavior: 'delay' })
  await ticking.tick()
  await clock.advance(46)
  t.is(await ticking.tick(), begun + 10)
  const next = watch(ticking.tick())
  await clock.advance(9.9375)
  t.is(next.state, 'pending')
  await clock.advance(0.0625)
  t.is(next.value, begun + 56)
})

onStoppedTime('missed ticks, skip: they are left out, and the pace is kept', async (t) => {
  const begun = now()
  using ticking = interval(10, { missedTickBehavior: 'skip' })
  await ticking.tick()
  await clock.advance(46)
  t.is(await ticking.tick(), begun + 10)
  const next = watch(ticking.tick())
  await clock.advance(3)
  t.is(next.state, 'pending')
  await clock.advance(1)
  t.is(next.value, begun + 50)
})

onStoppedTime('a tick late by no more than 5 ms is not missed, in any mode', async (t) => {
  for (const missedTickBehavior of ['burst', 'delay', 'skip'] as const) {
    const begun = now()
    using ticking = interval(10, { missedTickBehavior })
    await ticking.tick()
    await clock.advance(15)
    t.is(await ticking.tick(), begun + 10, missedTickBehavior)
    const next = watch(ticking.tick())
    await clock.advance(5)
    t.is(next.value, begun + 20, missedTickBehavior)
  }
})

onStoppedTime('skip after an enormous lag names the next instant of the pace', async (t) => {
  const begun = now()
  using ticking = interval(7, { missedTickBehavior: 'skip' })
  await ticking.tick()
  await clock.advance(7 * 1_000_000 + 3)
  await ticking.tick()
  const next = watch(ticking.tick())
  await clock.advance(4)
  t.is(next.value, begun + 7 * 1_000_001)
})

onStoppedTime('the behaviour can be changed while it runs', async (t) => {
  const begun = now()
  using ticking = interval(10)
  t.is(ticking.missedTickBehavior, 'burst')
  await ticking.tick()
  ticking.missedTickBehavior = 'skip'
  t.is(ticking.missedTickBehavior, 'skip')
  await clock.advance(46)
  await ticking.tick()
  await clock.advance(4)
  t.is(await ticking.tick(), begun + 50)
  t.throws(() => Object.assign(ticking, { missedTickBehavior: 'later' }), { code: 'ERR_INVALID_ARG_VALUE' })
})

onStoppedTime('startAt: the first tick is there, in the past or in the future', async (t) => {
  const begun = now()
  using future = interval(10, { startAt: begun + 25 })
  const first = watch(future.tick())
  await clock.advance(24)
  t.is(first.state, 'pending')
  await clock.advance(1)
  t.is(first.value, begun + 25)
  using past = interval(10, { startAt: begun + 3 })
  t.deepEqual(await ticks(past, begun, 3), [3, 13, 23])
})

onStoppedTime('reset: the next tick comes a period from now', async (t) => {
  const begun = now()
  using ticking = interval(10)
  await ticking.tick()
  await clock.advance(3)
  ticking.reset()
  const next = watch(ticking.tick())
  await clock.advance(9)
  t.is(next.state, 'pending')
  await clock.advance(1)
  t.is(next.value, begun + 13)
})

onStoppedTime('resetImmediately: the next tick comes at once, the others a period from there', async (t) => {
  const begun = now()
  using ticking = interval(10)
  await ticking.tick()
  await clock.advance(3)
  ticking.resetImmediately()
  t.is(await ticking.tick(), begun + 3)
  const next = watch(ticking.tick())
  await clock.advance(10)
  t.is(next.value, begun + 13)
})

onStoppedTime('resetAfter and resetAt: earlier, later, and far beyond the period', async (t) => {
  const begun = now()
  using ticking = interval(10)
  await ticking.tick()
  ticking.resetAfter(3)
  t.deepEqual(await ticks(ticking, begun, 2, 10), [3, 13])
  ticking.resetAt(begun + 1000)
  const far = watch(ticking.tick())
  await clock.advance(979)
  t.is(far.state, 'pending')
  await clock.advance(1)
  t.is(far.value, begun + 1000)
})

onStoppedTime('set while polled: a reset moves the tick that is awaited already', async (t) => {
  const begun = now()
  using ticking = interval(1000)
  await ticking.tick()
  const awaited = watch(ticking.tick())
  ticking.resetAfter(5)
  await clock.advance(5)
  t.is(awaited.value, begun + 5)
  const again = watch(ticking.tick())
  ticking.resetAt(begun + 5000)
  await clock.advance(2000)
  t.is(again.state, 'pending')
  await clock.advance(2995)
  t.is(again.value, begun + 5000)
})

onStoppedTime('two tasks that tick get successive ticks, in the order of their calls', async (t) => {
  const begun = now()
  using ticking = interval(10)
  const both = [ticking.tick(), ticking.tick(), ticking.tick()].map(watch)
  await clock.advance(20)
  t.deepEqual(
    both.map(({ value }) => value! - begun),
    [0, 10, 20],
  )
})

onStoppedTime('an abort ends one tick; the tick is not lost to the next caller', async (t) => {
  const begun = now()
  const aborting = new AbortController()
  using ticking = interval(10)
  await ticking.tick()
  const aborted = watch(ticking.tick({ signal: aborting.signal }))
  aborting.abort('out')
  await Promise.resolve()
  t.is(aborted.error, 'out')
  t.false(ticking.hasRef())
  const next = watch(ticking.tick())
  await clock.advance(10)
  t.is(next.value, begun + 10)
})

onStoppedTime('the abort of its signal ends pending and later ticks, and throws in a loop', async (t) => {
  const aborting = new AbortController()
  const ticking = interval(10, { signal: aborting.signal })
  const loop = watch(
    (async () => {
      for await (const due of ticking) void due
    })(),
  )
  await clock.advance(25)
  t.is(loop.state, 'pending')
  aborting.abort('why')
  await clock.advance(0)
  t.is(loop.error, 'why')
  const later = watch(ticking.tick())
  await Promise.resolve()
  t.is(later.error, 'why')
  const never = watch(interval(10, { signal: aborting.signal }).tick())
  await Promise.resolve()
  t.is(never.error, 'why')
})

onStoppedTime('close ends loops and rejects ticks', async (t) => {
  const ticking = interval(10)
  let count = 0
  const loop = watch(
    (async () => {
      for await (const due of ticking) {
        void due
        count++
      }
    })(),
  )
  await clock.advance(35)
  ticking.close()
  ticking.close()
  await clock.advance(0)
  t.is(loop.state, 'resolved')
  t.is(count, 4)
  await t.throwsAsync(ticking.tick(), { code: 'ERR_ASYNCFD_CLOSED' })
})

onStoppedTime('leaving a loop leaves the interval as it is', async (t) => {
  const begun = now()
  using ticking = interval(10)
  for await (const due of ticking) {
    t.is(due, begun)
    break
  }
  const next = watch(ticking.tick())
  await clock.advance(10)
  t.is(next.value, begun + 10)
})

onStoppedTime('it holds the process only while a tick is awaited', async (t) => {
  using ticking = interval(10)
  t.false(ticking.hasRef())
  const tick = ticking.tick()
  t.true(ticking.hasRef())
  t.false(ticking.unref().hasRef())
  t.true(ticking.ref().hasRef())
  await tick
  t.false(ticking.hasRef())
  t.is(await (async () => ticking)(), ticking, 'not thenable')
})
