#!/usr/bin/env node
/**
 * How many lines of crates/core run in the Rust tests and in those specs that call it most: builds both once more, with counters, which takes
 * a few minutes. Needs LLVM's tools in the version of rustc: `rustup component add llvm-tools`, or Debian's `llvm-<version>`. Without them it
 * says so and ends with code 77.
 *
 *   npm run coverage                              with that of src
 *   node scripts/coverage-core.mjs --files        file by file
 */
import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, tail } from './run.mjs'

/** Per cent of lines, a few below what it is. */
const FLOOR = 93

const out = join(root, 'target/coverage')
const say = async (...command) => {
  const result = await run(command[0], command.slice(1))
  return result.code === 0 ? result.output.trim() : ''
}

const verbose = await say('rustc', '-vV')
const [, host] = /^host: (.+)$/m.exec(verbose) ?? []
const [, major] = /^LLVM version: (\d+)/m.exec(verbose) ?? []
const places = [`${await say('rustc', '--print', 'sysroot')}/lib/rustlib/${host}/bin`, `/usr/lib/llvm-${major}/bin`]
const bin = places.find((place) => existsSync(join(place, 'llvm-profdata')) && existsSync(join(place, 'llvm-cov')))
if (bin === undefined) {
  console.log(`coverage of core: LLVM ${major} is not here; rustup component add llvm-tools, or Debian's llvm-${major}`)
  process.exit(77)
}

async function must(command, args, env = {}) {
  const result = await run(command, args, { env })
  if (result.code === 0) return result.output
  console.error(tail(result.output))
  process.exit(1)
}

rmSync(join(out, 'raw'), { recursive: true, force: true })
const env = { RUSTFLAGS: '-C instrument-coverage', LLVM_PROFILE_FILE: join(out, 'raw/%p-%m.profraw') }
const cargo = (...args) => must('cargo', [...args, '--profile', 'checked', '--target-dir', out, '--message-format', 'json'], env)

const tests = await cargo('test', '--package', 'asyncfd-core')
const library = await cargo('build', '--package', 'asyncfd-node')
const programs = [...tests.matchAll(/"executable":"([^"]+)"/g)].map(([, program]) => program)
const [built] = /[^"]+libasyncfd_node\.(?:so|dylib)/.exec(library)
const binding = join(out, 'asyncfd.node')
copyFileSync(built, binding)
programs.push(binding)
const specs = readdirSync(join(root, 'build/__test__')).filter((name) =>
  /^(async|net|reactor|sys|time)\b.*\.spec\.js$/.test(name),
)
const ava = join(root, 'node_modules/ava/entrypoints/cli.mjs')
const under = { ...env, NAPI_RS_NATIVE_LIBRARY_PATH: binding }
await must(process.execPath, [ava, '--tap', ...specs.map((name) => `build/__test__/${name}`)], under)
const raw = readdirSync(join(out, 'raw')).map((name) => join(out, 'raw', name))
const merged = join(out, 'merged.profdata')
await must(join(bin, 'llvm-profdata'), ['merge', '--sparse', '--output', merged, ...raw])
const objects = programs.slice(1).flatMap((program) => ['--object', program])
const args = ['--instr-profile', merged, programs[0], ...objects, '--sources', join(root, 'crates/core/src')]
if (process.argv.includes('--files')) console.log(await must(join(bin, 'llvm-cov'), ['report', ...args]))
const summary = await must(join(bin, 'llvm-cov'), ['export', '--summary-only', ...args])
const { data } = JSON.parse(summary.match(/^\{.*\}$/m)[0])
const { percent, count } = data[0].totals.lines
console.log(`${percent.toFixed(1)} % of ${count} lines of core run (floor: ${FLOOR} %)`)
process.exit(percent < FLOOR ? 1 : 0)
