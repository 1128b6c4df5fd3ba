/**
 * The fuzzer on a binding built with AddressSanitizer, by Rust's nightly toolchain. Its run-time library is gcc's, loaded
 * before Node, so that it also watches over Node's memory: what read(2) and its like write is checked against that.
 *
 *   npm run fuzz:asan -- --calls 200000
 *   npm run fuzz:asan -- --planted        plants a bug first: succeeds if it is found
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const TRIPLE = 'x86_64-unknown-linux-gnu'

const given = process.argv.slice(2)
const planted = given.includes('--planted')
// A directory of its own: cargo takes the copy of a workspace for the same, and would not build what differs.
const target = join(root, planted ? 'target/asan-planted' : 'target/asan')
const args = given.filter((argument) => argument !== '--planted')

/** The check that a part lies inside its view, and what it is in the copy that gets the bug: one byte too generous. */
const CHECK = 'if end > self.len ||'
const BUG = 'if end > self.len + 1 ||'

function runtime(): string {
  const path = execFileSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
  if (!existsSync(path)) throw new Error('gcc has no libasan.so: install it (Debian: libasan8 and gcc)')
  return path
}

/** A copy of the crates in which the bug is planted: the product itself knows nothing of it. */
function plant(): string {
  const folder = join(root, 'target/planted')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const name of ['Cargo.toml', 'Cargo.lock', 'crates']) cpSync(join(root, name), join(folder, name), { recursive: true })
  const file = join(folder, 'crates/node/src/raw.rs')
  const source = readFileSync(file, 'utf8')
  if (source.split(CHECK).length !== 2) throw new Error(`the check to be spoilt is not once in ${file}: ${CHECK}`)
  writeFileSync(file, source.replace(CHECK, BUG))
  return folder
}

function build(folder: string): string {
  const cargo = ['+nightly', 'build', '-p', 'asyncfd-node', '--profile', 'checked', '--target', TRIPLE, '--target-dir', target]
  const flags = '-Zsanitizer=address --cfg rustix_use_libc'
  const { status } = spawnSync('cargo', cargo, { cwd: folder, stdio: 'inherit', env: { ...process.env, RUSTFLAGS: flags } })
  if (status !== 0) throw new Error('the build with AddressSanitizer failed; it needs: rustup toolchain install nightly')
  const binding = join(target, 'asyncfd.node')
  copyFileSync(join(target, TRIPLE, 'checked/libasyncfd_node.so'), binding)
  return binding
}

const binding = build(planted ? plant() : root)
const main = fileURLToPath(new URL('./main.js', import.meta.url))
const run = spawnSync(process.execPath, [main, '--binding', binding, '--preload', runtime(), ...args], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', planted ? 'pipe' : 'inherit', 'inherit'],
  maxBuffer: 64 * 1024 * 1024,
})
if (!planted) process.exit(run.status ?? 1)

const report = /ERROR: AddressSanitizer: (\S+)[^\n]*\n(?:[^\n]*\n){0,8}/.exec(run.stdout)
const call = /seed (\d+)/.exec(run.stdout)?.[1]
if (report === null) {
  console.log(run.stdout)
  console.error('The planted bug was NOT found.')
  process.exit(1)
}
console.log(`${report[0]}\nThe planted bug was found, by seed ${call}: ${report[1]}.`)
