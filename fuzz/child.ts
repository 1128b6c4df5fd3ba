/**
 * One run: so many calls from one seed, in a process that may crash. Prints its coverage as one line of JSON.
 *
 *   node build/fuzz/child.js --seed 1 --calls 50000 --trace file
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect, parseArgs, types } from 'node:util'
import * as asyncfd from 'asyncfd'
import type * as Native from '../index.js'
import { compat, endCompat } from './compat.js'
import { at, called, coverage, failed, finding, findings, succeeded, Thrown, threw } from './coverage.js'
import { closeAll, held, own, reconcile } from './fds.js'
import { nativeReactors, releaseAll, useBinding as useForReactors } from './native-reactors.js'
import { natives, useBinding } from './natives.js'
import { endNets, nets } from './nets.js'
import { type Callable, drawArguments, type Op } from './op.js'
import { endAll, publics } from './publics.js'
import { below, chance, restart } from './random.js'
import { endLimits, limits } from './timeouts.js'
import { endTimes, times } from './times.js'
import { changeMemory, junk, knowPort, LOOPBACK, onDisturb, useFolder } from './values.js'

type Binding = typeof Native

const { values } = parseArgs({ options: { seed: { type: 'string' }, calls: { type: 'string' }, trace: { type: 'string' } } })
const seed = Number(values.seed ?? 1)
const calls = Number(values.calls ?? 1000)

const { native } = createRequire(import.meta.url)('../../dist/native.js') as { native: () => Binding }
const binding = native()
useBinding(binding)
useForReactors(binding)

// Contexts are kept in other ways where there are some.
if (seed % 2 === 0) new AsyncLocalStorage().enterWith({ seed })

const folder = mkdtempSync(join(tmpdir(), 'asyncfd-fuzz-'))
useFolder(folder)
process.chdir(folder)

// The trace: the last calls, in records of fixed size, so that it neither grows nor is lost in a crash.
const RECORD = 160
const RECORDS = 256
const trace = values.trace === undefined ? -1 : openSync(values.trace, 'w')
let records = 0

function note(name: string, args: unknown[]): void {
  if (trace === -1) return
  const shown = args.map(show).join(', ')
  const line = `${number} ${'>'.repeat(depth)}${name}(${shown})`.replaceAll(/[^ -~]/g, '?')
  writeSync(trace, `${line.slice(0, RECORD - 1).padEnd(RECORD - 1)}\n`, (records++ % RECORDS) * RECORD, 'latin1')
}

function show(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (ArrayBuffer.isView(value)) {
    let size = '?'
    try {
      size = String(value.byteLength)
    } catch {
      // A DataView outside its memory.
    }
    return `${Object.prototype.toString.call(value).slice(8, -1)}:${size}`
  }
  if (types.isProxy(value)) return 'proxy'
  if (typeof value !== 'object' || value === null) return String(value).slice(0, 12)
  if (Object.getPrototypeOf(value) !== Object.prototype) return Array.isArray(value) ? `[${value.length}]` : 'object'
  const plain = Object.getOwnPropertyDescriptors(value)
  return `{${Object.entries(plain)
    .map(([name, { value, get }]) => `${name}:${get ? 'getter' : typeof value === 'object' ? 'object' : String(value)}`)
    .join()}}`
}

const DEEPEST = 3
let number = 0
let depth = 0
let callbacks = 0

const ops: [name: string, op: Op, call: Callable][] = []
let total = 0
const cumulative: number[] = []
for (const [prefix, group] of [
  ['native.', natives],
  ['native.', nativeReactors],
  ['', publics],
  ['', nets],
  ['timeouts.', limits],
  ['compat.', compat],
  ['', times],
] as const) {
  for (const [name, op] of Object.entries(group)) {
    const call = op.call ?? (binding as unknown as Record<string, Callable>)[name]
    if (call === undefined) continue // not on this system
    ops.push([prefix + name, op, call])
    total += op.weight ?? 1
    cumulative.push(total)
  }
}

function drawOp(): [string, Op, Callable] {
  const drawn = (below(1_000_000) / 1_000_000) * total
  return ops[cumulative.findIndex((sum) => drawn < sum)]!
}

const NATIVE_ERRNO = /^native\.(sys|probe|NativeFunctions|NativeReactor\.setInterest)/

function once(): void {
  const [name, op, call] = drawOp()
  called(name)
  // Arguments are made before the call: their makers throw nothing.
  const args = drawArguments(op)
  note(name, args)
  const look = op.guard?.(args)
  depth++
  try {
    const result = Reflect.apply(call, chance(0.02) ? junk() : binding, args) as unknown
    if (NATIVE_ERRNO.test(name) && typeof result === 'number' && result < 0) failed(name, `E${-result}`)
    else succeeded(name)
    op.after?.(result, args)
    look?.(result)
  } catch (error) {
    threw(name, error)
    look?.(-1)
  } finally {
    depth--
  }
}

/** Something else in the middle of a call: another call, a resize, a close. */
onDisturb(() => {
  if (depth >= DEEPEST || number >= calls) return
  // Callbacks from the event loop draw from a stream of their own.
  if (depth === 0) restart(seed ^ 0x5bd1e995, callbacks++)
  if (chance(0.3)) changeMemory()
  else once()
})

