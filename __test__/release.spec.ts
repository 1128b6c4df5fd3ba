/**
 * `npm run release` and what the workflow of a release calls: on a copy of the files that they read.
 *
 * Once: runs scripts
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from './helpers/test.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Ended {
  code: number
  stdout: string
  stderr: string
}

function run(cwd: string, program: string, ...args: string[]): Promise<Ended> {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }
  for (const who of ['AUTHOR', 'COMMITTER']) Object.assign(env, { [`GIT_${who}_NAME`]: 'a', [`GIT_${who}_EMAIL`]: 'a@example' })
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

/** A checkout with a changelog of its own. */
async function checkout(t: ExecutionContext<unknown>, changelog: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-release-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const files = [
    'package.json',
    'package-lock.json',
    'Cargo.toml',
    'Cargo.lock',
    'npm',
    'compat',
    'scripts/release.mjs',
    'scripts/packages.mjs',
    'scripts/run.mjs',
  ]
  for (const file of [...files, 'src/platform.ts']) cpSync(join(root, file), join(folder, file), { recursive: true })
  writeFileSync(join(folder, 'CHANGELOG.md'), changelog)
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const args of [
    ['init', '--quiet'],
    ['add', '.'],
    ['commit', '--quiet', '--message', 'all'],
  ]) {
    t.is((await run(folder, 'git', ...args)).code, 0)
  }
  return folder
}

const release = (folder: string, ...args: string[]) => run(folder, process.execPath, 'scripts/release.mjs', ...args)
const CHANGELOG = '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Something new.\n\n## [0.0.9] - 2026-01-01\n\n- Old.\n'

test('a release: the version everywhere, the notes under it, a commit and a tag', async (t) => {
  const folder = await checkout(t, CHANGELOG)
  const { code, stderr } = await release(folder, '7.8.9')
  t.is(code, 0, stderr)
  const read = (file: string) => readFileSync(join(folder, file), 'utf8')
  t.is(JSON.parse(read('package.json')).version, '7.8.9')
  t.is(JSON.parse(read('npm/linux-x64-gnu/package.json')).version, '7.8.9')
  t.regex(read('Cargo.toml'), /^version = "7\.8\.9"$/m)
  t.regex(read('CHANGELOG.md'), /## \[Unreleased\]\n\n## \[7\.8\.9\] - \d{4}-\d\d-\d\d\n\n### Added/)
  t.is((await run(folder, 'git', 'describe')).stdout, 'v7.8.9\n')
  t.is((await run(folder, 'git', 'status', '--porcelain')).stdout, '')
  t.is((await release(folder, 'check', 'v7.8.9')).code, 0)
  t.is((await release(folder, 'notes', 'v7.8.9')).stdout, '### Added\n\n- Something new.\n')
})

test('no release of what is not ready', async (t) => {
  const folder = await checkout(t, CHANGELOG.replace('### Added\n\n- Something new.\n\n', ''))
  const refused = async (text: RegExp, ...args: string[]) => {
    const { code, stderr } = await release(folder, ...args)
    t.is(code, 1)
    t.regex(stderr, text)
  }
  await refused(/nothing below \[Unreleased\]/, '1.0.0')
  await refused(/is not of the version/, 'check', 'v9.9.9')
  await refused(/says nothing of/, 'check', `v${JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version}`)
  await refused(/says nothing of v9\.9\.9/, 'notes', 'v9.9.9')
  await refused(/no tarball of the main package/, 'publish')
  await refused(/usage/, 'next')
  await refused(/usage/)
  writeFileSync(join(folder, 'more'), '')
  await refused(/not committed/, '1.0.0')
})
