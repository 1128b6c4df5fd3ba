// Portable: bun, deno
/** `CallbackTimer`, made once and started again and again, on stopped time. */
import { CallbackTimer, clock, now } from 'asyncfd/time'
import { setTimeout } from 'asyncfd/timers'
import { onStoppedTime } from './helpers/clock.js'
import test from './helpers/test.js'

/** A timer that notes when it called back. */
function noting(): { timer: CallbackTimer; at: number[] } {
  const begun = now()
  const at: number[] = []
  return { timer: new CallbackTimer(() => void at.push(now() - begun)), at }
}

onStoppedTime('it calls back once for each start, with itself, and not before it is started', async (t) => {
  const got: unknown[] = []
  const timer = new CallbackTimer((...all) => {
    got.push(...all)
    t.false(timer.isPending)
  })
  await clock.advance(1e6)
  t.false(timer.isPending)
  for (let times = 1; times <= 3; times++) {
    t.is(timer.start(10), timer)
    t.true(timer.isPending)
    await clock.advance(9.9375)
    t.is(got.length, times - 1)
    await clock.advance(0.0625)
    t.is(got.length, times)
    await clock.advance(1e6)
    t.is(got.length, times)
  }
  t.true(got.every((each) => each === timer))
})

onStoppedTime('started while it is pending, it calls back at the new time alone: earlier, later, the same', async (t) => {
  for (const ms of [5, 10, 50]) {
    const { timer, at } = noting()
    timer.start(20)
    await clock.advance(10)
    timer.start(ms)
    await clock.advance(1000)
    t.deepEqual(at, [10 + ms])
  }
  // Within one turn, when nobody has looked at the first start yet.
  const { timer, at } = noting()
  timer.start(20).start(5).start(8)
  await clock.advance(1000)
  t.deepEqual(at, [8])
})

onStoppedTime('started in its own callback, it repeats', async (t) => {
  const begun = now()
  const at: number[] = []
  const timer = new CallbackTimer((self) => {
    at.push(now() - begun)
    if (at.length < 4) self.start(at.length * 10)
  })
  timer.start(10)
  await clock.advance(1000)
  t.deepEqual(at, [10, 20, 40, 70])
})

onStoppedTime('refresh starts its time afresh while it is pending, and does nothing when it is not', async (t) => {
  const { timer, at } = noting()
  t.false(timer.refresh(), 'never started')
  timer.start(10)
  t.true(timer.refresh(), 'in the turn of its start')
  for (let chunk = 0; chunk < 5; chunk++) {
    await clock.advance(9)
    t.true(timer.refresh())
    t.true(timer.refresh(), 'again in one turn')
  }
  await clock.advance(10)
  t.deepEqual(at, [55])
  t.false(timer.refresh(), 'has called back')
  timer.start(10).cancel()
  t.false(timer.refresh(), 'cancelled')
  await clock.advance(1000)
  t.deepEqual(at, [55])
  timer.start(10)
  await clock.advance(4)
  timer.start(20)
  await clock.advance(4)
  timer.refresh()
  await clock.advance(1000)
  t.deepEqual(at.slice(1), [1055 + 4 + 4 + 20], 'of its last start')
})

onStoppedTime('cancel: no call, from anywhere, until it is started again', async (t) => {
  const { timer, at } = noting()
  timer.cancel()
  timer.start(10).cancel()
  timer.cancel()
  t.false(timer.isPending)
  await clock.advance(20)
  timer.start(10)
  await clock.advance(5)
  timer.cancel()
  await clock.advance(20)
  t.deepEqual(at, [])
  timer.start(10)
  await clock.advance(10)
  t.deepEqual(at, [55])
  {
    using disposed = timer.start(10)
    t.true(disposed.isPending)
  }
  t.false(timer.isPending)
  // By another that is due with it and comes first.
  const first = new CallbackTimer(() => timer.cancel())
  first.start(5)
  timer.start(5)
  await clock.advance(100)
  t.deepEqual(at, [55])
})

onStoppedTime('cancelled and started again in one turn, it calls back once', async (t) => {
  const { timer, at } = noting()
  const other = noting()
  for (let i = 0; i < 5000; i++) {
    timer.start(1 + (i % 3)).cancel()
    timer.start(7)
    other.timer.start(9)
    other.timer.cancel()
  }
  await clock.advance(1000)
  t.deepEqual(at, [7])
  t.deepEqual(other.at, [])
})

onStoppedTime('0 is the next turn, without time going by; Infinity is never, until it is started anew', async (t) => {
  const { timer, at } = noting()
  timer.start(0)
  t.deepEqual(at, [])
  await clock.advance(0)
  t.deepEqual(at, [0])
  for (const ms of [Infinity, Number.MAX_VALUE]) {
    timer.start(5)
    timer.start(ms)
    t.true(timer.isPending)
    await clock.advance(1e9)
    t.is(at.length, 1)
  }
  timer.start(5)
  await clock.advance(5)
  t.deepEqual(at.slice(1), [2e9 + 5])
})

