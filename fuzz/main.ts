/**
 * Runs children over the native surface and reports: crashes, hangs, panics, reports of AddressSanitizer, untyped errors,
 * and what was covered.
 *
 *   npm run fuzz -- --calls 1000000                 both drivers
 *   npm run fuzz -- --seed 17 --calls 50000         one child again
 *   npm run fuzz:asan -- --calls 200000             on a binding built with AddressSanitizer
 *   npm run fuzz:asan -- --planted                  on one with a bug: must be found
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { add, type Coverage, table } from './coverage.js'
import { type ChildResult, runChild } from './run-child.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    calls: { type: 'string', default: '100000' },
    batch: { type: 'string', default: '50000' },
    jobs: { type: 'string', default: '2' },
    binding: { type: 'string' },
    preload: { type: 'string' },
    keep: { type: 'string', default: 'target/fuzz' },
    quiet: { type: 'boolean', default: false },
  },
})

const calls = Number(values.calls)
const batch = Math.min(calls, Number(values.batch))
const first = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed)
const count = values.seed === undefined ? Math.ceil(calls / batch) : 1
/** The binding under test, if it is not the one that was built for this checkout; src/native.ts reads this. */
const under = {
  ...(values.binding !== undefined && { NAPI_RS_NATIVE_LIBRARY_PATH: values.binding }),
  ...(values.preload !== undefined && {
    LD_PRELOAD: values.preload,
    // V8 keeps what it allocated until it exits; everything else that is found ends the child with a report.
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:malloc_context_size=12',
  }),
}
const SETTINGS = [
  {},
  { ASYNCFD_DRIVER: 'threaded' },
  { ASYNCFD_POLLING: 'oneshot' },
  { ASYNCFD_DRIVER: 'threaded', ASYNCFD_POLLING: 'oneshot' },
]

mkdirSync(values.keep, { recursive: true })
const total: Coverage = {}
const failures: string[] = []
const started = performance.now()
let done = 0
let next = 0

function report(seed: number, env: Record<string, string>, trace: string, result: ChildResult): void {
  done++
  if (result.coverage !== undefined) add(total, result.coverage)
  const settings = Object.entries(env)
    .map(([name, value]) => `${name}=${value} `)
    .join('')
  if (result.failure === undefined) {
    rmSync(trace, { force: true })
    if (!values.quiet) console.log(`${done}/${count} seed ${seed} ${settings}ok (${(result.milliseconds / 1000).toFixed(1)} s)`)
    return
  }
  const kept = join(values.keep, `failure-${seed}.txt`)
  writeFileSync(kept, `${result.failure}\n\nThe last calls:\n${lastCalls(trace)}\n`)
  failures.push(`seed ${seed}: ${result.failure.split('\n').slice(0, 40).join('\n')}`)
  console.log(
    `${done}/${count} seed ${seed} ${settings}FAILED, see ${kept}\n${result.failure.split('\n').slice(0, 30).join('\n')}`,
  )
  console.log(`again: ${settings}npm run fuzz -- --seed ${seed} --calls ${batch}`)
}

/** The records of the trace in the order of the calls: it was written as a ring. */
function lastCalls(trace: string): string {
  try {
    const lines = readFileSync(trace, 'latin1')
      .split('\n')
      .map((line) => line.trimEnd())
      .filter(Boolean)
    const fold = lines.findIndex((line, i) => i > 0 && Number.parseInt(line, 10) < Number.parseInt(lines[i - 1]!, 10))
    return [...lines.slice(fold === -1 ? 0 : fold), ...lines.slice(0, fold === -1 ? 0 : fold)].join('\n')
  } catch {
    return '(no trace)'
  }
}

async function worker(): Promise<void> {
  while (next < count) {
    const index = next++
    const seed = first + index
    // With one seed the environment chooses, so that a failure can be had again.
    const env = values.seed === undefined ? SETTINGS[index % SETTINGS.length]! : {}
    const trace = join(process.cwd(), values.keep, `trace-${seed}`)
    report(
      seed,
      env as Record<string, string>,
      trace,
      await runChild({ seed, calls: batch, trace, env: { ...env, ...under } as Record<string, string> }),
    )
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, worker))

const counts = Object.values(total)
const sum = (key: 'calls' | 'ok' | 'error' | 'refused') => counts.reduce((all, one) => all + one[key], 0)
if (!values.quiet) console.log(`\n${table(total)}\n`)
const errnos = new Set(counts.flatMap(({ codes }) => Object.keys(codes)))
console.log(
  `${sum('calls')} calls of ${counts.length} functions in ${count} children, ${((performance.now() - started) / 1000).toFixed(0)} s: ` +
    `${sum('ok')} succeeded, ${sum('error')} failed with an errno, ${sum('refused')} were refused; ${errnos.size} distinct codes. ` +
    `Seeds ${first}..${first + count - 1}. ${failures.length === 0 ? 'Nothing found.' : `${failures.length} children FAILED.`}`,
)
process.exit(failures.length === 0 ? 0 : 1)
