// On Node alone: the contract is Node's. On Bun and Deno something of this spec keeps the process up, see docs/PLATFORM.md.
/** `asyncfd/timers`: what programs rely on with Node's timers, each test run on ours and on the platform's own. */
import { AsyncLocalStorage } from 'node:async_hooks'
import * as platform from 'node:timers'
import { inspect, promisify } from 'node:util'
import { reactor } from 'asyncfd'
import * as ours from 'asyncfd/timers'
import { block } from './helpers/fixtures.js'
import test, { type ExecutionContext } from './helpers/test.js'

type Timers = Pick<typeof ours, 'setTimeout' | 'clearTimeout' | 'setInterval' | 'clearInterval'>
type T = ExecutionContext<unknown>

const onNode = process.versions.bun === undefined && !('deno' in process.versions)

/** A contract: on Node the platform's timers must keep it too, so that it is Node's and not what we think it is. */
function contract(title: string, body: (t: T, timers: Timers) => Promise<void> | void): void {
  test(`ours: ${title}`, (t) => body(t, ours))
  if (onNode) test(`node's: ${title}`, (t) => body(t, platform as unknown as Timers))
}

const until = (timers: Timers, ms: number) => new Promise<void>((resolve) => void timers.setTimeout(() => resolve(), ms))

contract('a callback is called once, with its arguments, and `this` is the timer', async (t, { setTimeout }) => {
  const seen: unknown[] = []
  await new Promise<void>((resolve) => {
    const timer = setTimeout(
      function (this: unknown, ...args: unknown[]) {
        seen.push(this === timer, ...args)
        resolve()
      },
      1,
      'a',
      2,
      null,
    )
  })
  t.deepEqual(seen, [true, 'a', 2, null])
})

contract('timers of one duration fire in the order of their starts', async (t, timers) => {
  const seen: number[] = []
  for (let i = 0; i < 1000; i++) timers.setTimeout(() => seen.push(i), 5)
  await until(timers, 5)
  t.true(seen.length === 1000 && seen.every((value, i) => value === i))
})

contract('a cleared timer does not fire, cleared twice or by another of its batch', async (t, timers) => {
  const seen: string[] = []
  const timer = timers.setTimeout(() => seen.push('cleared'), 2)
  timers.clearTimeout(timer)
  timers.clearTimeout(timer)
  const second: ours.Timeout[] = []
  timers.setTimeout(() => {
    seen.push('first')
    for (const one of second) timers.clearTimeout(one)
  }, 2)
  second.push(timers.setTimeout(() => seen.push('second'), 2))
  second.push(timers.setInterval(() => seen.push('interval'), 2))
  await until(timers, 20)
  t.deepEqual(seen, ['first'])
})

contract('clearTimeout takes the timer, its number and its number as a string, and ignores all else', async (t, timers) => {
  const seen: string[] = []
  const [a, b, c] = ['a', 'b', 'c'].map((name) => timers.setTimeout(() => seen.push(name), 2))
  const number = Number(a)
  t.true(Number.isInteger(number) && number > 0)
  t.is(Number(a), number)
  timers.clearTimeout(number)
  timers.clearTimeout(`${c![Symbol.toPrimitive]()}`)
  timers.clearInterval(b)
  const junk: unknown[] = [undefined, null, {}, 'timer', -1, 0, Number.NaN, true, [], () => {}, 1e9]
  for (const value of junk) timers.clearTimeout(value as never)
  await until(timers, 20)
  t.deepEqual(seen, [])
})

contract('an interval goes on until it is cleared, also by itself', async (t, timers) => {
  let count = 0
  await new Promise<void>((resolve) => {
    const every = timers.setInterval(
      (step: number) => {
        count += step
        if (count < 10) return
        timers.clearInterval(every)
        resolve()
      },
      1,
      2,
    )
  })
  await until(timers, 10)
  t.is(count, 10)
})

contract('refresh postpones; after firing it starts the timer again; after a clear it does nothing', async (t, timers) => {
  let fired = 0
  const timer = timers.setTimeout(() => fired++, 30)
  for (let i = 0; i < 5; i++) {
    await until(timers, 5)
    t.is(timer.refresh(), timer)
  }
  const refreshed = performance.now()
  timer.refresh()
  while (fired === 0) await until(timers, 1)
  // Never early, counted from the last refresh. Node counts from the beginning of its iteration.
  if (timers === ours) t.true(performance.now() >= refreshed + 30)
  t.is(fired, 1)
  timer.refresh()
  while (fired === 1) await until(timers, 1)
  t.is(fired, 2)
  timers.clearTimeout(timer)
  timer.refresh()
  await until(timers, 50)
  t.is(fired, 2)
})

