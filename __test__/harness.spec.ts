/**
 * The harness that stands in for ava where ava does not run: a test that fails there must be seen to fail.
 *
 * Portable: bun, deno
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { runtimeCommand } from './helpers/child.js'
import test from './helpers/test.js'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

function runFixture(): Promise<{ code: number | null; lines: string[] }> {
  const [command, args] = runtimeCommand(path('../../scripts/portable-child.mjs'), path('./fixtures/harness.js'))
  return new Promise((resolve) => {
    const child = execFile(command, args, (_, stdout) => resolve({ code: child.exitCode, lines: stdout.split('\n') }))
  })
}

test('the portable harness passes what should pass and fails what should fail', async (t) => {
  const { code, lines } = await runFixture()
  const titles = lines.filter((line) => /^(not )?ok - /.test(line))
  const wrong = titles.filter((line) => !/^(ok - (passes|skipped)|not ok - (fails|no unhandled rejection))/.test(line))
  t.deepEqual(wrong, [])
  t.is(code, 1)
  t.deepEqual(lines.slice(-4, -1), ['# pass 5', '# fail 10', '# skip 1'])
  t.true(lines.includes('# order serial inner outer'))
})
