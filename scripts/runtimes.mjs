/**
 * The other runtimes we test on. They come from npm as packages that hold the binary, in a folder of their own, installed
 * when first asked for.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root, run, tail } from './run.mjs'

const home = join(root, 'scripts/runtimes')
const binary = (path) => join(home, 'node_modules', path)

/** `args` come before the script. A `portable` runtime cannot run ava. */
export const runtimes = {
  node: { bin: process.execPath, args: [], portable: false },
  node22: { bin: binary('node22/bin/node'), args: [], portable: false },
  node24: { bin: binary('node24/bin/node'), args: [], portable: false },
  node26: { bin: binary('node26/bin/node'), args: [], portable: false },
  bun: { bin: binary('@oven/bun-linux-x64/bin/bun'), args: ['--no-install'], portable: true },
  deno: {
    bin: binary('@deno/linux-x64-glibc/deno'),
    args: ['run', '-A', '--no-lock', '--cached-only', '--node-modules-dir=manual'],
    portable: true,
    env: { DENO_NO_UPDATE_CHECK: '1', DENO_NO_PROMPT: '1', DENO_DIR: join(root, 'build/.deno') },
  },
}

/** Why they cannot be had here, or null. */
export function unavailable() {
  const here = `${process.platform}-${process.arch}`
  if (here !== 'linux-x64') return `the other runtimes are installed on linux-x64 only, this is ${here}`
  if (!process.report.getReport().header.glibcVersionRuntime) return 'the other runtimes need glibc'
  return null
}

/** Installs what is missing. Resolves with null or with what went wrong. */
export const install = () => installFolder('scripts/runtimes', 'the other runtimes')

/** The packages of a folder with a lock of its own, likewise. */
export async function installFolder(folder, what) {
  const home = join(root, folder)
  const lock = join(home, 'package-lock.json')
  const installed = join(home, 'node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return null
  console.log(`# installing ${what} (${folder}) ...`)
  // The binaries are in the packages; no install script is needed.
  const result = await run(npm, ['ci', '--prefix', home, '--ignore-scripts', '--no-audit', '--no-fund'], { seconds: 600 })
  return result.code === 0 ? null : tail(result.output)
}
