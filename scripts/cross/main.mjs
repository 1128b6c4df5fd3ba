#!/usr/bin/env node
/**
 * Builds the binding for Linux on arm64, armv7 and x64 such that glibc 2.17 is enough, looks at what came out, and runs the semantics, the
 * timers and the system calls on it, on both drivers: arm64 and armv7 under qemu-user. Ends with `N passed, N failed`.
 *
 *   node scripts/cross/main.mjs                      all of them
 *   node scripts/cross/main.mjs armv7                some
 *   node scripts/cross/main.mjs arm64 --spec timers  only specs whose name contains this
 *   node scripts/cross/main.mjs --build              without running
 *
 * Runs on linux-x64 with apt-get (Debian, no root needed), Rust, a C linker, binutils and Python with pip. What it fetches is kept in a folder
 * of the user's cache (2.5 GB); remove that to begin anew.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ending, npm, root, run, tail } from '../run.mjs'
import { tapReader } from '../tap.mjs'
import { compareVersions, inspect } from './binary.mjs'
import { debian, rustc, script } from './debian.mjs'
import { need } from './step.mjs'
import { EXPECTED, GLIBC, targets } from './targets.mjs'

const MAX_BYTES = 2 ** 20
const SUITE_SECONDS = 3600
/** Long loops are for the suites that are not emulated. */
const SCALE = '0.25'
const here = import.meta.dirname
const work = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'asyncfd-cross')

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { spec: { type: 'string' }, build: { type: 'boolean' } },
})
const chosen = positionals.length > 0 ? positionals : Object.keys(targets)
const unknown = chosen.filter((name) => !(name in targets))
if (unknown.length > 0) {
  console.error(`unknown target "${unknown[0]}"; there are: ${Object.keys(targets).join(' ')}`)
  process.exit(2)
}

const total = { passed: 0, failed: 0, skipped: 0, expected: 0 }

function check(title, ok) {
  total[ok ? 'passed' : 'failed']++
  console.log(`${ok ? '✓' : '✗'} ${title}`)
}

const show = (text) => console.log(`\n  ✗ ${text.trimEnd().replaceAll('\n', '\n    ')}\n`)

// --- What it takes --------------------------------------------------------------------------------------------------

/** The linker. Resolves with the environment that finds it. */
async function linker() {
  const home = join(work, 'python')
  const list = join(here, 'requirements.txt')
  const kept = join(home, 'requirements.txt')
  if (!existsSync(kept) || readFileSync(kept, 'utf8') !== readFileSync(list, 'utf8')) {
    rmSync(home, { recursive: true, force: true })
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', home, '--requirement', list]
    await need('pip: ziglang, cargo-zigbuild', 'python3', pip)
    cpSync(list, kept)
  }
  return {
    PATH: `${join(home, 'bin')}:${process.env.PATH}`,
    CARGO_ZIGBUILD_ZIG_PATH: join(home, 'ziglang/zig'),
    CARGO_ZIGBUILD_CACHE_DIR: join(work, 'zigbuild'),
    ZIG_GLOBAL_CACHE_DIR: join(work, 'zig'),
    CARGO_TARGET_DIR: join(work, 'target'),
  }
}

/** The Nodes from npm, whose packages say that they are for another processor. */
async function nodes() {
  const home = join(work, 'nodes')
  const kept = join(home, 'package-lock.json')
  const lock = join(here, 'package-lock.json')
  if (!existsSync(kept) || readFileSync(kept, 'utf8') !== readFileSync(lock, 'utf8')) {
    rmSync(home, { recursive: true, force: true })
    mkdirSync(home, { recursive: true })
    cpSync(join(here, 'package.json'), join(home, 'package.json'))
    cpSync(lock, kept)
    const args = ['ci', '--prefix', home, '--force', '--ignore-scripts', '--no-audit', '--no-fund']
    await need('npm: Nodes of the other processors', npm, args).catch((error) => {
      rmSync(kept)
      throw error
    })
  }
  return join(home, 'node_modules')
}

/** A command that runs a Node, under the emulator where it is another processor's. */
async function command(name, target, node, system) {
  if (!target.qemu) return process.execPath
  const path = join(work, 'bin', `${name}-${node.npm ?? 'debian'}`, 'node')
  const binary = node.npm ? join(await nodes(), node.npm, 'bin/node') : join(system, 'usr/bin/node')
  return script(
    path,
    `export ASYNCFD_CROSS_NODE="${path}" NODE_OPTIONS='--require="${join(here, 'preload.cjs')}"'
exec "${join(system, 'usr/bin', target.qemu)}" -L "${system}" "${binary}" "$@"`,
  )
}

// --- Building and looking -------------------------------------------------------------------------------------------

/** Builds one target; resolves with the path of the binary. */
async function build(name, target, system) {
  const env = await linker()
  if (system) env.RUSTC = rustc(system, join(work, 'bin/rustc'))
  const out = join(work, 'out', name)
  rmSync(out, { recursive: true, force: true })
  const args = ['napi', 'build', '--manifest-path', 'crates/node/Cargo.toml', '--platform', '--release', '--no-js']
  args.push('--cross-compile', '--target', `${target.triple}.${GLIBC}`, '--output-dir', out)
  await need(`build: ${target.triple}`, 'npx', ['--no-install', ...args], { env })
  return join(out, target.file)
}

