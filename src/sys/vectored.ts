/**
 * Several buffers in one call.
 *
 * @module
 */
import { invalidArgType, outOfRange } from '../errors.js'
import { native } from '../native.js'
import type { WouldBlock } from '../would-block.js'
import { byteLengthOf } from './bytes.js'
import { type FdSource, fdOf } from './fd-source.js'
import { orBlocked } from './result.js'

const MAX_BUFFERS = 1024

/** Checks the buffers of one call: how many bytes they hold together. */
export function totalLength(buffers: readonly ArrayBufferView[]): number {
  if (!Array.isArray(buffers)) throw invalidArgType('buffers', 'an array of ArrayBufferViews', buffers)
  if (buffers.length > MAX_BUFFERS) throw outOfRange('buffers.length', `<= ${MAX_BUFFERS}`, buffers.length)
  let total = 0
  for (let i = 0; i < buffers.length; i++) total += byteLengthOf(`buffers[${i}]`, buffers[i]!)
  return total
}

/**
 * Reads into several buffers in order, by readv(2).
 *
 * @param buffers at most 1024
 * @returns and throws as `read`
 * @example
 * const count = sys.readv(fd, [header, body])
 */
export function readv(fd: FdSource, buffers: readonly ArrayBufferView[]): number | WouldBlock {
  const number = fdOf(fd)
  totalLength(buffers)
  return orBlocked(native().sysReadv(number, buffers), 'readv', number)
}

/**
 * Writes several buffers in order, by writev(2).
 *
 * @param buffers at most 1024
 * @returns and throws as `write`; the count may end in the middle of any buffer
 * @example
 * const count = sys.writev(fd, [header, body])
 */
export function writev(fd: FdSource, buffers: readonly ArrayBufferView[]): number | WouldBlock {
  const number = fdOf(fd)
  totalLength(buffers)
  return orBlocked(native().sysWritev(number, buffers), 'writev', number)
}
