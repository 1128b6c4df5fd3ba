/**
 * From what native functions return to what ours do.
 *
 * @module
 */
import { constants } from 'node:os'
import { AsyncFdError, checkObject, ErrorCode, invalidArgType, outOfRange, systemError } from '../errors.js'
import { WouldBlock } from '../would-block.js'

const { EAGAIN, EWOULDBLOCK } = constants.errno

/** `WouldBlock` if that is what the negative result means; throws otherwise. */
export function blockedOrThrow(result: number, syscall: string, fd: number): WouldBlock {
  if (result === -EAGAIN || result === -EWOULDBLOCK) return WouldBlock
  throw systemError(-result, syscall, fd)
}

/** The result, which may be `WouldBlock`. */
export function orBlocked(result: number, syscall: string, fd: number): number | WouldBlock {
  return result >= 0 ? result : blockedOrThrow(result, syscall, fd)
}

/** The result of a call that cannot block: EAGAIN is an error like any other. */
export function orThrow(result: number, syscall: string, fd?: number): number {
  if (result >= 0) return result
  throw systemError(-result, syscall, fd)
}

/** The native function, or the error that says this platform has none. */
export function supported<F>(native: F | undefined, name: string): F {
  if (typeof native === 'function') return native
  throw new AsyncFdError(`${name} is not available on ${process.platform}`, ErrorCode.UNSUPPORTED)
}

/** Checks an integer argument. What it gives is never -0, which Node aborts the process for in places. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function integer(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value + 0
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  throw outOfRange(name, `an integer >= ${min} and <= ${max}`, value)
}

/** Options are an object, if they are given. @throws `ERR_INVALID_ARG_TYPE` */
export function checkOptions(options: unknown): void {
  checkObject('options', options)
}

/** Flags and the like: any 32 bits, signed or not; what is returned is signed, as C's int. */
export function int32(name: string, value: number): number {
  return integer(name, value, -0x80000000, 0xffffffff) | 0
}
