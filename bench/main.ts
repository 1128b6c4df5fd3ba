/**
 * `npm run bench -- NAME [--quick] [--only PART] [--json FILE] [--markdown]`
 *
 * A benchmark is no test: it ends with 0 whatever it measured, and with 1 only if it could not measure.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { parseArgs } from 'node:util'
import { asMarkdown, asText, type Group, isMet } from './harness/table.js'

/** How long a benchmark takes: rounds, and milliseconds of each contender in each. */
export interface Effort {
  rounds: number
  ms: number
}

export interface Benchmark {
  /** Versions of what took part. */
  versions(): Record<string, string>
  /** By the names that `--only` takes. */
  parts: Record<string, (effort: Effort) => AsyncGenerator<Group>>
}

const benchmarks: Record<string, () => Promise<Benchmark>> = {
  fd: async () => (await import('./fd/benchmark.js')).benchmark,
  net: async () => (await import('./net/benchmark.js')).benchmark,
  timeouts: async () => (await import('./timeouts/benchmark.js')).benchmark,
  time: async () => (await import('./time/benchmark.js')).benchmark,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    json: { type: 'string' },
    markdown: { type: 'boolean' },
    only: { type: 'string' },
    help: { type: 'boolean' },
  },
})
const [name] = positionals
const load = name === undefined ? undefined : benchmarks[name]
if (load === undefined || values.help === true) {
  console.log(`npm run bench -- NAME [--quick] [--only PART] [--json FILE] [--markdown]\n\nNAME is one of: ${Object.keys(benchmarks).join(', ')}
--quick      fewer and shorter rounds
--only PART  only one part; of fd: own, fed, registered, calls, costs; of net: small, large, pingpong, accept, udp, idle, file; of time: operations, millions, deadlines, firing, turns, memory, accuracy; of timeouts: packets, connects, armed, lateness
--json FILE  all numbers
--markdown   the report as docs/BENCHMARKS.md has it`)
  process.exit(values.help === true ? 0 : 1)
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}

const benchmark = await load()
if (values.only !== undefined && !Object.hasOwn(benchmark.parts, values.only)) {
  console.error(`${name} has no part ${values.only}; it has: ${Object.keys(benchmark.parts).join(', ')}`)
  process.exit(1)
}
const effort: Effort = values.quick === true ? { rounds: 3, ms: 300 } : { rounds: 5, ms: 500 }
const options = [name, values.quick === true ? '--quick' : '', values.only === undefined ? '' : `--only ${values.only}`]
const command = `npm run bench -- ${options.filter((option) => option !== '').join(' ')}`
const machine = {
  date: new Date().toISOString(),
  commit: commit(),
  machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${process.platform} ${release()}, ${process.arch}`,
  load: loadavg()[0]!.toFixed(1),
  versions: benchmark.versions(),
  rounds: `${effort.rounds} of ${effort.ms} ms, all contenders in each`,
  command,
}
const head = Object.entries(machine).map(([key, value]) => {
  const text =
    typeof value === 'string'
      ? value
      : Object.entries(value)
          .map((pair) => pair.join(' '))
          .join(', ')
  return [key, text] as const
})
const show = values.markdown === true ? asMarkdown : asText
if (values.markdown === true) {
  console.log(
    `# Benchmarks\n\nThe last run that was kept. Figures are of one machine at one moment; the ratios within a round are what counts.\n`,
  )
  console.log(`${head.map(([key, text]) => `- ${key}: ${key === 'command' ? `\`${text}\`` : text}`).join('\n')}\n`)
} else {
  console.log(`${head.map(([key, text]) => `${key.padEnd(9)}${text}`).join('\n')}\n`)
}

const groups: Group[] = []
for (const [part, measure] of Object.entries(benchmark.parts)) {
  if (values.only !== undefined && part !== values.only) continue
  for await (const group of measure(effort)) {
    groups.push(group)
    console.log(show(group))
  }
}
const judged = groups.flatMap(({ rows }) => rows.map(isMet)).filter((met) => met !== undefined)
console.log(
  `${judged.filter(Boolean).length} of ${judged.length} bars met. To repeat: ${values.markdown === true ? `\`${command}\`` : command}`,
)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ ...machine, groups }, null, 2)}\n`)
