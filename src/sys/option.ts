/**
 * Socket options.
 *
 * @module
 */
import { invalidArgType } from '../errors.js'
import { native } from '../native.js'
import { byteLengthOf } from './bytes.js'
import { type FdSource, fdOf } from './fd-source.js'
import { int32, integer, orThrow } from './result.js'

/**
 * Asks a socket option, by getsockopt(2).
 *
 * @param level `SOL_SOCKET`, `IPPROTO_TCP`, ...
 * @param name `SO_ERROR`, `TCP_NODELAY`, ...
 * @returns the integer
 * @throws ENOPROTOOPT, ENOTSOCK, EBADF
 * @example
 * const errno = sys.getSocketOption(socket, sys.constants.SOL_SOCKET, sys.constants.SO_ERROR)
 */
export function getSocketOption(fd: FdSource, level: number, name: number): number
/**
 * Asks a socket option that is no integer.
 *
 * @param length the most bytes that the value may have
 * @returns the bytes of the value
 * @throws ENOPROTOOPT, ENOTSOCK, EBADF
 * @example
 * const { SOL_SOCKET, SO_LINGER } = sys.constants
 * const linger = sys.getSocketOption(socket, SOL_SOCKET, SO_LINGER, 8)
 */
export function getSocketOption(fd: FdSource, level: number, name: number, length: number): Buffer
export function getSocketOption(fd: FdSource, level: number, name: number, length?: number): number | Buffer {
  const number = fdOf(fd)
  const value = Buffer.alloc(length === undefined ? 4 : integer('length', length, 0, 0xffff))
  const result = native().sysGetSocketOption(number, int32('level', level), int32('name', name), value)
  const size = orThrow(result, 'getsockopt', number)
  if (length !== undefined) return value.subarray(0, size)
  // A few options are a single byte.
  return size === 1 ? value[0]! : new DataView(value.buffer, value.byteOffset).getInt32(0, LITTLE_ENDIAN)
}

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/**
 * Sets a socket option, by setsockopt(2).
 *
 * @param value an integer, true or false (1 or 0), or the bytes of anything else
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; {@link AsyncFdError} with ENOPROTOOPT, EINVAL, ENOTSOCK, EBADF
 * @example
 * sys.setSocketOption(socket, sys.constants.IPPROTO_TCP, sys.constants.TCP_NODELAY, true)
 */
export function setSocketOption(fd: FdSource, level: number, name: number, value: number | boolean | ArrayBufferView): void {
  const number = fdOf(fd)
  const bytes = optionBytes(value)
  orThrow(native().sysSetSocketOption(number, int32('level', level), int32('name', name), bytes), 'setsockopt', number)
}

/** An integer on its way. Small arrays have no memory of their own until native code asks for it, which costs more than the call. */
const integerBytes = new Int32Array(new ArrayBuffer(4))

function optionBytes(value: number | boolean | ArrayBufferView): ArrayBufferView {
  if (typeof value === 'boolean' || typeof value === 'number') {
    integerBytes[0] = typeof value === 'boolean' ? Number(value) : int32('value', value)
    return integerBytes
  }
  if (!ArrayBuffer.isView(value)) throw invalidArgType('value', 'of type number or boolean or an ArrayBufferView', value)
  byteLengthOf('value', value)
  return value
}
