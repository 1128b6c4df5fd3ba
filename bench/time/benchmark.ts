/**
 * `npm run bench -- time`: what timers cost, and how exact they are.
 *
 * @module
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { script, start } from '../harness/child.js'
import { runRust } from '../harness/peers.js'
import { type Entry, figure, interleave } from '../harness/rounds.js'
import { quantile, ratio, spread } from '../harness/stats.js'
import type { Bar, Group, Row } from '../harness/table.js'
import type { Benchmark, Effort } from '../main.js'
import { costs, lateness, limits, longestTurn, sides } from './work.js'

const least = (value: number): Bar => ({ at: 'least', value })
const most = (value: number): Bar => ({ at: 'most', value })
const ns = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ns`
const ms = (value: number) => `${value.toFixed(2)} ms`
type SideName = keyof typeof sides
const names = Object.keys(sides) as SideName[]
const MILLION = 1_000_000

/**
 * The work with timers of one side alone: its code is made for those, as that of a program is that uses one kind. Code that had seen
 * the timers of all sides would look at each for which it is.
 */
async function workOf(name: SideName) {
  const { sides, ...work }: typeof import('./work.js') = await import(`./work.js?${name}`)
  return { ...work, Side: sides[name] }
}

type Work = Awaited<ReturnType<typeof workOf>>

/** An entry for each side. */
function entriesOf(run: (work: Work) => Promise<Record<string, number>>): Entry[] {
  return names.map((name) => ({ name, run: async () => run(await workOf(name)) }))
}

/** Rows of ours and of node's; the ratio is how many times ours is cheaper. */
function compared(label: string, of: (name: string) => number[], show: (value: number) => string, bar?: Bar): Row[] {
  return names.map((name) => ({
    name: `${label}: ${name}`,
    figure: show(spread(of(name)).median),
    ...(name !== 'node' && { ratio: ratio(of('node'), of(name)), peer: 'node', bar }),
  }))
}

async function* operations({ rounds, ms: time }: Effort): AsyncGenerator<Group> {
  const rows: Row[] = []
  for (const name of Object.keys(costs)) {
    const entries = entriesOf(async (work) => ({ ns: await work.costs[name]!(work.Side, time) }))
    const done = await interleave(name, entries, rounds)
    rows.push(...compared(name, (side) => figure(done, side, 'ns'), ns, name.startsWith('refresh') ? least(20) : least(2.5)))
  }
  yield {
    title: 'Start and cancel, refresh',
    notes: [
      'one operation: a setTimeout and its clearTimeout, or a refresh(); a start() and a cancel() of a CallbackTimer, which was made before',
      'what the event loop does for them counts as well',
    ],
    rows,
  }
}

async function* millions({ rounds }: Effort): AsyncGenerator<Group> {
  const entries = entriesOf(({ million, Side }) => million(Side, MILLION))
  const done = await interleave('a million live', entries, Math.min(rounds, 3))
  const rows = (['build', 'churn', 'cancel'] as const).flatMap((key) =>
    compared(key, (side) => figure(done, side, key), ns, key === 'churn' ? least(10) : undefined),
  )
  const both = (name: string) => figure(done, name, 'build').map((build, i) => build + figure(done, name, 'cancel')[i]!)
  rows.push(...compared('build and cancel', both, ns, least(10)))
  yield {
    title: 'A million live timers of a million different durations',
    notes: [
      'build: starting them; churn: cancelling and starting one of them; cancel: cancelling all',
      'the CallbackTimers were made before',
    ],
    rows,
  }
}

async function* firing({ rounds }: Effort): AsyncGenerator<Group> {
  const entries = entriesOf(async ({ fireMillion, Side }) => ({ ms: await fireMillion(Side, MILLION) }))
  const done = await interleave('firing', entries, Math.min(rounds, 3))
  yield {
    title: 'Firing a million due timers',
    notes: [
      'of 200 durations, all due before the first is fired',
      'between two, setTimeout of both sides runs ticks and microtasks',
    ],
    rows: compared('until all have fired', (side) => figure(done, side, 'ms'), ms, least(2)),
  }
}

async function* deadlines({ rounds, ms: time }: Effort): AsyncGenerator<Group> {
  const entries: Entry[] = Object.entries(limits).map(([name, cost]) => ({ name, run: async () => ({ ns: await cost(time) }) }))
  const done = await interleave('deadlines', entries, rounds)
  const of = (name: string) => figure(done, name, 'ns')
  const peer = 'AbortSignal.timeout'
  const row = (name: string, bar?: Bar): Row => ({
    name,
    figure: ns(spread(of(name)).median),
    ratio: name === peer ? undefined : ratio(of(peer), of(name)),
    peer: name === peer ? undefined : peer,
    bar,
  })
  yield {
    title: 'deadline()',
    notes: ['made and cancelled'],
    rows: [row('deadline', least(20)), row('deadline with signal', least(2.5)), row('new AbortController().signal'), row(peer)],
  }
}

