// Portable: bun, deno
/** async-io's `Timer`, on stopped time. */
import { clock, now, sleep, Timer } from 'asyncfd/time'
import { onStoppedTime, watch } from './helpers/clock.js'

onStoppedTime('after: due once, with the instant at which it was due', async (t) => {
  const begun = now()
  using timer = Timer.after(10)
  t.true(timer.willFire())
  const next = watch(timer.next())
  await clock.advance(9)
  t.is(next.state, 'pending')
  await clock.advance(1)
  t.is(next.value, begun + 10)
  t.false(timer.willFire())
  const never = watch(timer.next())
  await clock.advance(1e9)
  t.is(never.state, 'pending')
})

onStoppedTime('at: an instant, past ones without time going by', async (t) => {
  const begun = now()
  const next = watch(Timer.at(begun + 5).next())
  await clock.advance(5)
  t.is(next.value, begun + 5)
  t.is(await Timer.at(begun - 100).next(), begun - 100)
  t.is(await Timer.after(0).next(), begun + 5)
})

onStoppedTime('never, huge and infinite durations are never due, until the timer is set', async (t) => {
  for (const timer of [Timer.never(), Timer.after(Infinity), Timer.at(Infinity), Timer.intervalAt(Infinity, 1)]) {
    t.false(timer.willFire())
    const next = watch(timer.next())
    await clock.advance(1e9)
    t.is(next.state, 'pending')
    timer.setAfter(5)
    await clock.advance(5)
    t.is(next.at, now())
  }
  const huge = Timer.after(Number.MAX_VALUE)
  t.true(huge.willFire())
  const next = watch(huge.next())
  await clock.advance(1e9)
  t.is(next.state, 'pending')
  huge.clear()
})

onStoppedTime('interval: first after a period, then every period, not drifting when it is asked late', async (t) => {
  const begun = now()
  using timer = Timer.interval(10)
  const instants: number[] = []
  for (const wait of [10, 13, 9, 8]) {
    await clock.advance(wait)
    instants.push((await timer.next()) - begun)
  }
  t.deepEqual(instants, [10, 20, 30, 40])
  t.true(timer.willFire())
})

onStoppedTime('intervalAt: from an instant on, and what was missed follows at once', async (t) => {
  const begun = now()
  using timer = Timer.intervalAt(begun + 3, 10)
  await clock.advance(30)
  t.deepEqual([(await timer.next()) - begun, (await timer.next()) - begun, (await timer.next()) - begun], [3, 13, 23])
})

onStoppedTime('an async iterator gives each instant and ends after the last', async (t) => {
  const begun = now()
  const seen: number[] = []
  const once = (async () => {
    for await (const due of Timer.after(5)) seen.push(due - begun)
  })()
  await clock.advance(5)
  await once
  t.deepEqual(seen, [5])
})

onStoppedTime('set while polled: to earlier, to later, to an interval, to never and back', async (t) => {
  const begun = now()
  using timer = Timer.after(1000)
  const first = watch(timer.next())
  timer.setAfter(5)
  await clock.advance(5)
  t.is(first.value, begun + 5)
  timer.setAfter(10)
  const second = watch(timer.next())
  timer.setAt(begun + 500)
  await clock.advance(100)
  t.is(second.state, 'pending')
  timer.setInterval(10)
  await clock.advance(10)
  t.is(second.value, begun + 115)
  const third = watch(timer.next())
  timer.clear()
  t.false(timer.willFire())
  await clock.advance(1000)
  t.is(third.state, 'pending')
  timer.setIntervalAt(begun + 1200, 7)
  await clock.advance(200)
  t.is(third.value, begun + 1200)
  t.is(await (async () => timer)(), timer, 'not thenable')
})

onStoppedTime('set to an interval while it was due once, and the other way round', async (t) => {
  using timer = Timer.after(10)
  timer.setInterval(10)
  await clock.advance(10)
  await timer.next()
  t.true(timer.willFire())
  timer.setAfter(3)
  await clock.advance(3)
  await timer.next()
  t.false(timer.willFire())
})

onStoppedTime('a timer polled from two tasks: both get the instant, also when it is set meanwhile', async (t) => {
  const begun = now()
  using timer = Timer.interval(10)
  const tasks = [timer.next(), timer.next()].map(watch)
  await clock.advance(4)
  timer.setAfter(20)
  await clock.advance(19)
  t.deepEqual(
    tasks.map(({ state }) => state),
    ['pending', 'pending'],
  )
  await clock.advance(1)
  t.deepEqual(
    tasks.map(({ value }) => value! - begun),
    [24, 24],
  )
})

onStoppedTime('an abort ends one wait; the other task goes on', async (t) => {
  const begun = now()
  const aborting = new AbortController()
  using timer = Timer.after(10)
  const [one, two] = [watch(timer.next({ signal: aborting.signal })), watch(timer.next())]
  aborting.abort('out')
  await Promise.resolve()
  t.is(one.error, 'out')
  t.is(two.state, 'pending')
  await clock.advance(10)
  t.is(two.value, begun + 10)
  const after = watch(timer.next({ signal: aborting.signal }))
  await Promise.resolve()
  t.is(after.error, 'out')
})

onStoppedTime('a timer that re-arms itself from what it caused, a thousand times', async (t) => {
  const begun = now()
  const timer = Timer.after(1)
  let count = 0
  const loop = (async () => {
    for (; count < 1000; count++) {
      const due = await timer.next()
      t.is(due - begun, count + 1)
      timer.setAt(due + 1)
    }
  })()
  await clock.advance(1000)
  await loop
  t.is(count, 1000)
})

onStoppedTime('drop while firing: a timer cleared by another of the same tick', async (t) => {
  const [first, second] = [Timer.after(10), Timer.after(10)]
  const dropped = watch(second.next())
  const dropping = sleep(9).then(() => second[Symbol.dispose]())
  void first.next()
  await clock.advance(20)
  await dropping
  t.is(dropped.state, 'pending')
  t.false(second.willFire())
})

onStoppedTime('it holds the process only while it is awaited and due some time', async (t) => {
  const timer = Timer.after(10)
  t.false(timer.hasRef())
  const next = timer.next()
  t.true(timer.hasRef())
  t.false(timer.unref().hasRef())
  t.true(timer.ref().hasRef())
  timer.clear()
  t.false(timer.hasRef())
  timer.setAfter(1)
  t.true(timer.hasRef())
  await clock.advance(1)
  await next
  t.false(timer.hasRef())
})