onStoppedTime('of one tick they come in the order of their starts, with the timers of others', async (t) => {
  const order: string[] = []
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new CallbackTimer(() => void order.push(name))) as [
    CallbackTimer,
    CallbackTimer,
    CallbackTimer,
  ]
  a.start(5)
  b.start(5)
  setTimeout(() => order.push('timeout'), 5)
  c.start(5)
  a.cancel()
  a.start(5)
  await clock.advance(5)
  t.deepEqual(order, ['b', 'timeout', 'c', 'a'])
})

onStoppedTime('ticks, promises and microtasks follow when all that were due have been called', async (t) => {
  const order: string[] = []
  for (const name of ['a', 'b', 'c']) {
    new CallbackTimer(() => {
      order.push(name)
      process.nextTick(() => order.push(`tick of ${name}`))
      queueMicrotask(() => order.push(`microtask of ${name}`))
    }).start(5)
  }
  await clock.advance(5)
  t.deepEqual(order.slice(0, 3), ['a', 'b', 'c'])
  t.is(order.length, 9)
})

onStoppedTime(
  'ten thousand of one tick: each is called once, those that an earlier one cancels or puts off are not',
  async (t) => {
    const calls = new Uint8Array(10_000)
    const timers = Array.from({ length: calls.length }, (_, i) =>
      new CallbackTimer(() => {
        calls[i]!++
        if (i % 4 === 0) timers[i + 1]!.cancel()
        if (i % 4 === 0) timers[i + 2]!.start(50)
      }).start(10),
    )
    await clock.advance(10)
    t.true(calls.every((count, i) => count === (i % 4 === 1 || i % 4 === 2 ? 0 : 1)))
    await clock.advance(50)
    t.true(calls.every((count, i) => count === (i % 4 === 1 ? 0 : 1)))
  },
)

onStoppedTime('what the first of thousands cancels or puts off is not called with the rest, however far behind', async (t) => {
  let called: number[] = []
  const timers = Array.from(
    { length: 10_000 },
    (_, i) =>
      new CallbackTimer(() => {
        called.push(i)
        if (i !== 0) return
        for (let far = 1000; far < 10_000; far += 1000) timers[far]!.cancel()
        for (let far = 1500; far < 10_000; far += 1000) timers[far]!.start(5)
        for (let far = 1700; far < 10_000; far += 1000) timers[far]!.refresh()
      }),
  )
  const calledIn = async (ms: number) => {
    called = []
    await clock.advance(ms)
    return called
  }
  // Again and again: what is compiled by then is fast enough for one turn to take several thousands.
  for (let round = 0; round < 20; round++) {
    for (const timer of timers) timer.start(10)
    const first = await calledIn(10)
    t.is(first.length, 10_000 - 3 * 9)
    t.true(first.every((i) => i < 1000 || ![0, 500, 700].includes(i % 1000)))
    t.deepEqual(await calledIn(5), [1500, 2500, 3500, 4500, 5500, 6500, 7500, 8500, 9500])
    t.deepEqual(await calledIn(5), [1700, 2700, 3700, 4700, 5700, 6700, 7700, 8700, 9700])
  }
})

test.serial('thousands that are due again at once leave the event loop its turns', async (t) => {
  let turns = 0
  let calls = 0
  const again = (timer: CallbackTimer) => {
    calls++
    if (turns < 10) timer.start(0)
  }
  for (let i = 0; i < 5000; i++) new CallbackTimer(again).start(0)
  while (turns < 10) {
    await new Promise((resolve) => setImmediate(resolve))
    turns++
  }
  await new Promise((resolve) => new CallbackTimer(resolve).start(5))
  t.true(calls >= 5000)
})

test.serial('on the machine’s clock it is never early, from whichever phase of the loop it is started', async (t) => {
  let early = 0
  const starters: ((start: () => void) => void)[] = [
    (start) => start(),
    (start) => setImmediate(start),
    (start) => process.nextTick(start),
    (start) => globalThis.setTimeout(start, 1),
  ]
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => {
      const ms = 0.2 + (i % 50) / 7
      return new Promise<void>((resolve) => {
        let begun = 0
        let rounds = 5
        const start = () => {
          begun = performance.now()
          timer.start(ms)
        }
        const timer = new CallbackTimer(() => {
          if (performance.now() - begun < ms) early++
          if (--rounds === 0) resolve()
          else starters[(i + rounds) % starters.length]!(start)
        })
        start()
      })
    }),
  )
  t.is(early, 0)
})

test('ref and unref, before it is started and while it is pending', (t) => {
  const timer = new CallbackTimer(() => {})
  t.false(timer.hasRef(), 'nothing is pending')
  t.is(timer.start(1e6), timer)
  t.true(timer.hasRef())
  t.is(timer.unref(), timer)
  t.false(timer.hasRef())
  t.is(timer.ref(), timer)
  t.true(timer.hasRef())
  timer.cancel()
  t.false(timer.hasRef())
  t.false(new CallbackTimer(() => {}, { ref: false }).start(1e6).hasRef())
})

test('what is no function, and options that are none, are refused as it is made', (t) => {
  for (const callback of [undefined, null, 5, 'callback', {}, Promise.resolve()])
    t.throws(() => new CallbackTimer(callback as never), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
  for (const options of [null, 5, 'options', () => {}, { ref: 1 }, { ref: null }, { ref: 'true' }])
    t.throws(() => new CallbackTimer(() => {}, options as never), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
})
