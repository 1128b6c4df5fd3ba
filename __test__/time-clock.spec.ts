// Portable: bun, deno
/** The clock that tests stop, and what rides on it. */
import { AsyncFd, Interest, poll, reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { clock, deadline, interval, now, sleep, timeout } from 'asyncfd/time'
import * as timers from 'asyncfd/timers'
import { onStoppedTime, watch } from './helpers/clock.js'
import test from './helpers/test.js'

test.serial('the clock runs with performance.now()', (t) => {
  const before = performance.now()
  const between = now()
  const after = performance.now()
  t.true(before <= between && between <= after)
})

test.serial('pausing twice, and advancing or resuming a clock that runs, throw', (t) => {
  t.throws(() => clock.resume(), { code: 'ERR_INVALID_STATE' })
  t.throws(() => clock.advance(1), { code: 'ERR_INVALID_STATE' })
  clock.pause()
  t.throws(() => clock.pause(), { code: 'ERR_INVALID_STATE' })
  t.throws(() => clock.advance(-1), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => clock.advance(Number.NaN), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => clock.advance('1' as never), { code: 'ERR_INVALID_ARG_TYPE' })
  clock.resume()
})

onStoppedTime('stopped time is deterministic: it moves by what it is told, and not with the machine', async (t) => {
  const begun = now()
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.is(now(), begun)
  const slept = watch(sleep(5))
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.is(slept.state, 'pending')
  await clock.advance(3)
  t.is(now(), begun + 3)
  await clock.advance(2)
  t.is(slept.at, begun + 5)
})

test.serial('resume lets time run on from where it stands: it never goes back, and nothing is early', async (t) => {
  clock.pause()
  const stopped = now()
  const slept = watch(sleep(3))
  await clock.advance(1_000_000)
  t.true(slept.at >= stopped + 3 && slept.at < stopped + 3.0625)
  const moved = now()
  clock.resume()
  t.true(now() >= moved)
  const begun = now()
  await sleep(2)
  t.true(now() >= begun + 2)
  clock.pause()
  t.true(now() >= begun + 2)
  const frozen = now()
  await new Promise((resolve) => setTimeout(resolve, 10))
  const later = sleep(2)
  clock.resume()
  await later
  t.true(now() >= frozen + 2)
})

onStoppedTime('advance stops at each instant at which something is due, and lets what that causes run', async (t) => {
  const begun = now()
  const seen: number[] = []
  const chain = (async () => {
    for (let i = 0; i < 5; i++) {
      await sleep(10)
      seen.push(now() - begun)
      await Promise.resolve()
    }
  })()
  await clock.advance(1000)
  await chain
  t.deepEqual(seen, [10, 20, 30, 40, 50])
  t.is(now(), begun + 1000)
})

onStoppedTime('timers of one tick fire in the order of their starts, ticks in their order', async (t) => {
  const seen: string[] = []
  const start = (name: string, ms: number) => void sleep(ms).then(() => seen.push(name))
  start('b1', 20)
  start('a1', 10)
  start('b2', 20)
  start('a2', 10)
  start('c1', 500)
  await clock.advance(1)
  start('b3', 19)
  start('c2', 499)
  await clock.advance(600)
  t.deepEqual(seen, ['a1', 'a2', 'b1', 'b2', 'b3', 'c1', 'c2'])
})

onStoppedTime('ten thousand timers in one tick all fire, in order', async (t) => {
  const seen: number[] = []
  for (let i = 0; i < 10_000; i++) void sleep(100).then(() => seen.push(i))
  await clock.advance(99)
  t.is(seen.length, 0)
  await clock.advance(1)
  t.is(seen.length, 10_000)
  t.true(seen.every((value, i) => value === i))
})

onStoppedTime('ten thousand timers, half of them cancelled, a quarter refreshed: each fires when it must', async (t) => {
  const fired: (number | undefined)[] = []
  const begun = now()
  const limits = Array.from({ length: 10_000 }, (_, i) => {
    const limit = deadline(10 + (i % 50))
    limit.signal.addEventListener('abort', () => {
      fired[i] = now() - begun
    })
    return limit
  })
  for (let i = 0; i < 10_000; i += 2) limits[i]!.cancel()
  await clock.advance(5)
  for (let i = 1; i < 10_000; i += 4) t.true(limits[i]!.refresh())
  await clock.advance(100)
  const wrong = limits.findIndex((_, i) => {
    const expected = i % 2 === 0 ? undefined : 10 + (i % 50) + (i % 4 === 1 ? 5 : 0)
    return fired[i] !== expected
  })
  t.is(wrong, -1)
})

onStoppedTime('work that always asks for time that is there does not keep advance from ending', async (t) => {
  let going = true
  let rounds = 0
  const loop = (async () => {
    for (; going; rounds++) await sleep(0)
  })()
  await clock.advance(1)
  t.true(rounds > 0)
  going = false
  await clock.advance(1)
  await loop
})

onStoppedTime('the timeout of AsyncFd waits runs on this clock', async (t) => {
  const [read, write] = sys.pipe()
  const fd = new AsyncFd(read, { interest: Interest.READABLE, owned: true })
  const begun = now()
  const wait = watch(fd.readable({ timeout: 60_000 }))
  const polled = watch(poll(read, Interest.READABLE, { timeout: 0 }))
  const io = watch(fd.asyncIo(Interest.READABLE, (inner) => sys.read(inner, Buffer.alloc(1)), { timeout: 60_001 }))
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.is(polled.state, 'rejected')
  await clock.advance(59_999)
  t.is(wait.state, 'pending')
  await clock.advance(1)
  t.is(wait.at, begun + 60_000)
  t.like(wait.error, { code: 'ETIMEDOUT', timeout: 60_000, elapsed: 60_000 })
  t.is(io.state, 'pending')
  await clock.advance(1)
  t.like(io.error, { code: 'ETIMEDOUT' })
  const won = watch(fd.readable({ timeout: 5 }))
  sys.write(write, Buffer.from('x'))
  await clock.advance(5)
  t.is(won.state, 'resolved', 'what is ready wins over a deadline')
  fd.close()
  sys.close(write)
})

onStoppedTime('waits that end in time leave no timer behind', async (t) => {
  const [read, write] = sys.pipe()
  using fd = new AsyncFd(read, { interest: Interest.READABLE, owned: true })
  const before = reactor.metrics().timers
  const aborting = new AbortController()
  const aborted = watch(fd.readable({ timeout: 1000, signal: aborting.signal }))
  const wait = watch(fd.readable({ timeout: 1000 }))
  aborting.abort()
  sys.write(write, Buffer.from('x'))
  await fd.readable()
  await clock.advance(0)
  t.is(aborted.state, 'rejected')
  t.is(wait.state, 'resolved')
  t.is(reactor.metrics().timers, before)
  sys.close(write)
})

onStoppedTime('asyncfd/timers runs on this clock', async (t) => {
  const begun = now()
  const seen: string[] = []
  timers.setTimeout(() => seen.push(`timeout ${now() - begun}`), 50)
  const every = timers.setInterval(() => seen.push(`interval ${now() - begun}`), 20)
  await clock.advance(65)
  timers.clearInterval(every)
  await clock.advance(100)
  t.deepEqual(seen, ['interval 20', 'interval 40', 'timeout 50', 'interval 60'])
})

onStoppedTime('everything at once: a task with a limit, an interval and a deadline', async (t) => {
  const begun = now()
  using ticking = interval(10)
  using limit = deadline(35)
  const task = watch(
    timeout(100, async () => {
      for await (const due of ticking) if (limit.expired) return due - begun
      return -1
    }),
  )
  await clock.advance(100)
  t.is(task.value, 40)
})

test.serial('time that stands still wakes nobody', async (t) => {
  clock.pause()
  const slept = watch(sleep(1))
  await new Promise((resolve) => setTimeout(resolve, 5))
  const { turns } = reactor.metrics()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.true(reactor.metrics().turns - turns <= 2)
  await clock.advance(1)
  t.is(slept.state, 'resolved')
  clock.resume()
})
