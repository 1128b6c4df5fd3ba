/**
 * `npm run bench -- timeouts`: what limits on sockets of Node's cost, per packet, per connection and while they wait; and how late
 * they are.
 *
 * @module
 */
import { script, start } from '../harness/child.js'
import type { Measured } from '../harness/measure.js'
import { rustBinary } from '../harness/peers.js'
import { type Entry, figure, interleave } from '../harness/rounds.js'
import { LOAD_CORE, Server } from '../harness/server.js'
import { ratio, spread } from '../harness/stats.js'
import type { Bar, Group, Row } from '../harness/table.js'
import type { Benchmark, Effort } from '../main.js'

const LOAD_FACTOR = 2
const CONNECTIONS = 50
/** From each server in turn. */
const SLICES = 40
const perSecond = (value: number) => `${Math.round(value).toLocaleString('en')}/s`
const server = (kind: string, ...more: string[]) => [process.execPath, script('timeouts/server.js'), kind, ...more]

const KINDS: Record<string, string> = {
  'no limits': 'none',
  'idle, read, write and total': 'all',
  idle: 'idle',
  response: 'response',
  'socket.setTimeout': 'set-timeout',
}

/** Servers of all kinds side by side, and one generator of load that gives each of them some milliseconds in turn. */
async function side(kinds: readonly string[]): Promise<Measured> {
  const servers: Server[] = []
  try {
    for (const kind of kinds) servers.push(await Server.start(server(kind)))
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`)
    const slices = ['slices', CONNECTIONS, 64, SLICES, ...addresses].map(String)
    const rates = await start(rustBinary('echo'), slices, LOAD_CORE).measured
    return Object.fromEntries(kinds.map((kind, at) => [kind, rates[at] as number]))
  } finally {
    for (const one of servers) await one[Symbol.asyncDispose]()
  }
}

async function* packets({ rounds }: Effort): AsyncGenerator<Group> {
  const title = `Echo of 64 bytes by node:net, ${CONNECTIONS} connections: messages per second`
  const kinds = Object.values(KINDS)
  const run = () => {
    // Each of them is the first now and then. A process is some hundredths faster than another for all its life, by how its memory
    // happens to lie: what tells is many of them.
    kinds.unshift(kinds.pop()!)
    return side(kinds)
  }
  const done = await interleave(title, [{ name: title, run }], rounds * 8)
  const of = (name: string) => figure(done, title, KINDS[name]!)
  const bars: Record<string, Bar> = { 'idle, read, write and total': { at: 'least', value: 0.98 } }
  const rows = Object.keys(KINDS).map((name): Row => {
    const shown = { name, figure: perSecond(spread(of(name)).median) }
    return name === 'no limits'
      ? shown
      : { ...shown, ratio: ratio(of(name), of('no limits')), peer: 'no limits', bar: bars[name] }
  })
  yield { title, notes: ['server alone on one core, load generator on another'], rows }
}

async function* connects({ rounds, ms }: Effort): AsyncGenerator<Group> {
  const title = 'Connect with a limit, reset, ten at a time: connects'
  const names: Record<string, string> = {
    'asyncfd connect()': 'asyncfd',
    'net.connect, AbortSignal.timeout': 'node',
    'net.connect, no limit': 'bare',
  }
  await using peer = await Server.start(server('none'))
  const run = (kind: string) => () =>
    start(process.execPath, [script('timeouts/connects.js'), kind, peer.port, String(ms * LOAD_FACTOR)], LOAD_CORE).measured
  const entries: Entry[] = Object.entries(names).map(([name, kind]) => ({ name, run: run(kind) }))
  const done = await interleave(title, entries, rounds)
  const of = (name: string) => figure(done, name, 'perCpuSecond')
  const peers = 'net.connect, AbortSignal.timeout'
  const rows = Object.keys(names).map((name): Row => {
    const shown = { name, figure: perSecond(spread(of(name)).median) }
    return name === peers ? shown : { ...shown, ratio: ratio(of(name), of(peers)), peer: peers }
  })
  yield { title, notes: ['connects per second of CPU of the client, which is alone on its core'], rows }
}

/** These machines allow a process 20,000 descriptors. */
const ARMED = 8000

async function* armed({ rounds, ms }: Effort): AsyncGenerator<Group> {
  const title = `${ARMED.toLocaleString('en')} connections that do nothing: CPU of the server`
  const run = (kind: string) => async (): Promise<Measured> => {
    await using one = await Server.start(server(kind, '120000'))
    await using _holder = await Server.start([process.execPath, script('net/hold.js'), one.port, String(ARMED)])
    let before = JSON.parse(await one.line('?'))
    // The last of them may wait to be accepted.
    for (let tries = 0; before.connections < ARMED && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      before = JSON.parse(await one.line('?'))
    }
    if (before.connections !== ARMED) throw new Error(`${before.connections} connections`)
    const seconds = Math.max(2, ms / 100)
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    const after = JSON.parse(await one.line('?'))
    return { usPerSecond: (after.cpuUs - before.cpuUs) / seconds }
  }
  const names = Object.fromEntries(Object.entries(KINDS).filter(([, kind]) => kind !== 'idle'))
  const entries: Entry[] = Object.entries(names).map(([name, kind]) => ({ name, run: run(kind) }))
  const done = await interleave(title, entries, Math.min(rounds, 3))
  const rows = Object.keys(names).map(
    (name): Row => ({ name, figure: `${spread(figure(done, name, 'usPerSecond')).median.toFixed(0)} us per second` }),
  )
  yield { title, notes: ['limits of 120 s; idle looks twelve times in that'], rows }
}

async function* lateness(): AsyncGenerator<Group> {
  const measured = await start(process.execPath, [script('timeouts/lateness.js')]).measured
  const value = (name: string) => measured[name] as number
  const rows = ['lookup', 'connect', 'secureConnect', 'idle', 'write', 'response', 'read', 'total'].map((phase): Row => {
    const limit = value(`${phase}-ms`)
    const [least, median, most] = ['least', 'median', 'most'].map((part) => value(`${phase}-${part}`)) as [number, number, number]
    const tenth = phase === 'idle' || phase === 'write'
    return {
      name: `${phase}, ${limit} ms`,
      figure: `${least.toFixed(2)} to ${most.toFixed(2)} ms late, median ${median.toFixed(2)}`,
      ratio: tenth ? spread([most / limit]) : spread([most / 2]),
      peer: tenth ? 'the limit' : '2 ms',
      bar: { at: 'most', value: tenth ? 0.1 : 1 },
    }
  })
  yield {
    title: 'How late a limit ends a connection',
    notes: [
      'idle machine; from when the limit was set, or the last byte went; less what the event loop was late by itself, as the error tells',
    ],
    rows,
  }
}

export const benchmark: Benchmark = {
  versions: () => ({ node: process.versions.node }),
  parts: { packets, connects, armed, lateness },
}
