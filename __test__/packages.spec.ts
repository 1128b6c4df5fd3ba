/**
 * What is published fits together: a folder below npm/ for each target, with the version of the main package and the names that its loader
 * looks for.
 *
 * Once: looks at files
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PREBUILT, VERSION } from './helpers/inside.js'
import test from './helpers/test.js'

interface Manifest {
  name: string
  version: string
  main: string
  os: string[]
  cpu: string[]
  libc?: string[]
  engines: { node: string }
  optionalDependencies?: Record<string, string>
  scripts?: Record<string, string>
  napi: { targets: string[] }
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const json = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest
const main = json('package.json')
const folders = readdirSync(join(root, 'npm')).sort()

test('every version, folder and name is what package.json makes of it', (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/packages.mjs', '--check'], { cwd: root, encoding: 'utf8' })
  t.is(stderr, '')
  t.is(status, 0)
})

test('the loader looks for the packages that there are', (t) => {
  t.deepEqual([...PREBUILT].sort(), folders)
  t.is(main.napi.targets.length, folders.length)
  t.is(VERSION, main.version)
})

test('a platform gets its binary and no other', (t) => {
  for (const folder of folders) {
    const { name, version, main: file, os, cpu, libc, engines } = json(`npm/${folder}/package.json`)
    const [system, processor, abi] = folder.split('-') as [string, string, string?]
    t.is(name, `asyncfd-${folder}`)
    t.is(file, `asyncfd.${folder}.node`)
    t.deepEqual([version, engines], [main.version, main.engines])
    t.deepEqual([os, cpu], [[system], [processor]])
    t.deepEqual(libc, system === 'linux' ? [abi === 'musl' ? 'musl' : 'glibc'] : undefined, folder)
  }
})

test('the targets of deny.toml are those of package.json', (t) => {
  const [, list] = /^targets = \[([^\]]*)\]/m.exec(readFileSync(join(root, 'deny.toml'), 'utf8'))!
  t.deepEqual([...list!.matchAll(/"(.+)"/g)].map(([, target]) => target).sort(), [...main.napi.targets].sort())
})

test('the committed package.json lists no package that is not published yet, what is packed lists all', (t) => {
  t.is(main.optionalDependencies, undefined)
  const place = mkdtempSync(join(tmpdir(), 'asyncfd-packed-'))
  t.teardown(() => rmSync(place, { recursive: true, force: true }))
  const { status, stderr } = spawnSync(process.execPath, ['scripts/pack.mjs', '--out', place], { cwd: root, encoding: 'utf8' })
  t.is(status, 0, stderr)
  const packed = JSON.parse(readFileSync(join(place, 'asyncfd/package.json'), 'utf8')) as Manifest
  t.deepEqual(packed.optionalDependencies, Object.fromEntries(folders.map((folder) => [`asyncfd-${folder}`, main.version])))
  t.is(packed.scripts, undefined)
})

test('a version that was changed in one place only is found, and written everywhere', (t) => {
  const copy = mkdtempSync(join(tmpdir(), 'asyncfd-versions-'))
  t.teardown(() => rmSync(copy, { recursive: true, force: true }))
  for (const path of [
    'npm',
    'compat',
    'scripts/packages.mjs',
    'scripts/run.mjs',
    'package-lock.json',
    'Cargo.toml',
    'Cargo.lock',
    'src/platform.ts',
  ])
    cpSync(join(root, path), join(copy, path), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  writeFileSync(join(copy, 'package.json'), JSON.stringify({ ...main, version: '7.8.9' }))
  rmSync(join(copy, 'npm/linux-x64-musl'), { recursive: true })
  mkdirSync(join(copy, 'npm/linux-s390x-gnu'))
  const packages = (...args: string[]) =>
    spawnSync(process.execPath, ['scripts/packages.mjs', ...args], { cwd: copy, encoding: 'utf8' })
  const before = packages('--check')
  t.is(before.status, 1)
  for (const path of [
    'npm/linux-x64-gnu/package.json',
    'npm/linux-x64-musl/README.md',
    'npm/linux-s390x-gnu',
    'compat/epoll/package.json',
    'Cargo.toml',
    'src/platform.ts',
  ])
    t.true(before.stderr.includes(path), path)
  t.is(packages().status, 0)
  t.is(packages('--check').stderr, '')
  t.regex(readFileSync(join(copy, 'Cargo.lock'), 'utf8'), /name = "asyncfd-node"\nversion = "7\.8\.9"/)
})
