/**
 * Checks on memory that callers pass, and the four calls that carry the traffic. Every check happens before the
 * system call, so what throws a `ERR_*` code has read and written nothing.
 *
 * @module
 */
import { constants } from 'node:os'
import { invalidArgType, invalidArgValue, invalidState, outOfRange } from '../errors.js'
import { type Binding, native } from '../native.js'
import type { WouldBlock } from '../would-block.js'
import { type FdSource, fdOf } from './fd-source.js'
import { blockedOrThrow, int32 } from './result.js'

const { EINVAL, ERANGE } = constants.errno

/** How long a view is now. @throws if it is none, detached, or shared */
export function byteLengthOf(name: string, view: ArrayBufferView): number {
  if (!ArrayBuffer.isView(view)) throw invalidArgType(name, 'a TypedArray, Buffer or DataView', view)
  let length: number
  try {
    length = view.byteLength
  } catch {
    throw invalidState(`The "${name}" argument is a DataView whose ArrayBuffer was detached or shrunk`)
  }
  if (view.buffer instanceof SharedArrayBuffer) {
    throw invalidArgValue(name, 'lies on a SharedArrayBuffer, which other threads may write to meanwhile; copy it', view)
  }
  if (length === 0) checkAttached(name, view)
  return length
}

/** What only inherits from Uint8Array is none, nor is a proxy of one. */
export function isUint8Array(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && value instanceof Uint8Array
}

function checkAttached(name: string, view: ArrayBufferView): void {
  // A DataView says so itself. No bytes are read here, but a view that lies outside of its memory is refused.
  if (view instanceof DataView) return
  try {
    Uint8Array.prototype.indexOf.call(view as Uint8Array, 0)
  } catch {
    throw invalidState(`The "${name}" argument is detached: its ArrayBuffer was transferred elsewhere, or shrunk below it`)
  }
}

/** `offset..offset + length` of the view: the length, which is the rest by default. @throws if it does not lie inside */
export function lengthOf(view: ArrayBufferView, offset: number, length: number | undefined): number {
  const size = byteLengthOf('buffer', view)
  if (Number.isInteger(offset) && offset >= 0) {
    const wanted = length === undefined ? size - offset : length
    if (Number.isInteger(wanted) && wanted >= 0 && offset + wanted <= size) return wanted
  }
  throw badRange(size, offset, length)
}

function badRange(size: number, offset: number, length: number | undefined): Error {
  if (typeof offset !== 'number') return invalidArgType('offset', 'of type number', offset)
  if (length !== undefined && typeof length !== 'number') return invalidArgType('length', 'of type number', length)
  if (!Number.isInteger(offset) || offset < 0 || offset > size)
    return outOfRange('offset', `an integer >= 0 and <= ${size}`, offset)
  return outOfRange('length', `an integer >= 0 and <= ${size - offset}`, length)
}

/**
 * As {@link lengthOf} for the hot functions. These check view and range themselves before the system call, so this leaves it to them:
 * it makes sure of what they cannot see, that numbers are whole and that no bytes are not those of a detached buffer.
 */
export function quickLength(buffer: ArrayBufferView, offset: number, length: number | undefined): number {
  if (Number.isInteger(offset) && offset >= 0) {
    if (length !== undefined) {
      if (Number.isInteger(length) && length > 0) return length
    } else {
      try {
        const rest = buffer.byteLength - offset
        if (rest > 0) return rest
      } catch {
        // no object at all, or a DataView that was detached: told apart below
      }
    }
  }
  return lengthOf(buffer, offset, length)
}

/** Why a hot function failed: arguments that it refused throw what {@link lengthOf} has to say about them. */
export function failed(
  result: number,
  syscall: string,
  fd: number,
  buffer: ArrayBufferView,
  offset: number,
  length: number | undefined,
): WouldBlock {
  if (result === -EINVAL || result === -ERANGE) lengthOf(buffer, offset, length)
  return blockedOrThrow(result, syscall, fd)
}

let sysRead: Binding['sysRead'] | undefined
let sysWrite: Binding['sysWrite'] | undefined
let sysRecv: Binding['sysRecv'] | undefined
let sysSend: Binding['sysSend'] | undefined
let sysSendView: Binding['sysSendView'] | undefined
let sysWriteView: Binding['sysWriteView'] | undefined

