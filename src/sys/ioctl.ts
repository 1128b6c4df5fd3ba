/**
 * ioctl(2).
 *
 * @module
 */
import { constants as os } from 'node:os'
import { invalidArgType, outOfRange } from '../errors.js'
import { native } from '../native.js'
import type { WouldBlock } from '../would-block.js'
import { byteLengthOf } from './bytes.js'
import { constants } from './constants.js'
import { type FdSource, fdOf } from './fd-source.js'
import { int32, integer, orBlocked } from './result.js'

const { ENOTTY } = os.errno

const MAX_BYTES = 16 * 1024 * 1024

/**
 * Makes a device-specific request, by ioctl(2).
 *
 * A request whose argument points to a structure takes a view of that structure, which is read and then overwritten with what the
 * kernel made of it. The size that the request's number states is checked; for older requests that state none the view must be at
 * least as large as the structure. A structure that holds addresses cannot be had.
 *
 * @param request a number such as `constants.TIOCMGET`
 * @param argument a number if the request takes one: -2^31 to 65535, because a larger one could be taken for an address; 0 by default.
 *   On a 32-bit system most negative ones could, too: below -4095 they are ERANGE there
 * @returns what ioctl(2) returned, mostly 0; `WouldBlock` if it said EAGAIN
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_INVALID_STATE`; `ERR_OUT_OF_RANGE` for a view that is too small for the
 *   request, or above 16 MiB; {@link AsyncFdError} with ENOTTY (not such a device), EFAULT (a number where a view is due), ...
 * @example
 * const waiting = new Int32Array(1)
 * sys.ioctl(fd, sys.constants.FIONREAD, waiting)
 */
export function ioctl(fd: FdSource, request: number, argument: number | ArrayBufferView = 0): number | WouldBlock {
  const number = fdOf(fd)
  const code = int32('request', request) >>> 0
  if (typeof argument === 'number') {
    integer('argument', argument, -0x80000000, 0xffff)
    return orBlocked(native().sysIoctlNumber(number, code, argument), 'ioctl', number)
  }
  if (!ArrayBuffer.isView(argument)) throw invalidArgType('argument', 'of type number or an ArrayBufferView', argument)
  const size = byteLengthOf('argument', argument)
  const needed = native().sysIoctlSize(code)
  if (size < needed || size > MAX_BYTES) {
    throw outOfRange('argument.byteLength', `>= ${needed} (as the request says) and <= ${MAX_BYTES}`, size)
  }
  return orBlocked(native().sysIoctlView(number, code, argument), 'ioctl', number)
}

const word = new Int32Array(1)

/** How many bytes of what was written are in the kernel still: of a socket, a terminal or serial line, a pipe. 0 where it does not tell. */
export function untaken(fd: number): number {
  if (process.platform !== 'linux' || fd < 0) return 0
  const { sysIoctlView } = native()
  const { TIOCOUTQ, FIONREAD } = constants
  let result = sysIoctlView(fd, TIOCOUTQ, word)
  // What lies in a pipe lies there for its reader, whichever end is asked.
  if (result === -ENOTTY) result = sysIoctlView(fd, FIONREAD, word)
  return result === 0 ? word[0]! : 0
}
