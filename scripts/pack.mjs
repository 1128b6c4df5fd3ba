#!/usr/bin/env node
/**
 * Makes the tarballs to publish: the main package, which lists the package of every platform as an optional dependency, the stand-ins of
 * compat/, and the platforms whose binary is in the checkout's root or in their folder below npm/ (`napi artifacts` puts them there). The committed package.json lists none:
 * before a version is published `npm ci` could not find them.
 *
 *   npm run pack                         into build/packages
 *   npm run pack -- --out <folder>
 *   npm run pack -- --all                fails unless there is a binary for each platform: for a release
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { npm, root, run, tail } from './run.mjs'

const { values: flags } = parseArgs({ options: { out: { type: 'string' }, all: { type: 'boolean' } } })
const out = resolve(flags.out ?? join(root, 'build/packages'))
const json = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'))
const manifest = json('package.json')
const platforms = readdirSync(join(root, 'npm')).sort()

function fail(message) {
  console.error(`pack: ${message}`)
  process.exit(1)
}

/** A folder with what a package has, to be packed. */
function stage(name, pkg, files) {
  const place = join(out, name)
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'package.json'), `${JSON.stringify(pkg, null, 2)}\n`)
  const filter = (path) => !path.endsWith('.map') // they are for coverage
  for (const [from, to] of files) cpSync(join(root, from), join(place, to), { recursive: true, filter })
  return place
}

function main() {
  // What only a checkout can use stays there.
  const { scripts, devDependencies, napi, ...pkg } = manifest
  pkg.optionalDependencies = Object.fromEntries(platforms.map((name) => [`${manifest.name}-${name}`, manifest.version]))
  return stage(
    manifest.name,
    pkg,
    [...manifest.files, 'README.md', 'LICENSE'].filter((path) => !path.startsWith('!')).map((path) => [path, path]),
  )
}

function platform(name) {
  const pkg = json(`npm/${name}/package.json`)
  const binary = [pkg.main, `npm/${name}/${pkg.main}`].find((path) => existsSync(join(root, path)))
  if (binary === undefined) return undefined
  return stage(pkg.name, pkg, [
    [binary, pkg.main],
    [`npm/${name}/README.md`, 'README.md'],
    ['LICENSE', 'LICENSE'],
  ])
}

/** One that npm's overrides name: it depends on the main package. */
function standIn(folder) {
  const pkg = json(`compat/${folder}/package.json`)
  return stage(pkg.name, pkg, [
    ...[...pkg.files, 'README.md'].map((file) => [`compat/${folder}/${file}`, file]),
    ['LICENSE', 'LICENSE'],
  ])
}

const check = await run(process.execPath, [join(root, 'scripts/packages.mjs'), '--check'])
if (check.code !== 0) fail(tail(check.output))
const staged = new Map(platforms.map((name) => [name, platform(name)]))
const missing = platforms.filter((name) => staged.get(name) === undefined)
if (flags.all && missing.length > 0) fail(`there is no binary for ${missing.join(', ')}`)
const standIns = readdirSync(join(root, 'compat')).map(standIn)
const places = [main(), ...staged.values(), ...standIns].filter((place) => place !== undefined)
const packed = await run(npm, ['pack', '--json', '--pack-destination', out, ...places])
if (packed.code !== 0) fail(tail(packed.output))
for (const name of readdirSync(out).filter((file) => file.endsWith('.tgz'))) console.log(join(out, name))
if (missing.length > 0) console.log(`no binary here, so no package: ${missing.join(', ')}`)
