/**
 * A short run of the fuzzer at every test run; `npm run fuzz` makes long ones. Each child is a process of Node.
 *
 * Once: the children choose drivers and polling themselves
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildResult } from '../fuzz/run-child.js'
import { runChild } from '../fuzz/run-child.js'
import { rounds } from './helpers/child.js'
import { platform, platformName } from './helpers/inside.js'
import test from './helpers/test.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const CALLS = 20_000
const THREADED_ONESHOT = { ASYNCFD_DRIVER: 'threaded', ASYNCFD_POLLING: 'oneshot' }

async function run(seed: number, calls: number, env: Record<string, string>): Promise<ChildResult> {
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-fuzz-trace-'))
  try {
    return await runChild({ seed, calls, trace: join(folder, 'trace'), env })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

let covered: Promise<ChildResult> | undefined

test('calls of everything with anything, in any order, neither crash nor hang nor panic', async (t) => {
  t.timeout(600_000)
  const seed = Date.now() % 1_000_000_000
  t.log(`seeds ${seed} and ${seed + 1}; again: npm run fuzz -- --seed ${seed} --calls ${rounds(CALLS)}`)
  covered = run(seed, rounds(CALLS), { ASYNCFD_DRIVER: '', ASYNCFD_POLLING: '' })
  const results = await Promise.all([covered, run(seed + 1, rounds(CALLS), THREADED_ONESHOT)])
  for (const { failure } of results) t.is(failure, undefined)
})

test('no function of the binding or of asyncfd/sys is left out', async (t) => {
  t.timeout(600_000)
  const declarations = readFileSync(join(root, 'index.d.ts'), 'utf8')
  const functions = [...declarations.matchAll(/^export declare function (\w+)/gm)].map(([, name]) => name)
  const body = /^export declare class NativeReactor \{$([\s\S]*?)^\}$/m.exec(declarations)?.[1] ?? ''
  const members = [...body.matchAll(/^ {2}(?:get )?(\w+)\(/gm)].map(([, name]) =>
    name === 'constructor' ? 'NativeReactor' : `NativeReactor.${name}`,
  )
  const given = /^export interface NativeFunctions \{$([\s\S]*?)^\}$/m.exec(declarations)?.[1] ?? ''
  for (const [, name] of given.matchAll(/^ {2}(\w+): \(/gm)) members.push(`NativeFunctions.${name}`)
  t.true(functions.length > 40 && members.length > 9, 'index.d.ts is read')
  const sys = Object.entries(await import('asyncfd/sys')).flatMap(([name, value]) =>
    typeof value === 'function' && !/^AsyncFdError$/.test(name) ? [`sys.${name}`] : [],
  )
  const { coverage } = await (covered ?? run(1, CALLS, {}))
  const missing = [...[...functions, ...members].map((name) => `native.${name}`), ...sys].filter(
    (name) => coverage?.[name] === undefined,
  )
  t.deepEqual(missing, [], 'add an op to fuzz/natives.ts, fuzz/native-reactors.ts or fuzz/publics.ts')
})

test('no method of Async and of what asyncfd/net has is left out', async (t) => {
  const { uncoveredMethods } = await import('../fuzz/nets.js')
  t.deepEqual(uncoveredMethods, [], 'add it to `methods` in fuzz/nets.ts')
})

test('no function of asyncfd/timeouts is left out', async (t) => {
  const { uncoveredFunctions } = await import('../fuzz/timeouts.js')
  t.deepEqual(uncoveredFunctions, [], 'add it to fuzz/timeouts.ts')
})

test('no function of asyncfd/timers is left out', async (t) => {
  const { uncoveredTimers } = await import('../fuzz/times.js')
  t.deepEqual(uncoveredTimers, [], 'add it to fuzz/times.ts')
})

test('no method of asyncfd/compat is left out', async (t) => {
  const { uncoveredCompat } = await import('../fuzz/compat.js')
  t.deepEqual(uncoveredCompat, [], 'add it to fuzz/compat.ts')
})

/** The binding, with a `read` whose bounds check is one byte too generous. */
const planted = (binding: string) => `
const binding = require(${JSON.stringify(binding)})
module.exports = { ...binding, NativeReactor: binding.NativeReactor, sysRead(fd, view, offset, length) {
  if (ArrayBuffer.isView(view) && offset + length === view.byteLength + 1 && view.byteOffset + offset + length <= view.buffer.byteLength) {
    return binding.sysRead(fd, new Uint8Array(view.buffer, view.byteOffset), offset, length)
  }
  return binding.sysRead(fd, view, offset, length)
} }
`

test('a bounds check that is off by one is found', async (t) => {
  t.timeout(600_000)
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-fuzz-planted-'))
  const path = join(folder, 'planted.cjs')
  const name = `asyncfd.${platformName(platform())}.node`
  writeFileSync(path, planted(join(root, name)))
  try {
    const { failure } = await run(1, CALLS, { NAPI_RS_NATIVE_LIBRARY_PATH: path })
    t.regex(failure ?? '', /native\.sysRead: took \d+ \+ \d+ of \d+ bytes/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
