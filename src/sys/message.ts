/**
 * Messages with more to them than bytes: descriptors, credentials, timestamps, by recvmsg(2) and sendmsg(2).
 *
 * @module
 */
import { invalidArgType, invalidArgValue, outOfRange } from '../errors.js'
import { native } from '../native.js'
import { WouldBlock } from '../would-block.js'
import { addressRoom, putAddress, type SocketAddress, type SocketAddressInput, takeAddress } from './address.js'
import { byteLengthOf } from './bytes.js'
import { constants } from './constants.js'
import { type FdSource, fdOf } from './fd-source.js'
import { getSocketOption } from './option.js'
import { checkOptions, int32, integer, orBlocked } from './result.js'
import { totalLength } from './vectored.js'

/** As many descriptors as one message carries (Linux: SCM_MAX_FD). */
const MAX_FDS = 253
const MAX_CONTROL = 64 * 1024
const HEADER = 12

/**
 * A control message other than descriptors; see cmsg(3).
 *
 * @example
 * const nobody: sys.ControlMessage = {
 *   level: sys.constants.SOL_SOCKET,
 *   type: sys.constants.SCM_CREDENTIALS,
 *   data: Int32Array.of(process.pid, process.getuid!(), process.getgid!()) as never,
 * }
 */
export interface ControlMessage {
  /** `SOL_SOCKET`, `IPPROTO_IP`, ... */
  level: number
  /** `SCM_CREDENTIALS`, `SCM_TIMESTAMPING`, `IP_PKTINFO`, ... */
  type: number
  /** The structure, as the C headers have it. */
  data: Uint8Array
}

/**
 * What to receive besides bytes.
 *
 * @example
 * const options: sys.RecvMsgOptions = { maxFds: 4, flags: sys.constants.MSG_PEEK }
 * const message = sys.recvMsg(fd, [header, body], options)
 */
export interface RecvMsgOptions {
  /** How many descriptors to take, 0 to 253; 0 by default. What more comes is closed, and `MSG_CTRUNC` set. */
  maxFds?: number
  /** Room for other control messages in bytes, headers included, up to 65536; 0 by default. What does not fit is dropped, and `MSG_CTRUNC` set. */
  controlLength?: number
  /** `MSG_PEEK`, `MSG_ERRQUEUE`, ... */
  flags?: number
}

/**
 * A message that came.
 *
 * @example
 * const message: sys.ReceivedMessage | WouldBlock = sys.recvMsg(fd, [buffer])
 * if (message !== WouldBlock && (message.flags & sys.constants.MSG_TRUNC) !== 0) console.log('the buffer was too small')
 */
export interface ReceivedMessage {
  /** How many bytes came; 0 at the end of a stream. */
  bytes: number
  /**
   * Descriptors that came along. They are yours: close each. They are close-on-exec; `O_NONBLOCK` is as the sender has it, because the
   * sender would be affected too.
   */
  fds: number[]
  /** `MSG_TRUNC`, `MSG_CTRUNC`, `MSG_EOR`, `MSG_ERRQUEUE`, ... */
  flags: number
  /** Who sent it; `undefined` on connected streams. */
  address: SocketAddress | undefined
  /** Control messages other than descriptors. Their data may hold descriptors too, if you asked for such (`SCM_PIDFD`). */
  control: (ControlMessage & { data: Buffer })[]
}

/**
 * What to send besides bytes, and where to.
 *
 * @example
 * const options: sys.SendMsgOptions = { fds: [process.stderr], flags: sys.constants.MSG_EOR }
 * sys.sendMsg(fd, [Buffer.from('x')], options)
 */
export interface SendMsgOptions {
  /** Descriptors to send, up to 253. They stay yours. */
  fds?: readonly FdSource[]
  /** Other control messages. */
  control?: readonly ControlMessage[]
  /** Where to, on a socket that is not connected. */
  address?: SocketAddressInput
  /** `MSG_EOR`, `MSG_MORE`, ...; `MSG_NOSIGNAL` is added. */
  flags?: number
}

/**
 * Receives a message into buffers, with descriptors and control messages, by recvmsg(2).
 *
 * @returns the message, or `WouldBlock` if there is none yet
 * @throws as `recv` and `readv`; on a throw no descriptor is left open
 * @example
 * const message = sys.recvMsg(fd, [buffer], { maxFds: 1 })
 * if (message !== WouldBlock) for (const received of message.fds) sys.close(received)
 */
