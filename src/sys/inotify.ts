/**
 * inotify(7): what happens to files. Linux only; elsewhere these functions throw `ERR_ASYNCFD_UNSUPPORTED`.
 *
 * @module
 */
import { endianness } from 'node:os'
import { invalidArgType, invalidArgValue } from '../errors.js'
import { native } from '../native.js'
import { byteLengthOf } from './bytes.js'
import { type FdSource, fdOf } from './fd-source.js'
import { type PathLike, pathBytes } from './path.js'
import { checkOptions, int32, integer, orThrow, supported } from './result.js'

/**
 * Something that happened.
 *
 * @example
 * const isNew = ({ mask }: sys.InotifyEvent) => (mask & sys.constants.IN_CREATE) !== 0
 * const count = sys.read(watcher, buffer)
 * if (count !== WouldBlock) console.log(sys.parseInotify(buffer.subarray(0, count)).filter(isNew))
 */
export interface InotifyEvent<Name extends string | Buffer = string> {
  /** Which watch saw it; -1 if events were lost (`IN_Q_OVERFLOW`). */
  watch: number
  /** What: `IN_CREATE`, `IN_ISDIR`, ... */
  mask: number
  /** The same for the two halves of a rename, otherwise 0. */
  cookie: number
  /** The entry in the directory that is watched; empty if it happened to what is watched itself. */
  name: Name
}

/** The fixed part of an event: watch, mask, cookie and the length of the name. */
const HEADER = 16
const LITTLE_ENDIAN = endianness() === 'LE'

/**
 * An inotify instance, by inotify_init1(2). Read it into a buffer of some KiB, which {@link parseInotify} understands.
 *
 * @returns the descriptor; close it
 * @throws `ERR_ASYNCFD_UNSUPPORTED`; {@link AsyncFdError} with EMFILE (also at the user's limit of instances)
 * @example
 * const watcher = sys.inotify()
 * sys.inotifyAddWatch(watcher, '/etc', sys.constants.IN_CLOSE_WRITE)
 */
export function inotify(): number {
  return orThrow(supported(native().sysInotify, 'inotify')(), 'inotify_init1')
}

/**
 * Watches a file or directory, by inotify_add_watch(2).
 *
 * @param mask `IN_*` from `constants`, combined with `|`
 * @returns the number of the watch, the same again if that file is watched already
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_ASYNCFD_UNSUPPORTED`; {@link AsyncFdError} with ENOENT, EACCES, ENOSPC (the
 *   user's limit of watches), EINVAL (no inotify descriptor, or an empty mask)
 * @example
 * const { IN_CREATE, IN_MOVED_TO } = sys.constants
 * const watch = sys.inotifyAddWatch(watcher, '/tmp', IN_CREATE | IN_MOVED_TO)
 */
export function inotifyAddWatch(fd: FdSource, path: PathLike, mask: number): number {
  const call = supported(native().sysInotifyAddWatch, 'inotifyAddWatch')
  const number = fdOf(fd)
  const bytes = pathBytes(path)
  return orThrow(call(number, bytes, int32('mask', mask) >>> 0), 'inotify_add_watch', number)
}

/**
 * Ends a watch, by inotify_rm_watch(2); an event `IN_IGNORED` follows.
 *
 * @throws `ERR_ASYNCFD_UNSUPPORTED`; {@link AsyncFdError} with EINVAL (no such watch), EBADF
 * @example
 * const watch = sys.inotifyAddWatch(watcher, '/tmp', sys.constants.IN_CREATE)
 * sys.inotifyRemoveWatch(watcher, watch)
 */
export function inotifyRemoveWatch(fd: FdSource, watch: number): void {
  const call = supported(native().sysInotifyRemoveWatch, 'inotifyRemoveWatch')
  const number = fdOf(fd)
  orThrow(call(number, integer('watch', watch, -0x80000000, 0x7fffffff)), 'inotify_rm_watch', number)
}

/**
 * Splits what was read from an inotify descriptor into events; see inotify(7).
 *
 * @param buffer exactly the bytes that were read: `buffer.subarray(0, count)`
 * @param options `encoding: 'buffer'` gives names as bytes, for those that are no UTF-8
 * @throws `ERR_INVALID_ARG_TYPE`; `ERR_INVALID_ARG_VALUE` if the bytes end within an event
 * @example
 * const count = sys.read(watcher, buffer)
 * if (count !== WouldBlock) for (const { name, mask } of sys.parseInotify(buffer.subarray(0, count))) console.log(name, mask)
 */
export function parseInotify(buffer: ArrayBufferView, options?: { encoding?: 'utf8' }): InotifyEvent[]
export function parseInotify(buffer: ArrayBufferView, options: { encoding: 'buffer' }): InotifyEvent<Buffer>[]
export function parseInotify(
  buffer: ArrayBufferView,
  options: { encoding?: 'utf8' | 'buffer' } = {},
): InotifyEvent<string | Buffer>[] {
  checkOptions(options)
  const { encoding = 'utf8' } = options
  if (encoding !== 'utf8' && encoding !== 'buffer') throw invalidArgType('encoding', `'utf8' or 'buffer'`, encoding)
  // Last: a getter among the options may detach it.
  const size = byteLengthOf('buffer', buffer)
  const bytes = Buffer.from(buffer.buffer as ArrayBuffer, buffer.byteOffset, size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, size)
  const events = []
  for (let at = 0; at < size; ) {
    const length = size - at < HEADER ? Infinity : view.getUint32(at + 12, LITTLE_ENDIAN)
    if (at + HEADER + length > size) throw invalidArgValue('buffer', 'must hold whole events, as they were read', buffer)
    const padded = bytes.subarray(at + HEADER, at + HEADER + length)
    const end = padded.indexOf(0)
    const name = end === -1 ? padded : padded.subarray(0, end)
    events.push({
      watch: view.getInt32(at, LITTLE_ENDIAN),
      mask: view.getUint32(at + 4, LITTLE_ENDIAN),
      cookie: view.getUint32(at + 8, LITTLE_ENDIAN),
      name: encoding === 'buffer' ? Buffer.from(name) : name.toString(),
    })
    at += HEADER + length
  }
  return events
}
