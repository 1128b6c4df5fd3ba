/**
 * A folder with what of Debian sid a cross build needs: rustc, its standard library for each processor, qemu-user, and the libraries and
 * a Node to run on it. The machine's apt fetches the packages with folders of its own; nothing is installed, so no root is needed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { need } from './step.mjs'

const INSTALL = ['rustc', 'qemu-user', 'nodejs:armhf', 'libstdc++6:arm64', 'libatomic1:arm64', 'libatomic1:armhf']
/** These depend on libraries of the other processor that only a compiler running there would need. */
const FETCH = ['libstd-rust-dev:arm64', 'libstd-rust-dev:armhf']
/** Told to apt as installed: rustc wants them for linking, which zig does here. */
const NOT_NEEDED = ['gcc', 'binutils', 'libc6-dev']
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** The mirror that this machine's apt uses. */
function mirror() {
  if (process.env.ASYNCFD_CROSS_MIRROR) return process.env.ASYNCFD_CROSS_MIRROR
  const parts = '/etc/apt/sources.list.d'
  const files = ['/etc/apt/sources.list', ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [])]
  for (const file of files.filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))) {
    const found = /^(?:URIs:|deb\b).*?\s(\S+:\S*\/debian(?:\.list)?\/?)(?=\s|$)/m.exec(readFileSync(file, 'utf8'))
    if (found) return found[1]
  }
  throw new Error('no Debian mirror among the apt sources of this machine; name one in ASYNCFD_CROSS_MIRROR')
}

function configure(home) {
  for (const name of ['lists/partial', 'archives/partial']) mkdirSync(join(home, name), { recursive: true })
  const installed = NOT_NEEDED.map(
    (name) =>
      `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: foreign\nVersion: 999\nProvides: libc-dev\n`,
  )
  writeFileSync(join(home, 'status'), installed.join('\n'))
  const signed = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : ''
  writeFileSync(join(home, 'sources.list'), `deb ${signed}${mirror()} sid main\n`)
  const settings = {
    'Dir::State': home,
    'Dir::State::Lists': join(home, 'lists'),
    'Dir::State::status': join(home, 'status'),
    'Dir::Cache': home,
    'Dir::Cache::Archives': join(home, 'archives'),
    'Dir::Etc::SourceList': join(home, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'APT::Architecture': 'amd64',
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root', // the folder may be closed to others
    'Acquire::Check-Valid-Until': 'false', // a mirror may be a copy of a past day
    'Acquire::Languages': 'none',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`)
  const conf = join(home, 'apt.conf')
  writeFileSync(conf, `${lines.join('\n')}\nAPT::Architectures { "amd64"; "arm64"; "armhf"; };\n`)
  return conf
}

/** Makes the folder unless it is there; resolves with its path. */
export async function debian(work) {
  const root = join(work, 'debian')
  const mark = join(root, '.complete')
  const wanted = JSON.stringify([INSTALL, FETCH])
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return root
  rmSync(root, { recursive: true, force: true })
  const home = join(work, 'apt')
  const env = { APT_CONFIG: configure(home), LC_ALL: 'C' }
  const archives = join(home, 'archives')
  await need('apt: the list of packages', 'apt-get', ['update'], { env })
  await need(`apt: ${INSTALL.join(' ')} and what they need`, 'apt-get', ['install', '-y', '--download-only', ...INSTALL], { env })
  await need(`apt: ${FETCH.join(' ')}`, 'apt-get', ['download', ...FETCH], { env, cwd: archives })
  mkdirSync(join(root, 'usr'), { recursive: true })
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${name}`, join(root, name))
  for (const name of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
    await need(null, 'dpkg-deb', ['--extract', join(archives, name), root])
  }
  rmSync(home, { recursive: true })
  writeFileSync(mark, wanted)
  return root
}

/** A command that runs Debian's rustc with Debian's libraries. */
export function rustc(root, path) {
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu')
  const loader = join(libraries, 'ld-linux-x86-64.so.2')
  return script(path, `exec "${loader}" --library-path "${libraries}" "${join(root, 'usr/bin/rustc')}" "$@"`)
}

/** A shell script. */
export function script(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return path
}
