/**
 * What is measured of timers, each on ours and on the platform's.
 *
 * @module
 */
import { PerformanceObserver } from 'node:perf_hooks'
import * as node from 'node:timers'
import { setImmediate as nextIteration } from 'node:timers/promises'
import { CallbackTimer, deadline, sleep } from 'asyncfd/time'
import * as ours from 'asyncfd/timers'
import { generator } from '../harness/random.js'

/**
 * Timers by number, so that those that are made once and those that are made at each start do the same. Each side is a class of its
 * own, with calls of its own, which V8 takes in place: one more call would cost as much as what is measured.
 */
interface Slots {
  start(slot: number, ms: number): void
  cancel(slot: number): void
  at(slot: number): { refresh(): unknown }
}

/** As many slots, whose timers call `callback`. */
type Side = new (count: number, callback: () => void) => Slots

/** All are made before. */
class Reused implements Slots {
  readonly #timers: CallbackTimer[]

  constructor(count: number, callback: () => void) {
    this.#timers = Array.from({ length: count }, () => new CallbackTimer(callback))
  }

  start(slot: number, ms: number): void {
    this.#timers[slot]!.start(ms)
  }

  cancel(slot: number): void {
    this.#timers[slot]!.cancel()
  }

  at(slot: number): CallbackTimer {
    return this.#timers[slot]!
  }
}

/** One is made at each start. */
abstract class Made<T> {
  protected readonly live: T[]
  protected readonly callback: () => void

  constructor(count: number, callback: () => void) {
    this.live = new Array(count)
    this.callback = callback
  }

  at(slot: number): T {
    return this.live[slot]!
  }
}

class Ours extends Made<ours.Timeout> implements Slots {
  start(slot: number, ms: number): void {
    this.live[slot] = ours.setTimeout(this.callback, ms)
  }

  cancel(slot: number): void {
    ours.clearTimeout(this.live[slot])
  }
}

class Nodes extends Made<NodeJS.Timeout> implements Slots {
  start(slot: number, ms: number): void {
    this.live[slot] = node.setTimeout(this.callback, ms)
  }

  cancel(slot: number): void {
    node.clearTimeout(this.live[slot])
  }
}

export const sides = { 'asyncfd, CallbackTimer': Reused, asyncfd: Ours, node: Nodes } as const satisfies Record<string, Side>

export const nothing = (): void => {}
const BATCH = 1000

