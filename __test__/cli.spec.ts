/**
 * The command `asyncfd`, as `npx asyncfd` runs it.
 *
 * Portable: bun, deno
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { reactor } from 'asyncfd'
import { runtimeCommand } from './helpers/child.js'
import test from './helpers/test.js'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'))

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function run(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(...runtimeCommand(main, ...args), { env: { ...process.env, NO_COLOR: '1', ...env } })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

test('doctor: all of it works here, and it says with what', async (t) => {
  const { code, stdout, stderr } = await run(['doctor'])
  t.is(stderr, '')
  t.regex(stdout, new RegExp(`^asyncfd ${version} on (Node|Bun|Deno) `))
  t.regex(stdout, /✓ binding .*asyncfd.*\.node\n/)
  t.regex(stdout, new RegExp(`✓ driver +${reactor.driver} driver on ${reactor.backend}`))
  t.notRegex(stdout, /✗/)
  t.regex(stdout, /\nEverything works\.\n$/)
  t.is(code, 0)
})

test('doctor --json: the same for a program', async (t) => {
  const { code, stdout } = await run(['doctor', '--json'])
  const found = JSON.parse(stdout)
  t.is(found.asyncfd, version)
  t.true(found.works)
  t.true(found.supports['pipes, FIFOs'].works)
  for (const [name, { works, text }] of Object.entries<{ works: boolean; text: string }>(found.tests))
    t.true(works, `${name}: ${text}`)
  t.is(code, 0)
})

test('doctor: what does not work is named, and the exit code says so', async (t) => {
  const { code, stdout } = await run(['doctor'], { ASYNCFD_DRIVER: 'embeded' })
  t.regex(stdout, /✗ driver .*ASYNCFD_DRIVER.*embeded/)
  t.regex(stdout, /Does NOT work: driver/)
  t.is(code, 1)
})

test('demo blocked: ours blames the silent peer alone', async (t) => {
  const { code, stdout } = await run(['demo', 'blocked'])
  t.regex(stdout, /asyncfd\/timeouts +answer read after \d+ ms +peer blamed after \d+ ms/)
  t.regex(stdout, /Only the silent peer was to blame/)
  t.is(code, 0)
})

test('help, the version, and what there is not', async (t) => {
  for (const args of [[], ['--help'], ['help']]) {
    const { code, stdout } = await run(args)
    t.is(code, 0)
    t.regex(stdout, /npx asyncfd demo/)
  }
  t.deepEqual(await run(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  for (const args of [['dcotor'], ['demo', 'x'], ['doctor', '--jsn']]) {
    const { code, stdout, stderr } = await run(args)
    t.deepEqual([code, stdout], [2, ''])
    t.regex(stderr, new RegExp(`there is no command "${args.join(' ')}"`))
  }
})
