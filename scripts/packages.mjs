#!/usr/bin/env node
/**
 * Keeps npm/ in step with package.json: one folder for each of `napi.targets`, made by the napi-rs CLI, and the version in every
 * other file that has it.
 *
 *   npm run packages               writes what differs: after a change of the version or of the targets
 *   npm run packages -- --check    says what differs and ends with 1
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { root, run, tail } from './run.mjs'

const { values: flags } = parseArgs({ options: { check: { type: 'boolean' } } })
const read = (path) => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json'))

const SYSTEMS = { darwin: 'macOS', freebsd: 'FreeBSD', linux: 'Linux', win32: 'Windows' }

function readme(name, { os: [os], cpu: [cpu], libc }) {
  const system = `${SYSTEMS[os]} ${cpu}${libc ? ` (${libc[0]})` : ''}`
  return {
    description: `The binary of ${manifest.name} for ${system}.`,
    text: `# ${name}

The binary of [${manifest.name}](${manifest.homepage}) for ${system}: an optional dependency, which npm installs where it fits. Depend on
\`${manifest.name}\`, not on this.

One binary for every Node since ${manifest.engines.node.replace('>=', '')}, and for Bun and Deno: it uses Node-API 8.
`,
  }
}

/** What npm/ has to be, by path. */
async function folders() {
  const place = mkdtempSync(join(tmpdir(), 'asyncfd-packages-'))
  try {
    cpSync(join(root, 'package.json'), join(place, 'package.json'))
    const cli = join(root, 'node_modules/@napi-rs/cli/dist/cli.js')
    const made = await run(process.execPath, [cli, 'create-npm-dirs', '--cwd', place])
    if (made.code !== 0) throw new Error(`napi create-npm-dirs failed\n${tail(made.output)}`)
    const files = {}
    for (const folder of readdirSync(join(place, 'npm')).sort()) {
      const { keywords, ...generated } = JSON.parse(readFileSync(join(place, 'npm', folder, 'package.json'), 'utf8'))
      if (folder.endsWith('-gnueabihf')) generated.libc = ['glibc'] // which the CLI says of its other names only
      const { description, text } = readme(generated.name, generated)
      // Yarn's Plug'n'Play keeps packages in archives, of which nothing can be loaded.
      const wanted = { ...generated, description, preferUnplugged: true }
      files[`npm/${folder}/package.json`] = `${JSON.stringify(wanted, null, 2)}\n`
      files[`npm/${folder}/README.md`] = text
    }
    return files
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** Files that have the version, with it. */
function versions() {
  const { version } = manifest
  const lock = JSON.parse(read('package-lock.json'))
  lock.version = lock.packages[''].version = version
  const crates = read('Cargo.lock').replace(/(name = "asyncfd-(?:core|node)"\nversion = )".*"/g, `$1"${version}"`)
  const standIns = readdirSync(join(root, 'compat')).map((folder) => {
    const path = `compat/${folder}/package.json`
    const pinned = read(path).replace(/("version": )".*"/, `$1"${version}"`)
    return [path, pinned.replace(/("asyncfd": )".*"/, `$1"^${version}"`)]
  })
  return {
    ...Object.fromEntries(standIns),
    'package-lock.json': `${JSON.stringify(lock, null, 2)}\n`,
    'Cargo.toml': read('Cargo.toml').replace(/(\[workspace\.package\]\nversion = )".*"/, `$1"${version}"`),
    'Cargo.lock': crates,
    'src/platform.ts': read('src/platform.ts').replace(/(VERSION = )'.*'/, `$1'${version}'`),
  }
}

const wanted = { ...(await folders()), ...versions() }
const differ = Object.keys(wanted).filter((path) => !existsSync(join(root, path)) || read(path) !== wanted[path])
const stale = readdirSync(join(root, 'npm')).filter((folder) => !(`npm/${folder}/package.json` in wanted))
if (flags.check) {
  const lines = [...differ, ...stale.map((folder) => `npm/${folder}: no target of package.json`)]
  if (lines.length > 0) console.error(`out of step with package.json; npm run packages writes them:\n${lines.join('\n')}`)
  process.exit(lines.length > 0 ? 1 : 0)
}
for (const folder of stale) rmSync(join(root, 'npm', folder), { recursive: true })
for (const path of differ) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), wanted[path])
}
console.log(differ.concat(stale).join('\n') || 'in step')
