/**
 * `npm run bench -- fd`: what it costs to be woken by a descriptor.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { canPin, type Placement, startScript } from '../harness/child.js'
import type { Measured } from '../harness/measure.js'
import { install } from '../harness/peers.js'
import { type Entry, figure, interleave, type Rounds } from '../harness/rounds.js'
import { ratio, spread } from '../harness/stats.js'
import type { Bar, Group, Row } from '../harness/table.js'
import type { Benchmark, Effort } from '../main.js'
import { contenders, type Name } from './contenders.js'
import { traceWakeups, untraceable } from './trace.js'

/** Why the epoll package takes no part, or null. */
const withoutEpoll = install('epoll')
const names = (Object.keys(contenders) as Name[]).filter((name) => name !== 'epoll' || withoutEpoll === null)

const SCENARIOS = 'fd/scenarios.js'

const least = (value: number): Bar => ({ at: 'least', value })
const most = (value: number): Bar => ({ at: 'most', value })

/** FIFOs in a folder of their own. */
async function withFifos<R>(count: number, use: (fifos: string[]) => Promise<R>): Promise<R> {
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-bench-'))
  try {
    const fifos = Array.from({ length: count }, (_, i) => join(folder, String(i)))
    for (const fifo of fifos) sys.mkfifo(fifo)
    return await use(fifos)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(
  scenario: string,
  name: string,
  placement: Placement,
  amount: number,
  ...rest: (string | number)[]
): Promise<Measured> {
  const args = [scenario, name, placement, String(amount), ...rest.map(String)]
  return startScript(SCENARIOS, args, placement === 'one core' ? 0 : undefined).measured
}

/** A row on one figure of a contender, against the same figure of a peer. */
function row(
  rounds: Rounds,
  label: string,
  key: string,
  show: (value: number) => string,
  name: string,
  peer?: string,
  bar?: Bar,
): Row {
  const values = figure(rounds, name, key)
  const shown: Row = { name: label, figure: show(spread(values).median) }
  if (peer === undefined || peer === name || !rounds.has(peer)) return shown
  return { ...shown, ratio: ratio(values, figure(rounds, peer, key)), peer, bar }
}

const perSecond = (value: number) => `${Math.round(value).toLocaleString('en')}/s`
const us = (value: number) => `${value.toFixed(2)} us`
const ns = (value: number) => `${value.toFixed(0)} ns`

const WAKEUPS = Object.entries(contenders)
  .filter(([name]) => names.includes(name as Name))
  .map(([name, make]) => `${name}: ${make().wakeup}`)

const EXPLAINED: Record<Placement, string> = {
  any: 'on whatever cores the kernel chooses',
  'one core': 'every process on one core, which is best for threads that wake each other',
  apart: "threads apart from the main thread, where an idle machine puts them (the epoll package's)",
}

const APART =
  'why: the package wakes JavaScript from a thread; with a core to spare the kernel puts that on the other core, which is slow to wake; on a busy machine both share one'

async function* ownFifo({ rounds, ms }: Effort): AsyncGenerator<Group> {
  const placements: Placement[] = canPin ? ['any', 'one core', 'apart'] : ['any']
  for (const placement of placements) {
    // Only the epoll package has a thread that could be apart; the others are what they are on one core.
    const results = await withFifos(1, ([fifo]) =>
      interleave(
        `own FIFO, ${placement}`,
        names.map((name) => ({ name, run: () => run('ownFifo', name, placement, ms, fifo!) })),
        rounds,
      ),
    )
    const bars: Partial<Record<Name, { perSecond: Bar; cpuUs?: Bar }>> = {
      callback: { perSecond: least(20), cpuUs: most(0.1) },
      promise: { perSecond: least(12) },
    }
    yield {
      title: `One descriptor, own FIFO: ${EXPLAINED[placement]}`,
      notes:
        placement === 'any'
          ? ['whoever is woken writes the byte that wakes it next', ...WAKEUPS]
          : placement === 'apart'
            ? [APART]
            : [],
      rows: names.flatMap((name) => [
        row(results, `${name}: wake-ups`, 'perSecond', perSecond, name, 'epoll', bars[name]?.perSecond),
        row(results, `${name}: CPU of each`, 'cpuUs', us, name, 'epoll', bars[name]?.cpuUs),
      ]),
    }
  }
}

async function* fed({ rounds, ms }: Effort): AsyncGenerator<Group> {
  const waiting = names.filter((name) => name !== 'fs.read')
  for (const count of [1, 100]) {
    for (const { placement, feederCore, where } of canPin ? FED : FED.slice(0, 1)) {
      const feed = (scenario: string, name: string) =>
        withFifos(count + 1, async ([acknowledgements, ...fifos]) => {
          const feeder = startScript('fd/feeder.js', [acknowledgements!, ...fifos], feederCore)
          try {
            const contender = run(scenario, name, placement, ms, acknowledgements!, ...fifos)
            const [mine, trips] = await Promise.all([contender, feeder.measured])
            return { ...mine, ...trips }
          } finally {
            feeder.process.kill('SIGKILL')
          }
        })
      const entries: Entry[] = waiting.map((name) => ({ name, run: () => feed('fed', name) }))
      // With one descriptor a thread can just block: nobody who waits in an event loop can cost less.
      if (count === 1) entries.push({ name: BLOCKED, run: () => feed('blocked', 'callback') })
      const results = await interleave(`fed, ${count}, ${where}`, entries, rounds)
      const ours = (name: string) => name === 'callback' || name === 'promise'
      yield {
        title: `${count === 1 ? 'One descriptor' : `${count} descriptors, woken at random`}, fed by another process: ${where}`,
        notes:
          count === 1 && placement === 'any'
            ? [
                'the other process writes one byte, and the next after its acknowledgement',
                'latency is the round trip it sees, from before its write until it has read the acknowledgement',
              ]
            : [],
        rows: entries.flatMap(({ name }) => [
          row(results, `${name}: CPU per wake-up`, 'cpuUs', us, name, 'epoll', ours(name) ? most(0.5) : undefined),
          row(results, `${name}: latency`, 'roundTripUs', us, name, 'net.Socket', ours(name) ? most(1) : undefined),
          row(results, `${name}: latency, 99 of 100`, 'p99Us', us, name, 'net.Socket'),
        ]),
      }
    }
  }
}

const BLOCKED = 'no reactor, blocked in read(2)'

/** Where the contender runs, and where the other process. */
const FED: { placement: Placement; feederCore?: number; where: string }[] = [
  { placement: 'any', where: EXPLAINED.any },
  { placement: 'one core', feederCore: 0, where: 'both on one core, so that no core has to be woken: what remains is software' },
  { placement: 'one core', feederCore: 1, where: 'the contender on one core, the other process on another' },
  { placement: 'apart', feederCore: 1, where: "the epoll package's thread on the core of the other process" },
]

async function* registered({ rounds, ms }: Effort): AsyncGenerator<Group> {
  const all = [1, 100, 10_000]
  const cases = [
    ...all.map((count) => ({
      name: `${count} registered, one woken`,
      scenario: 'registered',
      count,
      active: 1,
      peer: '100 registered, one woken',
    })),
    ...all.slice(1).map((count) => ({
      name: `${count} registered, 100 woken`,
      scenario: 'registered',
      count,
      active: 100,
      peer: '100 registered, 100 woken',
    })),
    {
      name: '10000 registered, 10000 woken',
      scenario: 'registered',
      count: 10_000,
      active: 10_000,
      peer: '100 registered, 100 woken',
    },
    ...all.slice(1).map((count) => ({
      name: `no reactor, ${count} written and read`,
      scenario: 'untouched',
      count,
      active: count,
      peer: 'no reactor, 100 written and read',
    })),
  ]
  const entries = cases.map(({ name, scenario, count, active }) => ({
    name,
    run: () => run(scenario, 'callback', 'one core', ms, count, active),
  }))
  const results = await interleave('registered', entries, rounds)
  yield {
    title: 'Descriptors registered (eventfds, callback tier): CPU of each wake-up',
    notes: [
      'each has its AsyncFd and its subscription; whoever is woken wakes the next, at random among those that are woken',
      "10,000 that are all woken do not fit the cache, neither the kernel's side nor ours: no reactor shows the kernel's share",
    ],
    rows: cases.map(({ name, scenario, count, active, peer }) =>
      row(
        results,
        name,
        'cpuUs',
        us,
        name,
        peer,
        scenario === 'registered' && count > 100 && active <= 100 ? most(1.2) : undefined,
      ),
    ),
  }
}

async function* systemCalls(): AsyncGenerator<Group> {
  const reason = untraceable()
  const title = 'System calls per wake-up, counted by strace'
  if (reason !== null) return void (yield { title, notes: [`left out: ${reason}`], rows: [] })
  const rows: Row[] = []
  for (const name of names) {
    const { ours, libuv, data, other, total, names: others } = await traceWakeups(name, 1000)
    const exactly = name === 'callback' || name === 'promise' ? ours : undefined
    const kinds = [
      `own poller ${ours.toFixed(2)}`,
      `libuv's poller ${libuv.toFixed(2)}`,
      `the data ${data.toFixed(2)}`,
      `other ${other.toFixed(2)}`,
    ]
    rows.push({
      name: `${name}: ${kinds.join(', ')}${other > 0.1 ? ` (${others.join(', ')})` : ''}`,
      figure: `${total.toFixed(2)} calls`,
      ratio: exactly === undefined ? undefined : { median: exactly, min: exactly, max: exactly },
      peer: exactly === undefined ? undefined : 'one per turn',
      bar: exactly === undefined ? undefined : most(1),
    })
  }
  yield { title, notes: ['an own FIFO; all threads; wake-ups are isolated, since strace makes each of them slow'], rows }
}

async function* costs({ rounds, ms }: Effort): AsyncGenerator<Group> {
  const pairs: [string, string | undefined][] = [
    ['AsyncFd and close', withoutEpoll === null ? 'epoll add and remove' : undefined],
    ['await readable() of what is ready', 'await of a resolved promise'],
    ['guard.tryIo of nothing', undefined],
    ['sys.read of a byte', 'fs.readSync of a byte'],
    ['sys.read of nothing', 'fs.readSync of nothing'],
  ]
  const all = pairs.flat().filter((name) => name !== undefined)
  const results = await interleave(
    'costs',
    all.map((name) => ({ name, run: () => run('cost', name, 'one core', ms / 2) })),
    rounds,
  )
  yield {
    title: 'Single operations',
    notes: ['bytes are read from /dev/zero; nothing is read from an eventfd that is 0: WouldBlock, or an EAGAIN that is caught'],
    rows: pairs.flatMap(([name, peer]) => [
      row(results, name, 'ns', ns, name, peer),
      ...(peer === undefined ? [] : [row(results, peer, 'ns', ns, peer)]),
    ]),
  }
}

export const benchmark: Benchmark = {
  versions() {
    const read = (path: string) =>
      (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string }).version
    return {
      asyncfd: read('../../../package.json'),
      node: process.version,
      driver: reactor.driver,
      epoll: withoutEpoll === null ? read('../../../bench/peers/node_modules/epoll/package.json') : `left out (${withoutEpoll})`,
    }
  },
  parts: { own: ownFifo, fed, registered, calls: systemCalls, costs },
}
