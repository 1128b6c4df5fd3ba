/** What a native binary says of itself, by readelf. */
import { statSync } from 'node:fs'
import { need } from './step.mjs'

/** Libraries that every glibc has. */
const GLIBC_LIBRARIES = /^(?:lib(?:c|m|dl|rt|pthread)\.so\.\d+|ld-linux[\w-]*\.so\.\d+)$/

export const compareVersions = (a, b) => a.localeCompare(b, 'en', { numeric: true })

/** Machine, size, needed libraries, exported names and the highest version of glibc that a symbol asks for. */
export async function inspect(file) {
  const { output } = await need(null, 'readelf', ['-W', '-h', '-S', '-d', '-V', '--dyn-syms', file], { env: { LC_ALL: 'C' } })
  const all = (pattern) => [...output.matchAll(pattern)].map((match) => match[1])
  return {
    machine: all(/^ +Machine: +(.+)$/gm)[0],
    bytes: statSync(file).size,
    stripped: !/ \.symtab /.test(output),
    foreign: all(/\(NEEDED\).*\[(.+)\]/g).filter((name) => !GLIBC_LIBRARIES.test(name)),
    exported: all(/ (?:GLOBAL|WEAK) +DEFAULT +\d+ (\S+)$/gm),
    glibc: all(/Name: GLIBC_([\d.]+)/g)
      .sort(compareVersions)
      .at(-1),
  }
}
