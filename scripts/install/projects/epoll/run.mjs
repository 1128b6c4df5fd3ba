/**
 * The `epoll` package's own tests, as its tarball has them, on the Epoll that the override put in its place. Those below test/coin-acceptor
 * need GPIO 21 of a Raspberry Pi; test/stress runs for days, so the first of its instances have to do.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Epoll } from 'asyncfd/compat'

const here = fileURLToPath(new URL('.', import.meta.url))
assert.equal(createRequire(import.meta.url)('epoll').Epoll, Epoll, 'the override is in place')

// The tests ask for '../epoll' and '../'.
const folder = mkdtempSync(join(here, 'run-'))
writeFileSync(join(folder, 'package.json'), '{ "main": "epoll.js" }')
writeFileSync(join(folder, 'epoll.js'), "module.exports = require('epoll')\n")
cpSync(join(here, 'node_modules/epoll-original/test'), join(folder, 'test'), { recursive: true })

/** Runs a test as the package's script does; `fed` ones read a line from a pipe. `enough` ends one that would go on. */
function run(name, fed, enough = Number.POSITIVE_INFINITY) {
  const child = spawn(process.execPath, [`${name}.js`], { cwd: join(folder, 'test'), stdio: 'pipe' })
  let said = ''
  let ended = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text
      if (said.split('\n').length <= enough || ended) return
      ended = true
      child.kill()
    })
  }
  child.stdin.on('error', () => {})
  if (fed) child.stdin.end('\n')
  const watchdog = setTimeout(() => child.kill('SIGKILL'), 60_000)
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(watchdog)
      child.stdin.destroy()
      resolve({ code: ended ? 0 : code, signal: ended ? null : signal, said })
    })
  })
}

try {
  const script = readFileSync(join(folder, 'test/run-tests'), 'utf8')
  const tests = [...script.matchAll(/^(echo \| )?node (\S+)$/gm)].map(([, fed, name]) => ({ name, fed: fed !== undefined }))
  const files = readdirSync(join(folder, 'test')).filter((file) => file.endsWith('.js') && file !== 'util.js')
  assert.deepEqual(tests.map(({ name }) => `${name}.js`).sort(), files.sort(), 'the script runs all that there is')
  for (const { name, fed } of tests) {
    const { code, signal, said } = await run(name, fed)
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `${name}: ${said}`)
    // They tell what is wrong in words and end with 0.
    assert.doesNotMatch(said, /Error|Warning/, name)
    console.log(`${name}: passed${said.trim() === '' ? '' : ` (${said.trim()})`}`)
  }
  const { code, said } = await run('stress/brute-force-leak-check', true, 2)
  assert.equal(code, 0, said)
  assert.match(said, /^200000 instances created and events detected/m)
  console.log('stress/brute-force-leak-check: passed its first 200,000')
} finally {
  rmSync(folder, { recursive: true })
}
