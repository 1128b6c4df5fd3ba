#!/usr/bin/env node
/**
 * Runs specs with the portable harness, each in its own process, three at a time, and writes TAP. The last line is
 * machine-readable: `# {"runtime":"bun","passed":12,"failed":0,"skipped":1}`.
 *
 *   node scripts/run-portable.mjs bun build/__test__/async-fd.spec.js ...
 *   node scripts/run-portable.mjs node ...       checks the harness itself
 */
import { statSync } from 'node:fs'
import { relative } from 'node:path'
import { ending, root, run, tail } from './run.mjs'
import { runtimes } from './runtimes.mjs'
import { tapReader } from './tap.mjs'

const FILE_SECONDS = 180
/** Most of a spec's time is spent waiting. */
const AT_ONCE = 3
const [name, ...files] = process.argv.slice(2)
const runtime = runtimes[name]
if (!runtime || files.length === 0) {
  console.error(`usage: node scripts/run-portable.mjs ${Object.keys(runtimes).join('|')} build/__test__/x.spec.js ...`)
  process.exit(2)
}
const total = { runtime: name, passed: 0, failed: 0, skipped: 0 }

async function one(file) {
  const spec = relative(`${root}/build/__test__`, file).replace(/\.spec\.js$/, '')
  const lines = []
  const tap = tapReader()
  const result = await run(runtime.bin, [...runtime.args, `${root}/scripts/portable-child.mjs`, file], {
    env: { ...runtime.env, NO_COLOR: '1', ASYNCFD_TEST_HARNESS: 'portable' },
    seconds: FILE_SECONDS,
    onLine(line) {
      tap.line(line)
      if (/^(TAP version|# (pass|fail|skip) )/.test(line)) return
      lines.push(line.replace(/^((?:not )?ok) - /, `$1 - ${spec} › `))
    },
  })
  if (!tap.complete || (result.code !== 0 && tap.failed === 0)) {
    tap.failed++
    lines.push(`not ok - ${spec} › the spec runs to its end`, '  ---')
    lines.push(
      `    ${ending(result, FILE_SECONDS)}`,
      ...tail(result.output)
        .split('\n')
        .map((line) => `    ${line}`),
      '  ...',
    )
  }
  for (const key of ['passed', 'failed', 'skipped']) total[key] += tap[key]
  console.log(lines.join('\n'))
}

console.log('TAP version 13')
// Those that say more take longer, and a long one begun last would be waited for.
const queue = files.toSorted((one, other) => statSync(other).size - statSync(one).size)
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (queue.length > 0) await one(queue.shift())
  }),
)
console.log(`# pass ${total.passed}\n# fail ${total.failed}\n# skip ${total.skipped}`)
console.log(`# ${JSON.stringify(total)}`)
process.exit(total.failed > 0 ? 1 : 0)
