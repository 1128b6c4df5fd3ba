/**
 * Files by name.
 *
 * @module
 */
import { native } from '../native.js'
import { type PathLike, pathBytes } from './path.js'
import { int32, integer, orThrow } from './result.js'

/**
 * Opens a file, by open(2), with `O_CLOEXEC`, `O_NONBLOCK` and `O_NOCTTY` added.
 *
 * @param flags `O_RDONLY` (the default), `O_RDWR`, `O_CREAT`, ... from `constants` or `fs.constants`, combined with `|`
 * @param mode permissions of a file that is created, before the umask
 * @returns the descriptor; close it
 * @throws open(2)'s errors; ENXIO if a FIFO is opened for writing and nobody reads it
 * @example
 * const reader = sys.open(fifo, sys.constants.O_RDONLY) // does not wait for a writer
 */
export function open(path: PathLike, flags = 0, mode = 0o666): number {
  const bytes = pathBytes(path)
  const bits = int32('flags', flags)
  return orThrow(native().sysOpen(bytes, bits, integer('mode', mode, 0, 0o7777)), 'open')
}

/**
 * Makes a FIFO, by mkfifo(3).
 *
 * @param mode its permissions, before the umask
 * @throws EEXIST, ENOENT, EACCES, ...
 * @example
 * sys.mkfifo(path, 0o600)
 */
export function mkfifo(path: PathLike, mode = 0o666): void {
  orThrow(native().sysMkfifo(pathBytes(path), integer('mode', mode, 0, 0o7777)), 'mkfifo')
}
