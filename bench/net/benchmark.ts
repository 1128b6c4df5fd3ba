/**
 * `npm run bench -- net`: echo servers, each alone on a core, under the load of one generator on another.
 *
 * @module
 */
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { script, start } from '../harness/child.js'
import type { Measured } from '../harness/measure.js'
import { rustBinary } from '../harness/peers.js'
import { type Entry, figure, interleave } from '../harness/rounds.js'
import { LOAD_CORE, load, Server } from '../harness/server.js'
import { ratio, spread } from '../harness/stats.js'
import type { Bar, Group, Row } from '../harness/table.js'
import type { Benchmark, Effort } from '../main.js'

const least = (value: number): Bar => ({ at: 'least', value })
const most = (value: number): Bar => ({ at: 'most', value })
const perSecond = (value: number) => `${Math.round(value).toLocaleString('en')}/s`
const micros = (value: number) => `${value.toFixed(1)} us`

const LOAD_FACTOR = 3
/** The part of a core from which on the load generator may be what limits. */
const BUSY = 0.9
const runtimes = fileURLToPath(new URL('../../../scripts/runtimes/node_modules', import.meta.url))

/** How each contender is started; undefined if it cannot be had here. */
const contenders: Record<string, () => string[] | undefined> = {
  'asyncfd, lent chunks': () => [process.execPath, script('net/server.js'), 'lend'],
  'asyncfd, copies': () => [process.execPath, script('net/server.js'), 'copy'],
  'asyncfd, read(buffer)': () => [process.execPath, script('net/server.js'), 'read'],
  'asyncfd, callbacks': () => [process.execPath, script('net/server.js'), 'callback'],
  'node:net': () => [process.execPath, script('net/server.js'), 'node'],
  tokio: () => [rustBinary('echo'), 'tokio'],
  'async-io': () => [rustBinary('echo'), 'async-io'],
  'asyncfd, UdpSocket': () => [process.execPath, script('net/server.js'), 'udp'],
  'asyncfd, UdpSocket.recvMany': () => [process.execPath, script('net/server.js'), 'udp-many'],
  'node:dgram': () => [process.execPath, script('net/server.js'), 'dgram'],
  'tokio, UDP': () => [rustBinary('echo'), 'tokio-udp'],
  'Bun.listen': () => runtime('@oven/bun-linux-x64/bin/bun', ['run'], 'bun'),
  'Deno.listen': () => runtime('@deno/linux-x64-glibc/deno', ['run', '-A', '--no-lock'], 'deno'),
}

function runtime(path: string, args: string[], kind: string): string[] | undefined {
  const binary = `${runtimes}/${path}`
  return existsSync(binary) ? [binary, ...args, script('net/server.js'), kind] : undefined
}

/** The contenders that can be had, and notes on the others. */
function entries(names: readonly string[], run: (command: readonly string[]) => Promise<Measured>): [Entry[], string[]] {
  const notes: string[] = []
  const all: Entry[] = []
  for (const name of names) {
    try {
      const command = contenders[name]!()
      if (command === undefined) notes.push(`${name} is left out: npm ci in scripts/runtimes gets it`)
      else all.push({ name, run: () => run(command) })
    } catch (error) {
      notes.push(`${name} is left out: ${(error as Error).message}`)
    }
  }
  return [all, notes]
}

interface Bars {
  [name: string]: { [peer: string]: Bar }
}

async function* compare(
  title: string,
  names: readonly string[],
  { rounds }: Effort,
  run: (command: readonly string[]) => Promise<Measured>,
  key: string,
  show: (value: number) => string,
  bars: Bars,
): AsyncGenerator<Group> {
  const [all, notes] = entries(names, run)
  const done = await interleave(title, all, rounds)
  const of = (name: string, what = key) => figure(done, name, what)
  const base = done.has('node:net') ? 'node:net' : 'node:dgram'
  const rows: Row[] = all.flatMap(({ name }): Row[] => {
    const peers = Object.entries(bars[name] ?? {}).filter(([peer]) => done.has(peer))
    const shown = { name, figure: show(spread(of(name)).median) }
    if (peers.length === 0) return [name === base ? shown : { ...shown, ratio: ratio(of(name), of(base)), peer: base }]
    return peers.map(([peer, bar], i) => ({
      ...(i === 0 ? shown : { name: '', figure: '' }),
      ratio: ratio(of(name), of(peer)),
      peer,
      bar,
    }))
  })
  const limited = all.flatMap(({ name }) => {
    const busy = spread(of(name, 'busy')).median
    return busy >= BUSY ? [`${name} ${Math.round(busy * 100)} %`] : []
  })
  if (limited.length > 0)
    notes.push(`the load generator was busy itself, so these may be faster than it shows: ${limited.join(', ')}`)
  yield { title, notes: ['server alone on one core, load generator on another', ...notes], rows }
}

