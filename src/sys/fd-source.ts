/**
 * What counts as a descriptor.
 *
 * @module
 */
import { invalidArgType, invalidState, outOfRange } from '../errors.js'

/**
 * A descriptor, or anything that has one: a `FileHandle`, a tty stream, a `dgram` handle, an `OwnedFd`, an `AsyncFd`.
 *
 * @example
 * const numberOf = (source: FdSource) => (typeof source === 'number' ? source : source.fd)
 * console.log(numberOf(process.stdin), numberOf(0))
 */
export type FdSource = number | { readonly fd: number }

/**
 * The number of a descriptor.
 *
 * @throws `ERR_INVALID_ARG_TYPE` if it is none, `ERR_OUT_OF_RANGE` if it is negative or above 2^31 - 1,
 *   `ERR_INVALID_STATE` if the object it belongs to is closed (its `fd` is -1)
 */
export function fdOf(source: FdSource): number {
  const fd = typeof source === 'number' ? source : source?.fd
  if (typeof fd === 'number' && (fd | 0) === fd && fd >= 0) return fd
  throw notAnFd(source, fd)
}

function notAnFd(source: unknown, fd: unknown): Error {
  const name = source === fd ? 'fd' : 'fd.fd'
  if (typeof fd !== 'number')
    return invalidArgType('fd', 'a descriptor number or an object with one in its "fd" property', source)
  if (source !== fd && fd === -1) return invalidState(`The "fd" argument is closed: its "fd" property is -1`)
  if (!Number.isInteger(fd)) return invalidArgType(name, 'an integer', fd)
  return outOfRange(name, '>= 0 and <= 2147483647', fd)
}
