// Portable: bun, deno
/** What `asyncfd/time` refuses, and how. */
import {
  CallbackTimer,
  deadline,
  type IntervalOptions,
  interval,
  Sleep,
  sleep,
  sleepUntil,
  Timer,
  timeout,
  timeoutAt,
} from 'asyncfd/time'
import test from './helpers/test.js'

const noNumbers: unknown[] = [undefined, null, '5', '', 5n, true, {}, [], () => 5, Symbol('5'), new Date(0), { valueOf: () => 5 }]
const work = Promise.resolve()

const durations: Record<string, (ms: never) => unknown> = {
  sleep,
  Sleep: (ms) => new Sleep(ms),
  'Sleep.reset': (ms) => new Sleep(1).reset(ms),
  timeout: (ms) => timeout(ms, work),
  deadline,
  'deadline.refresh': (ms) => deadline(1).refresh(ms),
  'Timer.after': Timer.after,
  'Timer.setAfter': (ms) => Timer.never().setAfter(ms),
  'CallbackTimer.start': (ms) => new CallbackTimer(() => {}).start(ms),
  'Interval.resetAfter': (ms) => interval(1).resetAfter(ms),
}
const instants: Record<string, (instant: never) => unknown> = {
  sleepUntil,
  'Sleep.resetAt': (instant) => new Sleep(1).resetAt(instant),
  timeoutAt: (instant) => timeoutAt(instant, work),
  'Timer.at': Timer.at,
  'Timer.setAt': (instant) => Timer.never().setAt(instant),
  'Timer.intervalAt': (instant) => Timer.intervalAt(instant, 1),
  'Timer.setIntervalAt': (instant) => Timer.never().setIntervalAt(instant, 1),
  'Interval.resetAt': (instant) => interval(1).resetAt(instant),
  'interval startAt': (startAt) => interval(1, { startAt }),
}
const periods: Record<string, (ms: never) => unknown> = {
  interval,
  'Timer.interval': Timer.interval,
  'Timer.intervalAt': (ms) => Timer.intervalAt(0, ms),
  'Timer.setInterval': (ms) => Timer.never().setInterval(ms),
  'Timer.setIntervalAt': (ms) => Timer.never().setIntervalAt(0, ms),
}

for (const [kind, calls] of Object.entries({ durations, instants, periods })) {
  for (const [name, call] of Object.entries(calls)) {
    test(`${name} refuses what is no number as one of its ${kind}`, (t) => {
      for (const value of noNumbers) {
        // `undefined` is what a call without it means.
        if (value === undefined && (name === 'deadline.refresh' || name === 'interval startAt')) continue
        t.throws(() => call(value as never), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }, String(value))
      }
    })
    test(`${name} refuses numbers that are none of its ${kind}`, (t) => {
      const bad = {
        durations: [Number.NaN, -1, -0.001, -Infinity],
        instants: [Number.NaN],
        periods: [Number.NaN, -1, 0, -0, Infinity],
      }
      for (const value of bad[kind as keyof typeof bad]) {
        t.throws(() => call(value as never), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }, String(value))
      }
    })
  }
}

test('timeout refuses work that is no promise and no function', (t) => {
  for (const value of [undefined, null, 5, 'work', {}, []]) {
    t.throws(() => timeout(5, value as never), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => timeoutAt(5, value as never), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('options that are none are refused', (t) => {
  for (const options of [null, 5, 'options', { signal: 5 }, { signal: {} }, { signal: null }, { ref: 1 }, { ref: null }]) {
    t.throws(() => sleep(1, options as never), { code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => sleepUntil(0, options as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  const waits = [
    (options: never) => new Sleep(1).wait(options),
    (options: never) => interval(1).tick(options),
    (options: never) => Timer.after(1).next(options),
  ]
  for (const wait of waits) {
    for (const options of [null, 5, 'options', { signal: 5 }, { signal: {} }, { signal: null }]) {
      t.throws(() => wait(options as never), { code: 'ERR_INVALID_ARG_TYPE' }, JSON.stringify(options))
    }
  }
  for (const options of [null, 5, { signal: 5 }, { signal: {} }]) {
    t.throws(() => interval(1, options as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const missedTickBehavior of ['later', '', 5]) {
    t.throws(() => interval(1, { missedTickBehavior } as IntervalOptions), { code: 'ERR_INVALID_ARG_VALUE' })
  }
})

test('methods that are called on something else throw, and nobody else’s timer is touched', async (t) => {
  const pending = new CallbackTimer(() => {}, { ref: false }).start(1e6)
  const limit = deadline(1e6)
  const { id } = pending as unknown as { id: number }
  // What a listener is called on, a stranger that looks like one, and another kind of timer.
  for (const self of [{}, { id, drain: -1 }, undefined, new Sleep(1), limit, pending]) {
    const methods = [
      self !== limit && deadline(1).cancel,
      self !== limit && deadline(1).refresh,
      self !== pending && pending.start,
      // One that was started in this drain has nothing to be refreshed, whatever it is.
      self !== pending && self !== limit && pending.refresh,
      self !== pending && pending.cancel,
    ]
    for (const method of methods)
      if (method) t.throws(() => Reflect.apply(method, self, [5]), { instanceOf: TypeError }, method.name)
  }
  t.true(pending.isPending)
  t.true(limit.remaining > 0)
  t.true(limit.refresh())
  await new Promise<void>((resolve) => new CallbackTimer(() => resolve()).start(1))
  t.true(pending.isPending)
  pending.cancel()
  limit.cancel()
})