contract('refresh from within its callback starts a timeout again', async (t, timers) => {
  let fired = 0
  const timer = timers.setTimeout(() => {
    if (++fired < 5) timer.refresh()
  }, 1)
  while (fired < 5) await until(timers, 1)
  await until(timers, 10)
  t.is(fired, 5)
})

contract('ref, unref and hasRef return and tell what Node does', (t, timers) => {
  const timer = timers.setTimeout(() => {}, 10_000)
  t.true(timer.hasRef())
  t.is(timer.unref(), timer)
  t.false(timer.hasRef())
  t.is(timer.unref().ref().ref(), timer)
  t.true(timer.hasRef())
  timers.clearTimeout(timer)
})

contract('close and dispose clear', async (t, timers) => {
  let fired = 0
  t.notThrows(() => timers.setTimeout(() => fired++, 1).close())
  timers.setTimeout(() => fired++, 1)[Symbol.dispose]()
  timers.setInterval(() => fired++, 1)[Symbol.dispose]()
  await until(timers, 20)
  t.is(fired, 0)
})

contract('timers created by timers fire in later rounds, zero ones too', async (t, timers) => {
  const seen: number[] = []
  await new Promise<void>((resolve) => {
    const nest = (depth: number) => {
      seen.push(depth)
      if (depth === 50) resolve()
      else timers.setTimeout(nest, 0, depth + 1)
    }
    timers.setTimeout(nest, 0, 0)
  })
  t.is(seen.length, 51)
})

contract('ticks and microtasks run between two timers of a batch', async (t, timers) => {
  const seen: string[] = []
  for (const name of ['a', 'b', 'c']) {
    timers.setTimeout(() => {
      seen.push(name)
      process.nextTick(() => seen.push(`${name} tick`))
      void Promise.resolve().then(() => seen.push(`${name} job`))
    }, 3)
  }
  // Busy until all three are due, so that they fire in one batch.
  block(8)
  await until(timers, 10)
  const expected = ['a', 'b', 'c'].flatMap((name) => [name, `${name} tick`, `${name} job`])
  t.deepEqual(onNode ? seen : seen.toSorted(), onNode ? expected : expected.toSorted())
})

contract('AsyncLocalStorage is that of the call that made the timer, also after refresh and in intervals', async (t, timers) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  await new Promise<void>((resolve) => {
    storage.run('one', () => void timers.setTimeout(() => seen.push(storage.getStore()), 1))
    const timer = storage.run('two', () => timers.setTimeout(() => seen.push(storage.getStore()), 5))
    storage.run('other', () => timer.refresh())
    timers.setTimeout(() => seen.push(storage.getStore()), 10)
    const every = storage.run('three', () =>
      timers.setInterval(() => {
        seen.push(storage.getStore())
        timers.clearInterval(every)
        resolve()
      }, 15),
    )
  })
  t.deepEqual(seen, ['one', 'two', undefined, 'three'])
})

contract('promisify: resolves with the value, is aborted by its signal', async (t, timers) => {
  const wait = promisify(timers.setTimeout) as unknown as <V>(ms: number, value?: V, options?: object) => Promise<V>
  t.is(await wait(1, 'value'), 'value')
  t.is(await wait(1), undefined)
  const aborting = new AbortController()
  const pending = wait(10_000, 'never', { signal: aborting.signal })
  aborting.abort()
  const error = await t.throwsAsync(pending, { name: 'AbortError', code: 'ABORT_ERR' })
  t.is((error as Error).cause, aborting.signal.reason)
  await t.throwsAsync(wait(1, 'never', { signal: aborting.signal }), { name: 'AbortError' })
  t.is(await wait(1, 'unref', { ref: true }), 'unref')
})

contract('promisify: bad input rejects, and starts nothing', async (t, timers) => {
  const wait = promisify(timers.setTimeout) as unknown as (...args: unknown[]) => Promise<unknown>
  const TYPE = { code: 'ERR_INVALID_ARG_TYPE', instanceOf: TypeError }
  for (const delay of ['', '5', false, null, 1n, {}]) await t.throwsAsync(wait(delay), TYPE)
  for (const options of [1, '', false, null, []]) await t.throwsAsync(wait(1, null, options), TYPE)
  for (const signal of [1, '', false, null, {}]) await t.throwsAsync(wait(1, null, { signal }), TYPE)
  for (const ref of [1, '', null, {}]) await t.throwsAsync(wait(1, null, { ref }), TYPE)
  // Node's fail in the midst of it, at once or later.
  if (timers === ours) await t.throwsAsync(wait(1, null, { signal: { aborted: false } }), TYPE)
  const signal = AbortSignal.abort('reason')
  t.is((await t.throwsAsync(wait(1, null, { signal }), { name: 'AbortError' }))?.cause, 'reason')
  for (const delay of [undefined, Number.NaN, -1]) t.is(await wait(delay, 'value', { signal: undefined, ref: true }), 'value')
})

