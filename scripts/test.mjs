#!/usr/bin/env node
/**
 * The one entry for every check. Runs suites one after another and ends with `N passed, N failed`.
 *
 *   node scripts/test.mjs                     the groups rust, node and oneshot: what `npm test` runs
 *   node scripts/test.mjs runtimes            other groups: lint rust node oneshot runtimes examples install package
 *   node scripts/test.mjs --all               every group
 *   node scripts/test.mjs --spec async-fd     only specs whose name contains this
 *   node scripts/test.mjs --suite threaded    only suites whose name contains this
 *   node scripts/test.mjs --coverage node     leaves what ran of src in build/coverage, as node and package together do
 *   node scripts/test.mjs --list              the suites, without running them
 *
 * Specs say what concerns them in their first lines:
 *   // Portable: bun, deno     also runs there
 *   // Once: <why>             looks at files, not at behaviour: one run is enough
 * and examples likewise:
 *   // Needs: <what>           cannot run on any machine; only compiled
 * One that finds out when it runs says why and ends with code 77.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { ending, npm, root, run, tail } from './run.mjs'
import { install, runtimes, unavailable } from './runtimes.mjs'
import { tapReader } from './tap.mjs'

const GROUPS = ['lint', 'rust', 'node', 'oneshot', 'runtimes', 'examples', 'install', 'package']
const DEFAULT_GROUPS = ['rust', 'node', 'oneshot']
const SUITE_SECONDS = 420
/** The suites on further runtimes repeat what `node` tested: fuzz and stress specs shorten their loops by this factor. */
const REPEAT_SCALE = '0.25'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean' },
    runtimes: { type: 'boolean' },
    list: { type: 'boolean' },
    spec: { type: 'string' },
    suite: { type: 'string' },
    coverage: { type: 'boolean' },
  },
})
const wanted = new Set(flags.all ? GROUPS : positionals.length > 0 ? positionals : DEFAULT_GROUPS)
if (flags.runtimes) wanted.add('runtimes')
for (const group of wanted) {
  if (!GROUPS.includes(group)) {
    console.error(`unknown group "${group}"; there are: ${GROUPS.join(' ')}`)
    process.exit(2)
  }
}

// --- What there is to run -------------------------------------------------------------------------------------------

/** The head of a source: leading comments and imports, where it says what concerns it. */
const says = (file, word) =>
  new RegExp(`^ *(?://|\\*) *${word}: *(.*)$`, 'm').exec(readFileSync(join(root, file), 'utf8').slice(0, 2000))?.[1]

function walk(folder, ending) {
  if (!existsSync(join(root, folder))) return []
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  return entries
    .flatMap((entry) => (entry.isDirectory() ? walk(`${folder}/${entry.name}`, ending) : [`${folder}/${entry.name}`]))
    .filter((file) => file.endsWith(ending))
    .sort()
}

const compiled = (file) => `build/${file.replace(/\.ts$/, '.js')}`
const specs = walk('__test__', '.spec.ts')
  .filter((file) => !flags.spec || file.includes(flags.spec))
  .map((file) => ({ file: compiled(file), name: file, once: says(file, 'Once'), portable: says(file, 'Portable') ?? '' }))
const repeated = specs.filter((spec) => !spec.once)
const semantics = repeated.filter((spec) => /\/async-fd[^/]*$/.test(spec.name))

const suites = []
const add = (group, name, kind, ...rest) => suites.push({ group, name, run: () => kind(...rest) })

for (const check of ['fmt', 'clippy', 'biome', 'dts'])
  add('lint', `lint:${check}`, step, npm, ['run', '--silent', `lint:${check}`])
if (!flags.spec) add('rust', 'rust core', cargo)
add('node', 'node, embedded driver', covered, 'node', specs)
add('node', 'node, threaded driver', ava, 'node', repeated, { ASYNCFD_DRIVER: 'threaded' })
add('oneshot', 'node, embedded driver, oneshot polling', ava, 'node', semantics, { ASYNCFD_POLLING: 'oneshot' })
add('oneshot', 'node, threaded driver, oneshot polling', ava, 'node', semantics, {
  ASYNCFD_POLLING: 'oneshot',
  ASYNCFD_DRIVER: 'threaded',
})
// Both drivers on the oldest Node, which runs this, and on the newest.
for (const name of ['node22', 'node24', 'node26']) {
  for (const driver of name === 'node26' ? ['embedded', 'threaded'] : ['embedded']) {
    const env = driver === 'threaded' ? { ASYNCFD_DRIVER: driver } : {}
    add('runtimes', `${name}, ${driver} driver`, elsewhere, ava, name, repeated, { ...env, ASYNCFD_TEST_SCALE: REPEAT_SCALE })
  }
}
for (const name of ['bun', 'deno']) {
  const chosen = repeated.filter((spec) => spec.portable.split(/[ ,]+/).includes(name))
  add('runtimes', name, elsewhere, portable, name, chosen, { ASYNCFD_TEST_SCALE: REPEAT_SCALE })
}
add('examples', 'npm run demo', step, npm, ['run', '--silent', 'demo'])
// A folder in examples holds the parts of the example of its name.
for (const file of walk('examples', '.ts').filter((file) => dirname(file) === 'examples')) {
  const needs = says(file, 'Needs')
  if (needs) add('examples', file, async () => ({ skipped: 1, note: `needs ${needs}` }))
  else add('examples', file, example, compiled(file))
}
if (!flags.spec) {
  add('install', 'npm run test:install', tap, process.execPath, ['scripts/install/main.mjs'])
  add('package', 'reference', step, npm, ['run', '--silent', 'docs'])
  for (const gate of ['workflows', 'types', 'size', 'import-time', 'crates', 'audit', 'coverage'])
    add('package', gate, example, `scripts/gates/${gate}.mjs`)
}