/** CPU time of the process in nanoseconds: what others do on the machine does not count. */
function cpu(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** Nanoseconds of CPU per operation of `body`, which does `count` of them; what the event loop does for them counts as well. */
async function perOperation(ms: number, count: number, body: () => void): Promise<number> {
  for (let warm = 0; warm < 50; warm++) {
    body()
    await nextIteration()
  }
  let done = 0
  const begun = performance.now()
  const from = cpu()
  while (performance.now() - begun < ms) {
    body()
    await nextIteration()
    done += count
  }
  return (cpu() - from) / done
}

/** Durations of requests: from half a second to a minute. */
function durations(count: number): Float64Array {
  const random = generator(7)
  return Float64Array.from({ length: count }, () => 500 + random(60_000))
}

export const costs: Record<string, (Side: Side, ms: number) => Promise<number>> = {
  /** A thousand started, then all cancelled. */
  batches(Side, ms) {
    const slots = new Side(BATCH, nothing)
    return perOperation(ms, BATCH, () => {
      for (let i = 0; i < BATCH; i++) slots.start(i, 30_000)
      for (let i = 0; i < BATCH; i++) slots.cancel(i)
    })
  },
  /** Each cancelled before the next is started. */
  alternating(Side, ms) {
    const slots = new Side(BATCH, nothing)
    return perOperation(ms, BATCH, () => {
      for (let i = 0; i < BATCH; i++) {
        slots.start(i, 30_000)
        slots.cancel(i)
      }
    })
  },
  /** One timer, refreshed for each of a thousand chunks of data. */
  async 'refresh, one timer'(Side, ms) {
    const slots = new Side(1, nothing)
    slots.start(0, 1e8)
    const timer = slots.at(0)
    const cost = await perOperation(ms, BATCH * 10, () => {
      for (let i = 0; i < BATCH * 10; i++) timer.refresh()
    })
    slots.cancel(0)
    return cost
  },
  /** A thousand connections with ten chunks each in an iteration. */
  async 'refresh, 1,000 timers'(Side, ms) {
    const slots = new Side(BATCH, nothing)
    for (let i = 0; i < BATCH; i++) slots.start(i, 1e8)
    const all = Array.from({ length: BATCH }, (_, i) => slots.at(i))
    const cost = await perOperation(ms, BATCH * 10, () => {
      for (let chunk = 0; chunk < 10; chunk++) for (let i = 0; i < BATCH; i++) all[i]!.refresh()
    })
    for (let i = 0; i < BATCH; i++) slots.cancel(i)
    return cost
  },
}

/** A million live timers of different durations: the cost of each start, then of each cancel; and of both again while they live. */
export async function million(Side: Side, count: number): Promise<Record<'build' | 'churn' | 'cancel', number>> {
  const random = generator(3)
  const spans = Float64Array.from({ length: count }, () => 600_000 + random(1_000_000))
  const slots = new Side(count, nothing)
  const timed = async (body: () => void, operations: number): Promise<number> => {
    const begun = cpu()
    body()
    await nextIteration()
    return (cpu() - begun) / operations
  }
  const build = await timed(() => {
    for (let i = 0; i < count; i++) slots.start(i, spans[i]!)
  }, count)
  // What was made has V8 mark it for some time, in threads of its own as well: no part of what follows.
  await sleep(500)
  let churn = 0
  const rounds = 200
  for (let round = 0; round < rounds; round++) {
    churn += await timed(() => {
      for (let i = 0; i < BATCH; i++) {
        const at = random(count)
        slots.cancel(at)
        slots.start(at, 600_000 + random(1_000_000))
      }
    }, BATCH)
  }
  const cancel = await timed(() => {
    for (let i = 0; i < count; i++) slots.cancel(i)
  }, count)
  return { build, churn: churn / rounds, cancel }
}

/** Milliseconds from when a million timers are due until all have fired. */
export async function fireMillion(Side: Side, count: number): Promise<number> {
  const { promise, resolve } = withResolvers()
  let left = count
  const fired = () => {
    if (--left === 0) resolve()
  }
  const slots = new Side(count, fired)
  for (let i = 0; i < count; i++) slots.start(i, 10_000 + (i % 200))
  // Twice: what was started outside of the loop's own phases is stamped before the second at the latest.
  await nextIteration()
  await nextIteration()
  const begun = performance.now()
  // All due before the first fires: what is measured is firing.
  while (performance.now() - begun < 10_500);
  const due = performance.now()
  await promise
  return performance.now() - due
}

export const limits: Record<string, (ms: number) => Promise<number>> = {
  deadline: (ms) =>
    perOperation(ms, BATCH, () => {
      for (let i = 0; i < BATCH; i++) deadline(30_000).cancel()
    }),
  'deadline with signal': (ms) =>
    perOperation(ms, BATCH, () => {
      for (let i = 0; i < BATCH; i++) {
        const limit = deadline(30_000)
        keep(limit.signal)
        limit.cancel()
      }
    }),
  'AbortSignal.timeout': (ms) =>
    perOperation(ms, BATCH, () => {
      for (let i = 0; i < BATCH; i++) keep(AbortSignal.timeout(30_000))
    }),
  'new AbortController().signal': (ms) =>
    perOperation(ms, BATCH, () => {
      for (let i = 0; i < BATCH; i++) keep(new AbortController().signal)
    }),
}

let kept: unknown
function keep(value: unknown): void {
  kept = value
}
export const lastKept = (): unknown => kept

/** Bytes of memory, in the heap and outside, of each of `count` pending timers. */
export async function bytesPerTimer(Side: Side, count: number): Promise<number> {
  const memory = (): number => {
    globalThis.gc?.()
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = memory()
  const slots = new Side(count, nothing)
  for (let i = 0; i < count; i++) slots.start(i, 1e6 + i)
  await nextIteration()
  const bytes = (memory() - before) / count
  for (let i = 0; i < count; i++) slots.cancel(i)
  return bytes
}

/** How late sleeps of 0.2 to 50 ms end, up to 20 at once: sorted milliseconds. */
export async function lateness(side: 'asyncfd' | 'node', count: number): Promise<Float64Array> {
  const spans = durations(count).map((ms) => 0.2 + ((ms - 500) / 60_000) * 49.8)
  const late = new Float64Array(count)
  const wait =
    side === 'asyncfd' ? sleep : (ms: number) => new Promise<void>((resolve) => void node.setTimeout(() => resolve(), ms))
  let at = 0
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (at < count) {
        const index = at++
        const ms = spans[index]!
        const begun = performance.now()
        await wait(ms)
        late[index] = performance.now() - begun - ms
      }
    }),
  )
  return late.sort()
}

