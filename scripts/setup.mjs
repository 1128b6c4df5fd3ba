#!/usr/bin/env node
/**
 * Brings a checkout to the point where everything runs: npm packages, native binding, JavaScript, compiled tests.
 * Does what is missing or stale and nothing else, so every npm script may call it first.
 *
 *   node scripts/setup.mjs
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root, run, tail } from './run.mjs'
import { installServers } from './servers.mjs'

const at = (path) => join(root, path)
const manifest = JSON.parse(readFileSync(at('package.json'), 'utf8'))
const started = Date.now()

function fail(message) {
  console.error(`setup: ${message}`)
  process.exit(1)
}

function checkNode() {
  const wanted = /(\d+)\.(\d+)/.exec(manifest.engines.node).slice(1).map(Number)
  const have = process.versions.node.split('.').map(Number)
  if (have[0] < wanted[0] || (have[0] === wanted[0] && have[1] < wanted[1])) {
    fail(`Node ${process.versions.node} is too old: this needs Node ${manifest.engines.node}`)
  }
}

async function step(title, command, args) {
  const from = Date.now()
  process.stdout.write(`setup: ${title} ... `)
  const result = await run(command, args, { seconds: 1800 })
  if (result.code !== 0) {
    process.stdout.write('\n')
    console.error(tail(result.output, 100))
    fail(`${title} failed; to repeat it: ${[command, ...args].join(' ')}`)
  }
  process.stdout.write(`${((Date.now() - from) / 1000).toFixed(1)} s\n`)
}

/** Every file below the given paths, sorted; a path that does not exist has none. */
function files(paths, wanted = /./) {
  return paths.flatMap((path) => {
    if (!existsSync(at(path))) return []
    if (!statSync(at(path)).isDirectory()) return [path]
    const names = readdirSync(at(path)).filter((name) => name !== 'node_modules' && name !== 'target')
    return files(names.sort().map((name) => `${path}/${name}`)).filter((file) => wanted.test(file))
  })
}

/** Identifies the contents of files, so that a branch switch or a copy that only changes dates rebuilds nothing. */
function fingerprint(paths, ...more) {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch} ${JSON.stringify(more)}`)
  for (const path of paths) hash.update(`\0${path}\0`).update(readFileSync(at(path)))
  return hash.digest('hex')
}

/** Runs `build` unless the outputs exist and were made from exactly these inputs. */
async function unlessFresh(name, inputs, outputs, build) {
  const stamp = at(`build/.setup/${name}`)
  const made = () => outputs.every((output) => existsSync(at(output)))
  if (made() && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs()) return
  rmSync(stamp, { force: true })
  await build()
  if (!made()) fail(`${name}: the build ended well but did not make ${outputs.join(', ')}`)
  mkdirSync(at('build/.setup'), { recursive: true })
  writeFileSync(stamp, inputs())
}

async function packages() {
  const installed = at('node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(at('package-lock.json')).mtimeMs) return
  await step('installing npm packages', npm, ['ci', '--no-audit', '--no-fund'])
}

async function native() {
  if (process.platform === 'win32') return // there the package throws ERR_ASYNCFD_UNSUPPORTED: nothing to build
  const sources = () =>
    // index.d.ts is generated: an edit by hand makes it stale as well
    fingerprint(files(['Cargo.toml', 'Cargo.lock', 'crates', 'index.d.ts']), manifest.napi, manifest.scripts['build:native'])
  const libc = process.report?.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl'
  const abi = process.arch === 'arm' ? `${libc}eabihf` : libc
  const triple = `${process.platform}-${process.arch}${process.platform === 'linux' ? `-${abi}` : ''}`
  await unlessFresh('native', sources, [`${manifest.napi.binaryName}.${triple}.node`, 'index.d.ts'], async () => {
    const cargo = await run('cargo', ['--version'])
    if (cargo.code !== 0) {
      fail(
        'cargo was not found. The native binding is written in Rust: install Rust (any version since ' +
          `${/rust-version = "(.*)"/.exec(readFileSync(at('Cargo.toml'), 'utf8'))[1]}) and a C linker, then run this again`,
      )
    }
    await step('building the native binding (a minute or two the first time)', npm, ['run', '--silent', 'build:native'])
  })
}

async function typescript() {
  const sources = () =>
    fingerprint(
      files(['src', 'tsconfig.json', 'index.d.ts', 'package.json', 'scripts/bundle.mjs', 'node_modules/typescript/package.json']),
    )
  await unlessFresh('ts', sources, ['dist'], async () => {
    rmSync(at('dist'), { recursive: true, force: true }) // nothing of a deleted source stays behind
    await step('compiling src', npm, ['run', '--silent', 'build:ts'])
  })
}

async function tests() {
  const rooms = ['__test__', 'examples', 'bench', 'fuzz']
  const typescripts = () => files(rooms, /\.m?ts$/)
  if (typescripts().length === 0) return
  const sources = () =>
    fingerprint([...typescripts(), ...files(['src', 'tsconfig.json', 'tsconfig.test.json', 'index.d.ts', 'package.json'])])
  await unlessFresh('test', sources, ['build'], async () => {
    for (const room of rooms) rmSync(at(`build/${room}`), { recursive: true, force: true })
    await step('compiling tests, examples, benchmarks and the fuzzer', npm, ['run', '--silent', 'build:test'])
  })
}

checkNode()
await packages()
await native()
await typescript()
await tests()
if (process.env.CI) await installServers() // on a person's machine only if asked: node scripts/servers.mjs
if (Date.now() - started > 5000) console.log(`setup: ready after ${Math.round((Date.now() - started) / 1000)} s`)
