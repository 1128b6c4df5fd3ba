/**
 * The packages that benchmarks compare with. They live in bench/peers, are installed when first asked for, and are no
 * dependencies of ours.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const home = fileURLToPath(new URL('../../../bench/peers', import.meta.url))

function npm(...args: string[]): string | null {
  const { status, stdout, stderr, error } = spawnSync('npm', [...args, '--no-audit', '--no-fund'], {
    cwd: home,
    encoding: 'utf8',
  })
  return status === 0
    ? null
    : `npm ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`.trim().split('\n').slice(-5).join(' | ')}`
}

/**
 * Installs and builds what is missing.
 *
 * @returns null, or why the peer cannot be had here
 */
export function install(name: string): string | null {
  const lock = `${home}/package-lock.json`
  const installed = `${home}/node_modules/.package-lock.json`
  const built = `${home}/node_modules/${name}/build/Release`
  const current = existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs
  if (!current || !existsSync(built)) {
    process.stderr.write(`bench: installing and building ${name} (bench/peers) ...\n`)
    // In two steps: that package.json approves of the one install script is known to new versions of npm only.
    const failed = npm('ci', '--ignore-scripts') ?? npm('rebuild', name)
    if (failed !== null) return failed
    if (!existsSync(built)) return `npm rebuild ${name} built nothing`
  }
  const { status, stderr } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(`${home}/node_modules/${name}`)})`], {
    encoding: 'utf8',
  })
  return status === 0
    ? null
    : `it does not load: ${
        stderr
          .trim()
          .split('\n')
          .find((line) => line.includes('Error')) ?? status
      }`
}

const built = new Map<string, string>()

/** Builds the peer that is written in Rust, if need be. Gives its path, or throws with why it cannot be had. */
export function rustBinary(name: string): string {
  const known = built.get(name)
  if (known !== undefined) return known
  const target = fileURLToPath(new URL('../../../target/peers', import.meta.url))
  const manifest = `${home}/${name}/Cargo.toml`
  const command = ['build', '--quiet', '--release', '--manifest-path', manifest, '--target-dir', target]
  const { status, stderr, error } = spawnSync('cargo', command, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`cargo build ${name}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`)
  const path = `${target}/release/asyncfd-bench-${name}`
  built.set(name, path)
  return path
}

/** Builds such a peer, and runs it. Gives what it prints. */
export function runRust(name: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(rustBinary(name), args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (status !== 0) throw new Error(`${name}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`)
  return stdout
}