/**
 * Iterations of the event loop: the longest, in milliseconds, with and without the garbage collection that fell into it. One in which
 * the process had less of the CPU counts as long as that: what the machine took away is nobody's.
 */
class Iterations {
  readonly #collections: { from: number; to: number }[] = []
  readonly #long: { from: number; to: number; cpu: number }[] = []
  readonly #observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) this.#collections.push({ from: startTime, to: startTime + duration })
  })

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  /** Goes through one; gives when it was over. */
  async next(): Promise<number> {
    const used = cpu()
    const from = performance.now()
    await nextIteration()
    const to = performance.now()
    if (to - from > 0.1) this.#long.push({ from, to, cpu: (cpu() - used) / 1e6 })
    return to
  }

  async longest(): Promise<Record<'all' | 'ours', number>> {
    // Collections are told of a little later.
    await sleep(50)
    this.#observer.disconnect()
    const length = ({ from, to }: { from: number; to: number }) => Math.max(0, to - from)
    const collected = (turn: { from: number; to: number }) =>
      this.#collections.reduce((sum, gc) => sum + length({ from: Math.max(gc.from, turn.from), to: Math.min(gc.to, turn.to) }), 0)
    const longest = (of: (turn: { from: number; to: number }) => number) =>
      this.#long.reduce((most, turn) => Math.max(most, Math.min(of(turn), turn.cpu)), 0)
    return { all: longest(length), ours: longest((turn) => length(turn) - collected(turn)) }
  }
}

/** The longest iterations of the loop while a million timers are pending and lazily refreshed, cascading, then cancelled. */
export async function longestTurn(
  kind: 'uniform' | 'bunched' | 'refreshed',
  count: number,
): Promise<Record<'all' | 'ours', number>> {
  const random = generator(11)
  const live = Array.from({ length: count }, () =>
    deadline(kind === 'bunched' ? 4000 : kind === 'uniform' ? 2000 + random(60_000) : 3000),
  )
  await nextIteration()
  // A million new objects have V8 mark them bit by bit for the next 100 ms, within iterations, and it tells nobody.
  await sleep(300)
  const iterations = new Iterations()
  let last = performance.now()
  const begun = last
  while (performance.now() - begun < 3500) {
    if (kind === 'refreshed' && last - begun < 2500) for (let i = 0; i < 500; i++) live[random(count)]!.refresh(60_000)
    last = await iterations.next()
  }
  for (let i = 0; i < count; ) {
    for (let some = 0; some < 2000 && i < count; some++) live[i++]!.cancel()
    await iterations.next()
  }
  return iterations.longest()
}

/** Node 20 has no `Promise.withResolvers`. */
function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = nothing
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