/** The fds the fuzzer starts with, and gets when it has too few. */
function stock(): void {
  const pair = new Int32Array(2)
  if (binding.sysPipe(pair) === 0) for (const [i, kind] of (['reader', 'writer'] as const).entries()) own(pair[i]!, kind)
  for (const [type, kind] of [
    [1, 'stream'],
    [2, 'dgram'],
    [5, 'seqpacket'],
  ] as const) {
    if (binding.sysSocketpair(1, type, 0, pair) === 0) for (const fd of pair) own(fd, kind)
  }
  if (binding.sysOpenpty !== undefined && binding.sysOpenpty(80, 24, pair, new Uint8Array(64)) > 0) {
    for (const [i, kind] of (['master', 'slave'] as const).entries()) own(pair[i]!, kind)
  }
  stockNetwork()
}

/** A listener and a connection to it, and two UDP sockets; on loopback. */
function stockNetwork(): void {
  const address = new Uint8Array(148)
  const header = new Uint32Array(address.buffer, 0, 5)
  const text = Buffer.from(LOOPBACK)
  header.set([4, 0, 0, 0, text.length])
  address.set(text, 20)
  const make = (type: number, kind: 'tcp' | 'udp' | 'listener') => {
    const fd = binding.sysSocket(2, type, 0)
    if (fd >= 0) own(fd, kind)
    return fd
  }
  const listener = make(1, 'listener')
  binding.sysBind(listener, address)
  binding.sysListen(listener, 16)
  if (binding.sysLocalAddress(listener, address) !== 0) return
  knowPort(header[1]!)
  for (let i = 0; i < 2; i++) binding.sysConnect(make(1, 'tcp'), address)
  for (let i = 0; i < 2; i++) {
    header[1] = 0
    const socket = make(2, 'udp')
    binding.sysBind(socket, address)
    if (binding.sysLocalAddress(socket, address) === 0) knowPort(header[1]!)
  }
}

/** What a listener does wrong all by itself: throw, or be a class. */
const isListeners = (error: unknown) => error instanceof Thrown || /^TypeError: Class constructors? /.test(String(error))

process.on('uncaughtException', (error: unknown) => {
  if (!isListeners(error)) finding('uncaughtException', inspect(error).slice(0, 800))
})
process.on('unhandledRejection', (error: unknown) => {
  if (!(error instanceof Thrown)) finding('unhandledRejection', inspect(error).slice(0, 800))
})
process.on('warning', () => {})

const gc = (globalThis as { gc?: () => void }).gc
const BATCH = 64

async function run(): Promise<void> {
  while (number < calls) {
    if (held() < 60 || number % (BATCH * 8) === 0) stock()
    for (let i = 0; i < BATCH && number < calls; i++) {
      restart(seed, number)
      at(number)
      if (chance(0.05)) changeMemory()
      once()
      number++
    }
    if (number % (BATCH * 16) === 0) reconcile()
    if (number % (BATCH * 48) === 0) gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

try {
  await run()
  for (const end of [endNets, endLimits, endCompat, endTimes, endAll, releaseAll, closeAll]) end()
} catch (error) {
  console.error('the fuzzer itself failed', error)
  process.exit(5)
}
await new Promise((resolve) => setTimeout(resolve, 30))
rmSync(folder, { recursive: true, force: true })
console.log(JSON.stringify({ coverage, findings }))
// Whatever still keeps the process alive is a finding of its own.
setTimeout(() => {
  console.error('the child does not end by itself:', process.getActiveResourcesInfo(), asyncfd.reactor.metrics())
  process.exit(4)
}, 15_000).unref()
