/**
 * Runs one compiled spec with the portable harness and writes TAP. Works on Node, Bun and Deno; started by
 * run-portable.mjs:
 *
 *   <runtime> scripts/portable-child.mjs build/__test__/x.spec.js
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'

process.env.ASYNCFD_TEST_HARNESS = 'portable'
const { runAll } = await import('../build/__test__/helpers/portable.js')

const counts = { passed: 0, failed: 0, skipped: 0 }
const running = new Set()
const say = (text) => process.stdout.write(`${text}\n`)
const indent = (text) => text.replace(/^/gm, '    ')
const details = (error) =>
  error instanceof Error ? (inspect(error, { depth: 4 }) ?? String(error)) : `thrown: ${inspect(error)}`

function report({ title, state, error, logs = [] }) {
  running.delete(title)
  counts[state]++
  say(`${state === 'failed' ? 'not ok' : 'ok'} - ${title.replaceAll('#', '')}${state === 'skipped' ? ' # SKIP' : ''}`)
  for (const line of logs) say(`#   ${line.replaceAll('\n', '\n#   ')}`)
  if (state === 'failed') say(`  ---\n${indent(details(error))}\n  ...`)
}

const stray = (kind) => (error) => {
  const during = running.size > 0 ? `, while running: ${[...running].join('; ')}` : ''
  report({ title: `${kind}${during}`, state: 'failed', error })
}
process.on('uncaughtException', stray('no uncaught exception'))
process.on('unhandledRejection', stray('no unhandled rejection'))

say('TAP version 13')
await import(pathToFileURL(resolve(process.argv[2])).href)
await runAll(report, (title) => running.add(title))

// ava ends a file that leaves something behind with an error, and so do we.
setTimeout(() => {
  report({
    title: 'the process ends by itself',
    state: 'failed',
    error: new Error('something still keeps it alive 10 s after the last test'),
  })
  finish()
}, 10_000).unref()
let finished = false
function finish() {
  if (finished) return
  finished = true
  say(`# pass ${counts.passed}\n# fail ${counts.failed}\n# skip ${counts.skipped}`)
  process.exit(counts.failed > 0 ? 1 : 0)
}
process.on('beforeExit', finish)
