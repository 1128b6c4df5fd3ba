#!/usr/bin/env node
/**
 * What `import 'asyncfd'` costs a process, against one whose module is empty and one that imports undici: medians of processes that take
 * turns. Milliseconds are told beside the budget, which is of a machine that starts an empty process in 40 ms. What fails is the ratio to
 * undici, in CPU time, and the number of files: they depend little on the machine and on what else it does.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../run.mjs'

const ROUNDS = 21
const BUDGET = '10 ms on top of one of 40 ms'
const MOST_OF_UNDICI = 0.2
const MOST_FILES = 2

const place = join(root, 'build/import-time')
mkdirSync(place, { recursive: true })
const programs = { empty: '', asyncfd: "import 'asyncfd'", undici: "import 'undici'" }
const tell = "process.on('exit', () => { const { user, system } = process.cpuUsage(); console.log((user + system) / 1000) })"
for (const [name, text] of Object.entries(programs)) writeFileSync(join(place, `${name}.mjs`), `${text}\n${tell}\n`)

const rounds = Array.from({ length: ROUNDS }, () =>
  Object.fromEntries(
    Object.keys(programs).map((name) => {
      const from = performance.now()
      const { stdout, status, stderr } = spawnSync(process.execPath, [join(place, `${name}.mjs`)], { encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      return [name, { wall: performance.now() - from, cpu: Number(stdout) }]
    }),
  ),
)
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]
/** What a module adds to the empty one of its round. */
const added = (name) => median(rounds.map((round) => round[name].wall - round.empty.wall))
/** What it takes at least, whoever else is on the machine. */
const least = (name) => Math.min(...rounds.map((round) => round[name].cpu))

/** Files that are loaded, as the import statements of a bundle tell. */
function files(file, seen = new Set()) {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^'"]*["'](\.[^'"]+)["']/gm))
    files(join(dirname(file), path), seen)
  return seen
}

const ratio = (least('asyncfd') - least('empty')) / (least('undici') - least('empty'))
const { size } = files(join(root, 'dist/index.js'))
const ms = [added('asyncfd'), median(rounds.map(({ empty }) => empty.wall))].map((value) => value.toFixed(1))
console.log(
  `${ms[0]} ms on top of an empty process of ${ms[1]} ms (budget: ${BUDGET}), ${ratio.toFixed(2)} of import 'undici', ${size} files`,
)
process.exit(ratio > MOST_OF_UNDICI || size > MOST_FILES ? 1 : 0)
