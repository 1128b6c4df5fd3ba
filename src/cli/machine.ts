/**
 * What this machine and this process are, as far as they say.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import { glibcVersion } from '../platform.js'

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

export function runtime(): string {
  const { bun, deno, node } = process.versions
  return bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`
}

/** The system, its kernel and its C library. */
export function platform(): string {
  const glibc = glibcVersion()
  const libc = process.platform !== 'linux' ? '' : glibc ? `, glibc ${glibc}` : ', libc unknown'
  return `${process.platform}-${process.arch}, kernel ${release()}${libc}`
}

/** Limits that waiting for many descriptors meets first. */
export function limits(): Record<string, string> {
  const files = /^Max open files +(\S+) +(\S+)/m.exec(read('/proc/self/limits') ?? '')
  const found: [name: string, value: string | null][] = [
    ['open descriptors of a process', files === null ? null : `${files[1]}, at most ${files[2]} (ulimit -n)`],
    ['descriptors in epoll, of a user', read('/proc/sys/fs/epoll/max_user_watches')],
    ['inotify watches, of a user', read('/proc/sys/fs/inotify/max_user_watches')],
    ['connections that wait to be accepted', read('/proc/sys/net/core/somaxconn')],
  ]
  return Object.fromEntries(found.flatMap(([name, value]) => (value === null ? [] : [[name, value.trim()]])))
}