const DATAGRAMS = ['asyncfd, UdpSocket', 'asyncfd, UdpSocket.recvMany', 'node:dgram', 'tokio, UDP']
const STREAMS = Object.keys(contenders).filter((name) => !DATAGRAMS.includes(name))

function* parts(): Generator<[string, (effort: Effort) => AsyncGenerator<Group>]> {
  yield [
    'small',
    (effort) =>
      compare(
        'Echo of 64 bytes, 50 connections: messages',
        STREAMS,
        effort,
        (command) => load(command, 'load', 50, 64, effort.ms * LOAD_FACTOR),
        'perSecond',
        perSecond,
        {
          'asyncfd, lent chunks': { 'node:net': least(1.5), tokio: least(0.95) },
          'asyncfd, callbacks': { 'node:net': least(1.4) },
        },
      ),
  ]
  yield [
    'large',
    (effort) =>
      compare(
        'Echo of 64 KiB, 50 connections: messages',
        STREAMS,
        effort,
        (command) => load(command, 'load', 50, 64 * 1024, effort.ms * LOAD_FACTOR),
        'perSecond',
        perSecond,
        {
          'asyncfd, lent chunks': { 'node:net': least(2), tokio: least(1.05) },
          'asyncfd, copies': { 'node:net': least(1.5) },
        },
      ),
  ]
  yield [
    'pingpong',
    (effort) =>
      compare(
        'One connection, 64 bytes: median round trip',
        STREAMS,
        effort,
        (command) => load(command, 'load', 1, 64, effort.ms * LOAD_FACTOR),
        'p50',
        micros,
        { 'asyncfd, lent chunks': { 'node:net': most(1.05) } },
      ),
  ]
  yield [
    'accept',
    (effort) =>
      compare(
        'Accept, one byte there and back, close: connections per second of CPU',
        ['asyncfd, lent chunks', 'asyncfd, callbacks', 'node:net', 'tokio', 'async-io'],
        effort,
        async (command) => {
          const measured = await load(command, 'accept', 50, effort.ms * LOAD_FACTOR)
          return { perCpuSecond: (measured.perSecond! * effort.ms * LOAD_FACTOR * (4 / 3)) / measured.cpuMs! }
        },
        'perCpuSecond',
        perSecond,
        { 'asyncfd, lent chunks': { 'node:net': least(2) } },
      ),
  ]
  yield [
    'udp',
    (effort) =>
      compare(
        'Datagrams of 100 bytes, 50 on their way: received and sent',
        DATAGRAMS,
        effort,
        (command) => load(command, 'udp', 50, 100, effort.ms * LOAD_FACTOR),
        'perSecond',
        perSecond,
        { 'asyncfd, UdpSocket': { 'node:dgram': least(2) }, 'asyncfd, UdpSocket.recvMany': { 'node:dgram': least(2) } },
      ),
  ]
}

/** Connections that are there before memory is looked at: what the first ones cost is not theirs alone. */
const WARM = 500
const IDLE = 10_000

/**
 * The young generation of V8's heap grows by megabytes while connections come in fast, and shrinks when nothing has happened for some
 * seconds: it belongs to no connection, so it is kept small in all servers.
 */
const FLAGS = ['--expose-gc', '--max-semi-space-size=1']

async function idle(kind: string): Promise<Measured> {
  await using server = await Server.start([process.execPath, ...FLAGS, script('net/idle.js'), kind])
  // It holds the other ends: neither process comes to its limit of descriptors.
  await using client = await Server.start([process.execPath, script('net/hold.js'), server.port, String(WARM)])
  const look = async (connections: number) => {
    for (;;) {
      const seen = JSON.parse(await server.line('memory')) as Measured
      if (seen.connections === connections) return seen
    }
  }
  const before = await look(WARM)
  await client.line(String(IDLE))
  const after = await look(WARM + IDLE)
  const each = (key: string) => (after[key]! - before[key]!) / IDLE
  return { resident: each('resident'), heap: each('heapUsed'), external: each('external') }
}