// --- Kinds of suites: each resolves with { passed, failed, skipped, note } ------------------------------------------

function show(text) {
  console.log(`\n  ✗ ${text.trimEnd().replaceAll('\n', '\n    ')}\n`)
}

/** A command that is one test: it ends with exit code 0. */
async function step(command, args) {
  const result = await run(command, args, { seconds: SUITE_SECONDS })
  if (result.code === 0) return { passed: 1 }
  show(`${[command, ...args].join(' ')} ${ending(result, SUITE_SECONDS)}\n${tail(result.output, 120)}`)
  return { failed: 1 }
}

/** Exit code of an example that says why it cannot run here, as the test drivers of autotools have it. */
const SKIPPED = 77

async function example(file) {
  const result = await run(process.execPath, [file], { seconds: SUITE_SECONDS })
  if (result.code === SKIPPED) return { skipped: 1, note: result.output.trim() }
  if (result.code === 0)
    return { passed: 1, note: file.startsWith('scripts/') ? result.output.trim().split('\n').at(-1) : undefined }
  show(`${file} ${ending(result, SUITE_SECONDS)}\n${tail(result.output, 120)}`)
  return { failed: 1 }
}

/** A runner that writes TAP. */
async function tap(command, args, env) {
  const reader = tapReader(show)
  const result = await run(command, args, { env, seconds: SUITE_SECONDS, onLine: reader.line })
  reader.flush()
  if (result.code !== 0 && (reader.failed === 0 || !reader.complete)) {
    reader.failed++
    show(`the runner ${ending(result, SUITE_SECONDS)}\n${tail(result.output)}`)
  }
  return reader
}

/** Without files ava would run everything. Nothing to run is a failure, unless a filter asked for it. */
const nothing = (chosen) => chosen.length === 0 && (flags.spec ? { skipped: 1, note: 'no such spec here' } : { passed: 0 })

async function ava(name, chosen, env) {
  if (nothing(chosen)) return nothing(chosen)
  const { bin } = runtimes[name]
  // Specs that start `node` get the one they run on.
  const PATH = name === 'node' ? process.env.PATH : `${dirname(bin)}:${process.env.PATH}`
  return tap(bin, ['node_modules/ava/entrypoints/cli.mjs', '--tap', ...files(chosen)], { ...env, PATH, NO_COLOR: '1' })
}

async function portable(name, chosen, env) {
  if (nothing(chosen)) return nothing(chosen)
  return tap(process.execPath, ['scripts/run-portable.mjs', name, ...files(chosen)], env)
}

/** The suite that says how much of src runs, if somebody will ask. */
async function covered(name, chosen) {
  const place = join(root, 'build/coverage')
  rmSync(place, { recursive: true, force: true })
  return ava(name, chosen, flags.coverage || wanted.has('package') ? { NODE_V8_COVERAGE: place } : {})
}

const files = (chosen) => chosen.map((spec) => spec.file)

let installed
async function elsewhere(kind, name, chosen, env) {
  const why = unavailable()
  if (why) return { skipped: 1, note: why }
  installed ??= await install()
  if (installed) {
    show(`the other runtimes could not be installed\n${installed}`)
    installed = 'see the first of these failures'
    return { failed: 1 }
  }
  return kind(name, chosen, env)
}

async function cargo() {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const result = await run('cargo', ['test', '--profile', 'checked', '--package', 'asyncfd-core', '--no-fail-fast'], {
    seconds: SUITE_SECONDS,
    onLine(line) {
      const match = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line)
      if (!match) return
      counts.passed += +match[1]
      counts.failed += +match[2]
      counts.skipped += +match[3]
    },
  })
  if (result.code !== 0) {
    if (counts.failed === 0) counts.failed = 1
    show(`cargo test ${ending(result, SUITE_SECONDS)}\n${tail(result.output, 200)}`)
  }
  return counts
}

// --- Running --------------------------------------------------------------------------------------------------------

const chosen = suites.filter(({ group, name }) => wanted.has(group) && (!flags.suite || name.includes(flags.suite)))
if (flags.list) {
  for (const { group, name } of chosen) console.log(`${group.padEnd(9)} ${name}`)
  process.exit(0)
}

const total = { passed: 0, failed: 0, skipped: 0 }
let group
for (const suite of chosen) {
  if (group !== suite.group) console.log(`\n== ${suite.group} ${'='.repeat(76 - suite.group.length)}`)
  group = suite.group
  const from = Date.now()
  const outcome = await suite.run().catch((error) => ({ crash: error.stack, failed: 1 }))
  if (outcome.crash) show(outcome.crash)
  const { passed = 0, failed = 0, skipped = 0, note } = outcome
  const none = passed + failed + skipped === 0
  total.passed += passed
  total.failed += failed + (none ? 1 : 0) // a suite without a result has failed
  total.skipped += skipped
  const counts = none
    ? 'no result'
    : [passed && `${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`].filter(Boolean).join(', ')
  const seconds = ((Date.now() - from) / 1000).toFixed(1).padStart(6)
  console.log(
    `${failed || none ? '✗' : passed ? '✓' : '-'} ${suite.name.padEnd(44)} ${seconds} s  ${counts}${note ? ` (${note})` : ''}`,
  )
}
if (chosen.length === 0) {
  console.log('no suite was chosen')
  total.failed++
}
console.log(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exit(total.failed > 0 ? 1 : 0)
