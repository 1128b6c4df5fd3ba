#!/usr/bin/env node
/** What people download and keep, in KiB, against a budget. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { tarballs } from './tarballs.mjs'

const BUDGET = { 'main tarball': 150, 'main unpacked': 600, binary: 1024, 'binary tarball': 512 }

const { place, main, platforms } = await tarballs()
const size = (folder) =>
  readdirSync(folder, { recursive: true })
    .map((file) => statSync(join(folder, file)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0)
const sizes = [
  ['main tarball', statSync(main).size],
  ['main unpacked', size(join(place, 'asyncfd'))],
]
for (const tarball of platforms) {
  const folder = tarball.replace(/-[\d.]+[^/]*\.tgz$/, '')
  const { main: binary } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  sizes.push(['binary', statSync(join(folder, binary)).size], ['binary tarball', statSync(tarball).size])
}
const kib = (bytes) => (bytes / 1024).toFixed(0)
console.log(sizes.map(([what, bytes]) => `${what} ${kib(bytes)} of ${BUDGET[what]} KiB`).join(', '))
process.exit(sizes.some(([what, bytes]) => bytes > BUDGET[what] * 1024) ? 1 : 0)