contract('a callback is called, whatever methods it has or is a proxy of', async (t, timers) => {
  const calls: unknown[][] = []
  const note = (...args: unknown[]) => calls.push(args)
  const proxy = new Proxy(note, {
    get: (_, name) => t.fail(`it was asked for ${String(name)}`),
  })
  const odd = Object.assign((...args: unknown[]) => calls.push(args), { call: () => t.fail(), apply: () => t.fail() })
  for (const callback of [proxy, odd]) {
    timers.setTimeout(callback as () => void, 1)
    timers.setTimeout(callback as (...args: unknown[]) => void, 1, 'an', 'argument')
  }
  while (calls.length < 4) await until(timers, 1)
  t.deepEqual(calls, [[], ['an', 'argument'], [], ['an', 'argument']])
})

contract("clearTimeout takes a timer of the platform's own", async (t, timers) => {
  const seen: string[] = []
  const [timeout, interval] = [
    platform.setTimeout(() => seen.push('timeout'), 1),
    platform.setInterval(() => seen.push('interval'), 1),
  ]
  timers.clearTimeout(timeout)
  timers.clearInterval(interval)
  await new Promise((resolve) => platform.setTimeout(resolve, 10))
  t.deepEqual(seen, [])
})

contract('methods of timers, called on something else, change nothing', async (t, timers) => {
  const timer = timers.setTimeout(() => {}, 1000)
  const { refs } = reactor.metrics()
  for (const other of [{}, { id: 0, refd: true }] as unknown as (typeof timer)[]) {
    for (const method of [timer.unref, timer.ref]) {
      method.call(other)
      t.is(reactor.metrics().refs, refs)
    }
  }
  t.true(timer.hasRef())
  timers.clearTimeout(timer as never)
})

contract('callbacks that are no functions throw', (t, timers) => {
  const junk: unknown[] = [undefined, null, 5, 'alert(1)', {}, [], Symbol('x'), 5n]
  for (const value of junk) {
    t.throws(() => timers.setTimeout(value as never, 1), { code: 'ERR_INVALID_ARG_TYPE', instanceOf: TypeError })
    t.throws(() => timers.setInterval(value as never, 1), { code: 'ERR_INVALID_ARG_TYPE', instanceOf: TypeError })
  }
})

contract('durations are coerced: whatever is none is 1', async (t, timers) => {
  const durations: unknown[] = [undefined, null, '2', '', 'x', 0, -0, 0.5, 1.5, {}, [], [3], true, false, { valueOf: () => 2 }]
  let fired = 0
  const fine = durations.map((ms) => timers.setTimeout(() => fired++, ms as never))
  t.is(fine.length, durations.length)
  while (fired < durations.length) await until(timers, 1)
  t.is(fired, durations.length)
  t.throws(() => timers.setTimeout(() => {}, Symbol('ms') as never), { instanceOf: TypeError })
})

contract('BigInt as a duration does what it does in Node', async (t, timers) => {
  // Node multiplies it by one, which throws a TypeError.
  t.throws(() => timers.setTimeout(() => {}, 5n as never), { instanceOf: TypeError })
})

contract('a timer shows itself as a Timeout', (t, timers) => {
  const timer = timers.setTimeout(() => {}, 5)
  t.is(timer.constructor.name, 'Timeout')
  t.regex(inspect(timer, { depth: 0 }), /Timeout/)
  timers.clearTimeout(timer)
})

test.serial('fake-timers style replacement of the globals, and back', async (t) => {
  const kept = { setTimeout, clearTimeout, setInterval, clearInterval }
  Object.assign(globalThis, ours)
  try {
    t.is(globalThis.setTimeout as unknown, ours.setTimeout)
    let fired = 0
    const timer = setTimeout(() => fired++, 10_000)
    clearTimeout(timer)
    const every = setInterval(() => fired++, 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    clearInterval(every)
    t.true(fired > 0)
    await promisify(setTimeout)(1)
  } finally {
    Object.assign(globalThis, kept)
  }
  t.is(globalThis.setTimeout, kept.setTimeout)
  await new Promise((resolve) => setTimeout(resolve, 1))
})

test('never early, measured from before the call', async (t) => {
  for (let round = 0; round < 20; round++) {
    const late = await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const ms = 1 + i * 0.37
        const begun = performance.now()
        return new Promise<number>((resolve) => void ours.setTimeout(() => resolve(performance.now() - begun - ms), ms))
      }),
    )
    t.true(late.every((ms) => ms >= 0))
  }
})
