/**
 * Names of Unix sockets.
 *
 * @module
 */
import { constants as os } from 'node:os'
import { invalidArgType, invalidArgValue, systemError } from '../errors.js'
import type { SocketAddress, UnixAddress } from '../sys/address.js'

/**
 * A path, or an abstract name with a leading `'\0'` (Linux); also as a socket gives it.
 *
 * @example
 * const where: UnixPath = path // or '\0name', a name without a file, on Linux
 * await using listener = await UnixListener.bind(where)
 */
export type UnixPath = string | Readonly<UnixAddress>

/** Bytes of `sun_path`. A path has a NUL at its end. */
const ROOM = process.platform === 'linux' ? 108 : 104
/** Of `sa_family`, before the name. */
const FAMILY = 2

export function isAbstract({ path }: UnixAddress): boolean {
  return path[0] === '\0'
}

/** Checks a name. @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ENAMETOOLONG` */
export function unixAddress(input: UnixPath, syscall: string): UnixAddress {
  const path = typeof input === 'object' && input !== null ? input.path : input
  if (typeof path !== 'string') {
    throw invalidArgType(typeof input === 'object' && input !== null ? 'path.path' : 'path', 'of type string', path)
  }
  const abstract = isAbstract({ path })
  if (path === '') throw invalidArgValue('path', 'must not be empty', path)
  if (abstract && process.platform !== 'linux') {
    throw invalidArgValue('path', 'must not begin with a NUL character: abstract names exist on Linux only', path)
  }
  if (!abstract && path.includes('\0')) throw invalidArgValue('path', 'must not contain NUL characters', path)
  const most = abstract ? ROOM : ROOM - 1
  if (Buffer.byteLength(path) > most) {
    throw systemError(os.errno.ENAMETOOLONG, syscall, undefined, `the name of a Unix socket has at most ${most} bytes`)
  }
  return { path }
}

/** A name as the kernel has it. What is no UTF-8 has replacement characters. */
export function named(address: SocketAddress): UnixAddress {
  if (address instanceof Uint8Array) return { path: Buffer.from(address.subarray(FAMILY)).toString() }
  return address as UnixAddress
}