/**
 * Reads what is there, by read(2).
 *
 * @param buffer where to; any view, also of a resizable ArrayBuffer
 * @param offset bytes into `buffer`
 * @param length bytes at most, the rest of `buffer` by default
 * @returns how many bytes were read, 0 at the end of the file (or if `length` is 0); `WouldBlock` if nothing is there yet
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `ERR_INVALID_ARG_VALUE` for a SharedArrayBuffer, `ERR_INVALID_STATE` for a
 *   detached buffer; {@link AsyncFdError} with read(2)'s errors. A PTY master says EIO when the other end is closed.
 * @example
 * const buffer = Buffer.alloc(4096)
 * const count = sys.read(fd, buffer)
 * if (count !== WouldBlock) console.log(buffer.subarray(0, count))
 */
export function read(fd: FdSource, buffer: ArrayBufferView, offset = 0, length?: number): number | WouldBlock {
  const number = fdOf(fd)
  const wanted = quickLength(buffer, offset, length)
  const result = (sysRead ??= native().sysRead)(number, buffer, offset, wanted)
  return result >= 0 ? result : failed(result, 'read', number, buffer, offset, length)
}

/**
 * Writes as much as there is room for, by write(2). Not for sockets that the peer may close: `send` does the same there.
 *
 * @returns how many bytes were taken, which may be fewer than asked; `WouldBlock` if there is no room
 * @throws as {@link read}, with write(2)'s errors; EPIPE without a signal, because Node ignores SIGPIPE
 * @example
 * const count = sys.write(fd, Buffer.from('hello'))
 */
export function write(fd: FdSource, buffer: ArrayBufferView, offset = 0, length?: number): number | WouldBlock {
  const number = fdOf(fd)
  const wanted = quickLength(buffer, offset, length)
  const result = (sysWrite ??= native().sysWrite)(number, buffer, offset, wanted)
  return result >= 0 ? result : failed(result, 'write', number, buffer, offset, length)
}

/**
 * Receives from a connected socket, by recv(2).
 *
 * @param flags `MSG_PEEK`, `MSG_OOB`, `MSG_TRUNC`, ... from `constants`
 * @returns how many bytes came, 0 if the peer will send no more; `WouldBlock` if nothing is there yet
 * @throws as {@link read}, with recv(2)'s errors
 * @example
 * const count = sys.recv(socket, buffer, 0, buffer.length, sys.constants.MSG_PEEK)
 */
export function recv(fd: FdSource, buffer: ArrayBufferView, offset = 0, length?: number, flags = 0): number | WouldBlock {
  const number = fdOf(fd)
  const wanted = quickLength(buffer, offset, length)
  const bits = flags === 0 ? 0 : int32('flags', flags)
  const result = (sysRecv ??= native().sysRecv)(number, buffer, offset, wanted, bits)
  return result >= 0 ? result : failed(result, 'recv', number, buffer, offset, length)
}

/**
 * Sends on a connected socket, by send(2) with `MSG_NOSIGNAL`.
 *
 * @param flags `MSG_OOB`, `MSG_MORE`, ... from `constants`
 * @returns how many bytes were taken, which may be fewer than asked; `WouldBlock` if there is no room
 * @throws as {@link read}, with send(2)'s errors
 * @example
 * const count = sys.send(socket, Buffer.from('hello'))
 */
export function send(fd: FdSource, buffer: ArrayBufferView, offset = 0, length?: number, flags = 0): number | WouldBlock {
  const number = fdOf(fd)
  const wanted = quickLength(buffer, offset, length)
  const bits = flags === 0 ? 0 : int32('flags', flags)
  const result = (sysSend ??= native().sysSend)(number, buffer, offset, wanted, bits)
  return result >= 0 ? result : failed(result, 'send', number, buffer, offset, length)
}

/** As {@link send} of all of `buffer`: a negative errno for whatever else happens, of which {@link failed} makes the rest. */
export function trySend(fd: number, buffer: ArrayBufferView): number {
  return (sysSendView ??= native().sysSendView)(fd, buffer)
}

/** As {@link write}, likewise. */
export function tryWrite(fd: number, buffer: ArrayBufferView): number {
  return (sysWriteView ??= native().sysWriteView)(fd, buffer)
}

/** How long a view is, without a look at its memory. */
export function quickSize(view: ArrayBufferView): number {
  try {
    return view.byteLength
  } catch {
    return 0 // a DataView that was detached
  }
}
