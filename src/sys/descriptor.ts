/**
 * The life of descriptors: close, dup, pipe, O_NONBLOCK.
 *
 * @module
 */
import { invalidArgType } from '../errors.js'
import { native } from '../native.js'
import { type FdSource, fdOf } from './fd-source.js'
import { OwnedFd } from './owned-fd.js'
import { orThrow } from './result.js'

/**
 * Closes a descriptor, by close(2). The number is free afterwards even if it throws (other than EBADF). An interrupted close
 * counts as done. An {@link OwnedFd} is marked closed; of any other object only the descriptor is closed, behind its back.
 *
 * @throws EBADF if it is not open; EIO, ENOSPC, ... if data written earlier was lost
 * @example
 * sys.close(fd)
 */
export function close(fd: FdSource): void {
  if (fd instanceof OwnedFd) return fd.close()
  const number = fdOf(fd)
  orThrow(native().sysClose(number), 'close', number)
}

/**
 * A second descriptor for the same open file, close-on-exec, by `F_DUPFD_CLOEXEC`. File offset and `O_NONBLOCK` are shared with
 * the first, so they are left as they are.
 *
 * @throws EBADF, EMFILE
 * @example
 * const copy = sys.dup(process.stderr)
 * sys.close(copy)
 */
export function dup(fd: FdSource): number {
  const number = fdOf(fd)
  return orThrow(native().sysDup(number), 'dup', number)
}

/**
 * A pipe, non-blocking and close-on-exec, by pipe2(2).
 *
 * @returns the end to read and the end to write; close both
 * @throws EMFILE, ENFILE
 * @example
 * const [reader, writer] = sys.pipe()
 */
export function pipe(): [reader: number, writer: number] {
  const fds = new Int32Array(2)
  orThrow(native().sysPipe(fds), 'pipe')
  return [fds[0]!, fds[1]!]
}

/**
 * Sets or clears `O_NONBLOCK`, by fcntl(2). It belongs to the open file: every process that shares it is affected, such as the
 * shell that shares your terminal.
 *
 * @throws EBADF
 * @example
 * sys.setNonblocking(fd)
 */
export function setNonblocking(fd: FdSource, on = true): void {
  const number = fdOf(fd)
  // What is only like a boolean must not quietly make the descriptor blocking.
  if (typeof on !== 'boolean') throw invalidArgType('on', 'of type boolean', on)
  orThrow(native().sysSetNonblocking(number, on), 'fcntl', number)
}

/**
 * Whether `O_NONBLOCK` is set, by fcntl(2).
 *
 * @throws EBADF
 * @example
 * if (!sys.isNonblocking(fd)) sys.setNonblocking(fd)
 */
export function isNonblocking(fd: FdSource): boolean {
  const number = fdOf(fd)
  return orThrow(native().sysIsNonblocking(number), 'fcntl', number) === 1
}

/** What kind of file a descriptor is: a number of `src/io/kind.ts`. @throws EBADF */
export function kind(fd: number): number {
  return orThrow(native().sysKind(fd), 'fstat', fd)
}
