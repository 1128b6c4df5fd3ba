import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import * as sys from 'asyncfd/sys'

interface Teardown {
  teardown(fn: () => void): void
}

/** A number that is never open. (One that was just closed may be another thread's by now: specs share the process.) */
export const NOT_OPEN = 2 ** 31 - 1

const open = new Set<number>()

/** Closes descriptors when the test ends, unless the test closed them with {@link close}. */
export function closing<F extends number[]>(t: Teardown, ...fds: F): F {
  for (const fd of fds) open.add(fd)
  t.teardown(() => {
    for (const fd of fds) if (open.has(fd)) close(fd)
  })
  return fds
}

/** Closes a descriptor that {@link closing} has. */
export function close(fd: number): void {
  open.delete(fd)
  sys.close(fd)
}

/** What a descriptor refers to, such as `pipe:[12345]`. */
export function fileOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`)
}

/** How many descriptors of this process refer to the same file. */
export function descriptorsOf(file: string): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return fileOf(Number(fd))
    } catch {
      return undefined // another thread closed it
    }
  })
  return links.filter((link) => link === file).length
}

/** The flags of an open descriptor as /proc has them, which say close-on-exec too. */
export function flagsOf(fd: number): { cloexec: boolean; nonblocking: boolean } {
  const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8)
  return { cloexec: (flags & 0o2000000) !== 0, nonblocking: (flags & sys.constants.O_NONBLOCK) !== 0 }
}

export const READY = { cloexec: true, nonblocking: true }

/** A connected pair of stream sockets. */
export function streams(t: Teardown): [number, number] {
  return closing(t, ...sys.socketpair(sys.constants.AF_UNIX, sys.constants.SOCK_STREAM))
}