export function recvMsg(
  fd: FdSource,
  buffers: readonly ArrayBufferView[],
  options: RecvMsgOptions = {},
): ReceivedMessage | WouldBlock {
  const number = fdOf(fd)
  checkOptions(options)
  const { maxFds = 0, controlLength = 0, flags = 0 } = options
  totalLength(buffers)
  const room = new Int32Array(integer('maxFds', maxFds, 0, MAX_FDS))
  const controlRoom = Buffer.alloc(integer('controlLength', controlLength, 0, MAX_CONTROL))
  const meta = new Int32Array(3)
  const bits = int32('flags', flags)
  const bytes = orBlocked(native().sysRecvMsg(number, buffers, bits, room, controlRoom, addressRoom(), meta), 'recvmsg', number)
  if (bytes === WouldBlock) return WouldBlock
  const fds = Array.from(room.subarray(0, meta[1]))
  return { bytes, fds, flags: meta[0]!, address: takeAddress(), control: unpack(controlRoom.subarray(0, meta[2])) }
}

/**
 * Sends buffers as one message, with descriptors and control messages, by sendmsg(2).
 *
 * @returns how many bytes were taken; descriptors went along with the first of them. `WouldBlock` if there is no room: nothing went.
 * @throws as `send` and `writev`; `ERR_INVALID_ARG_VALUE` for descriptors without a byte on a stream, because the kernel would drop them;
 *   EBADF if one of `fds` is not open, ETOOMANYREFS if too many are in flight
 * @example
 * sys.sendMsg(fd, [Buffer.from('x')], { fds: [process.stdin] })
 */
export function sendMsg(fd: FdSource, buffers: readonly ArrayBufferView[], options: SendMsgOptions = {}): number | WouldBlock {
  const number = fdOf(fd)
  checkOptions(options)
  const { fds = [], control = [], address, flags = 0 } = options
  const total = totalLength(buffers)
  const bits = int32('flags', flags)
  const numbers = fdNumbers(fds)
  const packed = pack(control)
  if (numbers.length > 0 && total === 0 && isStream(number)) {
    throw invalidArgValue('buffers', 'must hold at least one byte to carry descriptors on a stream', buffers)
  }
  const block = address === undefined ? null : putAddress(address, 'sendmsg')
  return orBlocked(native().sysSendMsg(number, buffers, bits, numbers, packed, block), 'sendmsg', number)
}

function isStream(fd: number): boolean {
  return getSocketOption(fd, constants.SOL_SOCKET, constants.SO_TYPE) === constants.SOCK_STREAM
}

function fdNumbers(fds: readonly FdSource[]): Int32Array {
  if (!Array.isArray(fds)) throw invalidArgType('fds', 'an array of descriptors', fds)
  if (fds.length > MAX_FDS) throw outOfRange('fds.length', `<= ${MAX_FDS}`, fds.length)
  return Int32Array.from(fds, fdOf)
}

/** Each message is level, type and length, 32 bits each, and the data, padded to a multiple of four. */
function pack(messages: readonly ControlMessage[]): Uint8Array {
  if (!Array.isArray(messages)) throw invalidArgType('control', 'an array of { level, type, data }', messages)
  const parts = messages.flatMap((message, i) => {
    const name = `control[${i}]`
    if (typeof message !== 'object' || message === null) throw invalidArgType(name, 'an object { level, type, data }', message)
    const { level, type, data } = message
    const length = byteLengthOf(`${name}.data`, data)
    const header = Int32Array.of(int32(`${name}.level`, level), int32(`${name}.type`, type), length)
    return [new Uint8Array(header.buffer), new Uint8Array(data.buffer, data.byteOffset, length), new Uint8Array(-length & 3)]
  })
  const packed = Buffer.concat(parts)
  if (packed.length > MAX_CONTROL) throw outOfRange('control', `at most ${MAX_CONTROL} bytes together`, packed.length)
  return packed
}

function unpack(packed: Buffer): (ControlMessage & { data: Buffer })[] {
  const messages = []
  for (let at = 0; at < packed.length; ) {
    const header = new Int32Array(packed.buffer.slice(packed.byteOffset + at, packed.byteOffset + at + HEADER))
    const [level, type, length] = header as unknown as [number, number, number]
    messages.push({ level, type, data: packed.subarray(at + HEADER, at + HEADER + length) })
    at += HEADER + length + (-length & 3)
  }
  return messages
}