async function* memory({ rounds }: Effort): AsyncGenerator<Group> {
  setFlagsFromString('--expose-gc')
  globalThis.gc ??= runInNewContext('gc') as typeof globalThis.gc
  const entries = entriesOf(async ({ bytesPerTimer, Side }) => ({ bytes: await bytesPerTimer(Side, 200_000) }))
  const done = await interleave('memory', entries, Math.min(rounds, 3))
  yield {
    title: 'Memory of a pending timer',
    notes: ['heap and external memory, of 200,000 timers of different durations; the ratio is how many times node needs'],
    rows: compared(
      'bytes',
      (side) => figure(done, side, 'bytes'),
      (value) => value.toFixed(0),
      least(1),
    ),
  }
}

async function* turns({ rounds }: Effort): AsyncGenerator<Group> {
  const rows: Row[] = []
  for (const kind of ['uniform', 'bunched', 'refreshed'] as const) {
    const entry: Entry = { name: kind, run: () => longestTurn(kind, MILLION) }
    const done = await interleave('turns', [entry], Math.min(rounds, 3))
    const [ours, all] = [figure(done, kind, 'ours'), figure(done, kind, 'all')]
    rows.push({ name: kind, figure: ms(spread(ours).median), ratio: spread(ours), peer: '1 ms', bar: most(1) })
    rows.push({ name: `${kind}, with garbage collection`, figure: ms(spread(all).median) })
  }
  yield {
    title: 'The longest iteration of the event loop with a million deadlines',
    notes: ['pending and cascading for 3.5 s, then cancelled, 2,000 in an iteration; what fires has nothing to do'],
    rows,
  }
}

async function* accuracy({ ms: time }: Effort): AsyncGenerator<Group> {
  const rows: Row[] = []
  const notes = ['of an idle machine only; node and tokio round to whole milliseconds']
  const count = time * 10
  const sides: [string, () => Promise<number[]>][] = [
    ...(['asyncfd', 'node'] as const).map((side): [string, () => Promise<number[]>] => [
      side,
      async () => Array.from(await lateness(side, count)),
    ]),
    ...['tokio', 'async-io'].map((peer): [string, () => Promise<number[]>] => [
      peer,
      async () => (JSON.parse(runRust('sleeps', peer, String(count), '20')) as number[]).sort((a, b) => a - b),
    ]),
  ]
  for (const [side, measure] of sides) {
    let late: number[]
    try {
      late = await measure()
    } catch (error) {
      notes.push(`${side} is left out: ${(error as Error).message}`)
      continue
    }
    const [median, p99] = [quantile(late, 0.5), quantile(late, 0.99)]
    const row = (name: string, value: number, bar: Bar): Row => ({
      name: `${side}: ${name}`,
      figure: ms(value),
      ratio: { median: value, min: value, max: value },
      peer: '1 ms',
      bar: side === 'asyncfd' ? bar : undefined,
    })
    rows.push(row('earliest', late[0]!, least(0)), row('median', median, most(0.15)), row('p99', p99, most(0.5)))
  }
  yield {
    title: 'Lateness of sleeps of 0.2 to 50 ms, 20 at once',
    notes,
    rows,
  }
}

/** After 8 s of nothing V8 collects garbage, for 20 ms, give or take 5: more than everything else together. */
const QUIET_V8 = '--no-memory-reducer'

async function* idle({ rounds, ms: time }: Effort): AsyncGenerator<Group> {
  const seconds = time / 50
  const sides = ['asyncfd', 'node', 'nothing']
  const entries: Entry[] = sides.map((side) => ({
    name: side,
    run: () => start(process.execPath, [QUIET_V8, script('time/idle.js'), side, String(seconds * 1000)]).measured,
  }))
  const done = await interleave('idle', entries, Math.min(rounds, 3))
  const [ours, nodes, none] = sides.map((side) => figure(done, side, 'ms')) as [number[], number[], number[]]
  const more = ours.map((value, round) => value - nodes[round]!)
  yield {
    title: `One timer pending for ${seconds} s: CPU until it fires`,
    notes: ['nothing: the thread just blocks; node has a timer of its own'],
    rows: [
      { name: 'asyncfd', figure: ms(spread(ours).median), ratio: spread(more), peer: '1 ms more than node', bar: most(1) },
      { name: 'node', figure: ms(spread(nodes).median) },
      { name: 'nothing', figure: ms(spread(none).median) },
    ],
  }
}

export const benchmark: Benchmark = {
  versions: () => ({ node: process.versions.node }),
  parts: { accuracy, idle, turns, operations, deadlines, memory, millions, firing },
}
