#!/usr/bin/env node
/**
 * What `import 'asyncfd'` takes, beside what an import of an empty module takes and one of undici: medians of new processes that take turns, each
 * of which looks at the clock itself, as starting a process takes ten times as long and swings by more than all of this. What fails is the
 * ratio to undici and the number of files: they do not depend on the machine.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../run.mjs'

const ROUNDS = 21
const BUDGET_MS = 10
const MOST_OF_UNDICI = 0.15
const MOST_FILES = 2

const place = join(root, 'build/import-time')
mkdirSync(place, { recursive: true })
writeFileSync(join(place, 'nothing.mjs'), '')
const modules = { empty: './nothing.mjs', asyncfd: 'asyncfd', undici: 'undici' }
for (const [name, module] of Object.entries(modules)) {
  const text = `const from = process.hrtime.bigint()\nawait import('${module}')\nconsole.log(Number(process.hrtime.bigint() - from) / 1e6)\n`
  writeFileSync(join(place, `${name}.mjs`), text)
}

const rounds = Array.from({ length: ROUNDS }, () =>
  Object.fromEntries(
    Object.keys(modules).map((name) => {
      const { stdout, status, stderr } = spawnSync(process.execPath, [join(place, `${name}.mjs`)], { encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      return [name, Number(stdout)]
    }),
  ),
)
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]
/** What a module adds to the empty one. */
const added = (name) => median(rounds.map((round) => round[name])) - median(rounds.map((round) => round.empty))

/** Files that are loaded, as the import statements of a bundle tell. */
function files(file, seen = new Set()) {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^'"]*["'](\.[^'"]+)["']/gm))
    files(join(dirname(file), path), seen)
  return seen
}

const ratio = added('asyncfd') / added('undici')
const { size } = files(join(root, 'dist/index.js'))
console.log(`${added('asyncfd').toFixed(1)} ms (budget: ${BUDGET_MS} ms), ${ratio.toFixed(2)} of import 'undici', ${size} files`)
process.exit(ratio > MOST_OF_UNDICI || size > MOST_FILES ? 1 : 0)
