#!/usr/bin/env node
/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out, because the registry it was
 * written with does not have them: `npm ci` refuses a lock without them. To be run after `npm install <package>`, with the folder
 * if it is not the checkout: node scripts/complete-lock.mjs scripts/install
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { root } from './run.mjs'

const OS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const CPU = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']
const LIBC = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' }

const file = `${root}/${process.argv[2] ?? '.'}/package-lock.json`
const lock = JSON.parse(readFileSync(file, 'utf8'))
const added = []
for (const [path, { dev, license, optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (lock.packages[`node_modules/${name}`] || lock.packages[`${path}/node_modules/${name}`]) continue
    const words = name.split(/[-/]/)
    const [os, cpu] = [OS, CPU].map((known) => known.filter((word) => words.includes(word)))
    const libc = os.includes('linux') ? words.flatMap((word) => LIBC[word] ?? []) : []
    if (cpu.length === 0) continue // no package of a platform
    const entry = { version, cpu, dev, license, libc, optional: true, os }
    lock.packages[`node_modules/${name}`] = JSON.parse(
      JSON.stringify(entry, (_, value) => (Array.isArray(value) && value.length === 0 ? undefined : value)),
    )
    added.push(name)
  }
}
const [self, ...rest] = Object.entries(lock.packages)
lock.packages = Object.fromEntries([self, ...rest.sort(([a], [b]) => a.localeCompare(b, 'en'))])
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added.length} packages of other platforms added`)
