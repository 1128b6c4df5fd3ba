/** The packages to publish. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, run, tail } from '../run.mjs'

/** Packs into a folder that ends with the process: `main` is the tarball of `asyncfd`, `platforms` those with a binary. */
export async function tarballs() {
  const place = mkdtempSync(join(tmpdir(), 'asyncfd-tarballs-'))
  process.on('exit', () => rmSync(place, { recursive: true, force: true }))
  const packed = await run(process.execPath, [join(root, 'scripts/pack.mjs'), '--out', place])
  if (packed.code !== 0) throw new Error(tail(packed.output))
  const files = readdirSync(place).filter((name) => name.endsWith('.tgz'))
  const main = files.find((name) => /^asyncfd-\d/.test(name))
  const platforms = readdirSync(join(root, 'npm')).map((name) => `asyncfd-${name}-`)
  return {
    place,
    main: join(place, main),
    platforms: files.filter((name) => platforms.some((start) => name.startsWith(start))).map((name) => join(place, name)),
  }
}