async function* idleConnections({ rounds }: Effort): AsyncGenerator<Group> {
  const title = '10,000 idle connections with an armed idle timeout: memory of each'
  const kinds = {
    'asyncfd, for await of chunks(), setTimeouts()': 'asyncfd',
    'node:net, for await of the socket, setTimeout()': 'await',
    'asyncfd, subscribe(), deadline()': 'callback',
    "node:net, on('data'), setTimeout()": 'node',
    'for await alone, without a library': 'loop',
  }
  const [ours, awaited, callback, theirs, loop] = Object.keys(kinds) as [string, string, string, string, string]
  const done = await interleave(
    title,
    Object.entries(kinds).map(([name, kind]) => ({ name, run: () => idle(kind) })),
    Math.min(rounds, 3),
  )
  const of = (name: string, key = 'resident') => figure(done, name, key)
  const bytes = (name: string) => `${Math.round(spread(of(name)).median)} bytes`
  const against = (name: string, peer: string) => ({ ratio: ratio(of(name), of(peer)), peer })
  const parts = Object.keys(kinds).map((name) => {
    const [heap, external] = ['heap', 'external'].map((key) => Math.round(spread(of(name, key)).median))
    return `${name}: ${heap} bytes of JavaScript's heap, ${external} of buffers`
  })
  const rows: Row[] = [
    { name: ours, figure: bytes(ours), ...against(ours, awaited) },
    { name: '', figure: '', ...against(ours, theirs), bar: most(0.25) },
    { name: awaited, figure: bytes(awaited) },
    { name: callback, figure: bytes(callback), ...against(callback, theirs), bar: most(0.25) },
    { name: theirs, figure: bytes(theirs) },
    { name: loop, figure: bytes(loop), ...against(loop, theirs) },
  ]
  const notes = [
    `growth of the server's resident memory from ${WARM} to ${WARM + IDLE} connections, pages of files aside, after garbage collection`,
  ]
  yield { title, notes: [...notes, "without the kernel's, which is the same for all", ...parts], rows }
}

/** How much goes to the file for each millisecond of effort. */
const FILE_BYTES_PER_MS = 1 << 20

/** A folder in memory: a disk that is busy writing would be all that is measured. */
function roomForFiles(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    if (bavail * bsize > 2 ** 30) return '/dev/shm'
  } catch {
    // Not Linux.
  }
  return tmpdir()
}

async function toFile(kind: string, bytes: number): Promise<Measured> {
  const folder = mkdtempSync(join(roomForFiles(), 'asyncfd-bench-'))
  try {
    await using server = await Server.start([process.execPath, script('net/file.js'), kind, join(folder, 'file')])
    // The first is for the compiler.
    for (const size of [bytes >> 3, bytes]) {
      await start(process.execPath, [script('net/send.js'), server.port, String(size)], LOAD_CORE).measured
      const measured = JSON.parse(await server.line()) as Measured
      if (measured.bytes !== size) throw new Error(`${measured.bytes} of ${size} bytes arrived`)
      if (size === bytes) return { perSecond: size / (measured.ms! / 1000), cpuMs: measured.cpuMs! }
    }
    throw new Error('nothing was measured')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function* piped({ rounds, ms }: Effort): AsyncGenerator<Group> {
  const title = 'A connection piped to a file: bytes'
  const kinds = { 'asyncfd, toReadable()': 'asyncfd', 'node:net, socket': 'node' }
  const [ours, theirs] = Object.keys(kinds) as [string, string]
  const size = ms * FILE_BYTES_PER_MS
  const done = await interleave(
    title,
    Object.entries(kinds).map(([name, kind]) => ({ name, run: () => toFile(kind, size) })),
    rounds,
  )
  const of = (name: string) => figure(done, name, 'perSecond')
  const speed = (name: string) => `${Math.round(spread(of(name)).median / 1e6).toLocaleString('en')} MB/s`
  const rows: Row[] = [
    { name: ours, figure: speed(ours), ratio: ratio(of(ours), of(theirs)), peer: 'node:net', bar: least(1) },
    { name: theirs, figure: speed(theirs) },
  ]
  const cpu = (name: string) =>
    `${name}: ${((spread(figure(done, name, 'cpuMs')).median * 1e6) / (size >> 10)).toFixed(0)} ns of CPU per KiB`
  const notes = [`${size >> 20} MiB in each round, to ${roomForFiles()}; server alone on one core, sender on another`]
  yield { title, notes: [...notes, cpu(ours), cpu(theirs)], rows }
}

export const benchmark: Benchmark = {
  versions: () => ({ node: process.versions.node }),
  parts: { ...Object.fromEntries(parts()), idle: idleConnections, file: piped },
}