async function look(target, file) {
  const { machine, bytes, stripped, foreign, exported, glibc } = await inspect(file)
  console.log(`${target.file}: ${machine}, ${bytes} bytes, needs glibc ${glibc}`)
  check(`it is for ${target.machine}`, machine === target.machine)
  check(`it is stripped and at most ${MAX_BYTES} bytes`, stripped && bytes <= MAX_BYTES)
  check(`glibc ${GLIBC} is enough`, glibc !== undefined && compareVersions(glibc, GLIBC) <= 0)
  check(`it needs no library but glibc's${foreign.map((name) => `, not ${name}`).join('')}`, foreign.length === 0)
  check('it exports its entry and nothing else', exported.join() === 'napi_register_module_v1')
}

// --- Running --------------------------------------------------------------------------------------------------------

/** What tsconfig.test.json compiles. Beside it in build/ lies what tests leave: named pipes too, which cannot be copied. */
const { include: COMPILED } = JSON.parse(readFileSync(join(root, 'tsconfig.test.json'), 'utf8'))

/** A copy of this checkout with the binding of the target; the checkout's own stays. */
function stage(name, target, file) {
  const folder = join(root, 'build/cross', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const left = new Set(['.git', 'node_modules', 'target', 'build'])
  const copy = (entry) =>
    cpSync(join(root, entry), join(folder, entry), { recursive: true, filter: (path) => !path.endsWith('.node') })
  for (const entry of readdirSync(root)) if (!left.has(entry)) copy(entry)
  for (const entry of COMPILED) copy(`build/${entry}`)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  cpSync(file, join(folder, target.file))
  return folder
}

/** What the native side looks up in the running program must be there: else the embedded driver is not what runs. */
const PROBE = `import { AsyncFd, reactor } from 'asyncfd'
import { pipe } from 'asyncfd/sys'
new AsyncFd(pipe()[0])
console.log(process.version, process.arch, reactor.driver)`

async function suite(name, bin, cwd, driver, specs) {
  const env = {
    NO_COLOR: '1',
    ASYNCFD_TEST_SCALE: SCALE,
    PATH: `${join(bin, '..')}:${process.env.PATH}`,
    ...(driver === 'threaded' ? { ASYNCFD_DRIVER: driver } : {}),
  }
  const from = Date.now()
  const probe = await run(bin, ['--input-type=module', '-e', PROBE], { cwd, env, seconds: 120 })
  const known = EXPECTED.filter(({ on }) => on.includes(name))
  const failed = new Set()
  const reader = tapReader((text) => {
    const title = /^.*/.exec(text)[0]
    failed.add(title)
    if (!known.some(({ test }) => test === title)) show(text)
  })
  // One test of a file after another: emulated, the programs that some start at once would be slower than their limits.
  const args = ['node_modules/ava/entrypoints/cli.mjs', '--tap', '--serial', '--timeout=10m', ...specs]
  const result = await run(bin, args, { cwd, env, seconds: SUITE_SECONDS, onLine: reader.line })
  reader.flush()
  const expected = known.filter(({ test }) => failed.has(test))
  const counts = {
    passed: reader.passed,
    failed: reader.failed - expected.length,
    skipped: reader.skipped,
    expected: expected.length,
  }
  if (!reader.complete || (result.code !== 0 && reader.failed === 0)) {
    counts.failed++
    show(`the runner ${ending(result, SUITE_SECONDS)}\n${tail(result.output)}`)
  }
  for (const key of Object.keys(total)) total[key] += counts[key]
  const seconds = Math.round((Date.now() - from) / 1000)
  const ran = probe.output.trim()
  console.log(`${counts.failed ? '✗' : '✓'} ${name}, ${ran}: ${JSON.stringify(counts)}, ${seconds} s`)
  check(`it ran on the ${driver} driver`, probe.code === 0 && ran.endsWith(` ${driver}`))
  for (const { test, why } of expected) console.log(`  expected: ${test}\n            ${why}`)
  for (const { test } of known) {
    const ranIt = specs.some((spec) => spec.endsWith(`/${test.split(' › ')[0]}.spec.js`))
    if (ranIt && !failed.has(test)) console.log(`  passes here, though it is listed as a difference: ${test}`)
  }
}

async function one(name) {
  const target = targets[name]
  console.log(`\n== ${name} ${'='.repeat(76 - name.length)}`)
  const system = target.deb ? await debian(work) : undefined
  const file = await build(name, target, system)
  await look(target, file)
  if (flags.build) return
  const folder = stage(name, target, file)
  const all = readdirSync(join(folder, 'build/__test__'))
    .filter((file) => file.endsWith('.spec.js'))
    .sort()
  for (const node of target.nodes) {
    const specs = all
      .filter((file) => node.specs.test(file) && file.includes(flags.spec ?? ''))
      .map((file) => `build/__test__/${file}`)
    if (specs.length === 0) continue
    const bin = await command(name, target, node, system)
    for (const driver of ['embedded', 'threaded']) await suite(name, bin, folder, driver, specs)
  }
  rmSync(folder, { recursive: true })
}

if (`${process.platform}-${process.arch}` !== 'linux-x64') {
  console.error(`this builds and emulates on linux-x64 only, not on ${process.platform}-${process.arch}`)
  process.exit(2)
}
console.log(`what is fetched and built is kept in ${work}`)
mkdirSync(work, { recursive: true })
for (const name of chosen) {
  await one(name).catch((error) => {
    show(error.message)
    total.failed++
  })
}
const rest = [total.expected && `${total.expected} expected differences`, total.skipped && `${total.skipped} skipped`].filter(
  Boolean,
)
console.log(`\n${total.passed} passed, ${total.failed} failed${rest.map((text) => `, ${text}`).join('')}`)
process.exit(total.failed > 0 ? 1 : 0)
