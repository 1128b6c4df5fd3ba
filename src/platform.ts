/**
 * Which binary this system needs: the names that napi-rs gives to platforms.
 *
 * @module
 */

import * as fs from 'node:fs'
import { machine } from 'node:os'

/** The version of this package. A binary of another one is refused. */
export const VERSION = '0.1.0'

/** What there is a package for, `asyncfd-` before it. The targets of package.json, by their other name. */
export const PREBUILT: readonly string[] = [
  'darwin-arm64',
  'darwin-x64',
  'freebsd-x64',
  'linux-arm-gnueabihf',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-x64-msvc',
]

export interface Platform {
  readonly os: string
  readonly cpu: string
  readonly libc?: 'glibc' | 'musl'
}

/**
 * The C library of this process, as the interpreter that its program names says: `/lib/ld-musl-x86_64.so.1`. A report of the process
 * would tell it too, but asks name servers about every open socket.
 */
function libc(program: string): 'glibc' | 'musl' {
  try {
    const head = Buffer.alloc(4096)
    const fd = fs.openSync(program, 'r')
    try {
      fs.readSync(fd, head)
    } finally {
      fs.closeSync(fd)
    }
    return head.includes('/ld-musl-') ? 'musl' : 'glibc'
  } catch {
    return 'glibc' // a program that cannot be read, by its permissions or Deno's
  }
}

/** This system. A CPU that does not run what is built for armv7 is told apart from those that do. */
export function platform(): Platform {
  const os = process.platform
  const cpu = process.arch === 'arm' && machine().startsWith('armv6') ? 'armv6' : process.arch
  return os === 'linux' ? { os, cpu, libc: libc(process.execPath) } : { os, cpu }
}

/** The platform as in the names of packages and binaries. */
export function platformName({ os, cpu, libc }: Platform): string {
  if (os === 'win32') return `${os}-${cpu}-msvc`
  if (libc === undefined) return `${os}-${cpu}`
  const hardFloat = cpu.startsWith('arm') && cpu !== 'arm64' ? 'eabihf' : ''
  return `${os}-${cpu}-${libc === 'musl' ? 'musl' : 'gnu'}${hardFloat}`
}

/** The version of glibc that this process runs with, where the runtime tells it. */
export function glibcVersion(): string | undefined {
  Object.assign(process.report ?? {}, { excludeNetwork: true }) // it would ask name servers
  const { header } = (process.report?.getReport() ?? {}) as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime
}
