#!/usr/bin/env node
/**
 * Releases: the version and its notes are those of CHANGELOG.md.
 *
 *   npm run release -- 0.2.0                  [Unreleased] becomes 0.2.0 everywhere; commits and tags that, pushes nothing
 *   node scripts/release.mjs check v0.2.0     ends with 1 unless the checkout is that version, and the changelog has it
 *   node scripts/release.mjs notes v0.2.0     prints what the changelog says of it
 *   node scripts/release.mjs publish          publishes the tarballs of `npm run pack -- --all`
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root, run, tail } from './run.mjs'

const [command, argument = ''] = process.argv.slice(2)
const read = (path) => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json'))
const VERSION = /^\d+\.\d+\.\d+(-[\w.]+)?$/

function fail(message) {
  console.error(`release: ${message}`)
  process.exit(1)
}

async function sure(program, ...args) {
  const result = await run(program, args, { seconds: 600 })
  if (result.code !== 0) fail(`${[program, ...args].join(' ')} failed\n${tail(result.output)}`)
  return result.output
}

/** What the changelog says below the heading of a version; undefined if it has none. */
function section(name) {
  const from = read('CHANGELOG.md').split(/^## /m).slice(1)
  const found = from.find((text) => text.startsWith(`[${name}]`))
  return found?.slice(found.indexOf('\n')).trim()
}

async function prepare(version) {
  if ((await sure('git', 'status', '--porcelain')) !== '') fail('there are changes that are not committed')
  if (!section('Unreleased')) fail('CHANGELOG.md has nothing below [Unreleased]')
  if (section(version) !== undefined) fail(`CHANGELOG.md has ${version} already`)
  const today = new Date().toISOString().slice(0, 10)
  const changelog = read('CHANGELOG.md').replace('## [Unreleased]\n', `## [Unreleased]\n\n## [${version}] - ${today}\n`)
  writeFileSync(join(root, 'CHANGELOG.md'), changelog)
  writeFileSync(join(root, 'package.json'), read('package.json').replace(/("version": )".*?"/, `$1"${version}"`))
  await sure(process.execPath, 'scripts/packages.mjs')
  await sure('git', 'commit', '--all', '--message', `v${version}`)
  await sure('git', 'tag', '--annotate', `v${version}`, '--message', `v${version}`)
  console.log(`v${version} is committed and tagged; git push --follow-tags publishes it`)
}

async function check(tag) {
  if (tag !== `v${manifest.version}`) fail(`the tag ${tag} is not of the version of package.json, ${manifest.version}`)
  if (!section(manifest.version)) fail(`CHANGELOG.md says nothing of ${manifest.version}`)
  await sure(process.execPath, 'scripts/packages.mjs', '--check')
}

/** One that is there already is left alone, so that a release that broke off half-way can be run again. */
async function publish() {
  const folder = join(root, 'build/packages')
  const tarballs = (existsSync(folder) ? readdirSync(folder) : []).filter((file) => file.endsWith(`-${manifest.version}.tgz`))
  const main = `${manifest.name}-${manifest.version}.tgz`
  if (!tarballs.includes(main)) fail('there is no tarball of the main package: npm run pack -- --all')
  // The platforms first, so that whoever installs the main package finds them; then those that depend on it.
  const platforms = new Set(readdirSync(join(root, 'npm')).map((name) => `${manifest.name}-${name}-${manifest.version}.tgz`))
  const rank = (file) => (platforms.has(file) ? 0 : file === main ? 1 : 2)
  for (const tarball of tarballs.toSorted((a, b) => rank(a) - rank(b))) {
    const name = tarball.slice(0, -`-${manifest.version}.tgz`.length)
    const there = await run(npm, ['view', `${name}@${manifest.version}`, 'version'])
    if (there.code === 0 && there.output.trim() !== '') console.log(`${name} is published already`)
    else console.log(await sure(npm, 'publish', join(folder, tarball), '--provenance', '--access', 'public'))
  }
}

const versionOf = (tag) => (/^v/.test(tag) ? tag.slice(1) : tag)
if (command === 'check') await check(argument)
else if (command === 'publish') await publish()
else if (command === 'notes') console.log(section(versionOf(argument)) ?? fail(`CHANGELOG.md says nothing of ${argument}`))
else if (VERSION.test(command ?? '')) await prepare(command)
else fail('usage: npm run release -- <version>, or check, notes, publish')
