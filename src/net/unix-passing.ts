/**
 * What only Unix sockets carry: descriptors, and who the peer is.
 *
 * @module
 */
import { invalidArgType, invalidArgValue, outOfRange } from '../errors.js'
import { Interest } from '../interest.js'
import type { Port } from '../io/port.js'
import { constants } from '../sys/constants.js'
import { type FdSource, fdOf } from '../sys/fd-source.js'
import { recvMsg, sendMsg } from '../sys/message.js'
import { getSocketOption } from '../sys/option.js'
import { checkOptions, integer } from '../sys/result.js'
import type { WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import { checkTransfer } from './message.js'

/** As many descriptors as one message carries (Linux: SCM_MAX_FD). */
const MAX_FDS = 253

/**
 * How to receive descriptors.
 *
 * @example
 * const [ours, theirs] = UnixStream.pair()
 * await ours.sendFds([process.stdout, process.stderr])
 * const options: RecvFdsOptions = { maxFds: 1, timeout: 1000 }
 * const { fds } = await theirs.recvFds(buffer, options) // one; the other was closed
 * for (const received of fds) sys.close(received)
 */
export interface RecvFdsOptions extends WaitOptions {
  /** Descriptors to take, at most; what more comes is closed. The default, 253, is as many as one message carries. */
  maxFds?: number | undefined
}

/**
 * Bytes and descriptors that came.
 *
 * @example
 * const [ours, theirs] = UnixStream.pair()
 * await ours.sendFds([process.stderr])
 * const { fds }: ReceivedFds = await theirs.recvFds(buffer)
 * for (const received of fds) sys.close(received)
 */
export interface ReceivedFds {
  /** How many bytes are in the buffer; 0 at the end. */
  bytes: number
  /** They are yours: close each. They are close-on-exec; O_NONBLOCK is as the sender has it. */
  fds: number[]
}

/**
 * The process at the other end, as it was when it connected, listened or made the pair.
 *
 * @example
 * const { pid, uid }: PeerCredentials = UnixStream.pair()[0].peerCredentials()
 * if (uid !== process.getuid?.()) throw new Error(`process ${pid} is somebody else's`)
 */
export interface PeerCredentials {
  /** 0 if it is not visible from here (another PID namespace). */
  pid: number
  /** Its effective user. */
  uid: number
  /** Its effective group. */
  gid: number
}

export function peerCredentials(fd: number): PeerCredentials {
  const value = getSocketOption(fd, constants.SOL_SOCKET, constants.SO_PEERCRED, 12)
  const [pid, uid, gid] = new Uint32Array(new Uint8Array(value).buffer) as unknown as [number, number, number]
  return { pid, uid, gid }
}

/** Descriptors go with a byte at least: streams drop them otherwise, and an empty packet would be the end. */
function checkCarrier(buffer: ArrayBufferView, options: WaitOptions | undefined): void {
  if (checkTransfer(buffer, options) === 0) throw invalidArgValue('buffer', 'must have at least one byte', buffer)
}

export function sendFds(
  port: Port<number>,
  fds: readonly FdSource[],
  buffer: ArrayBufferView = new Uint8Array(1),
  options?: WaitOptions,
): Promise<number> {
  if (!Array.isArray(fds)) throw invalidArgType('fds', 'an array of descriptors', fds)
  if (fds.length > MAX_FDS) throw outOfRange('fds.length', `<= ${MAX_FDS}`, fds.length)
  // Not their numbers: of an object that is closed meanwhile it may be another file's by then.
  const sources: FdSource[] = Array.from(fds)
  for (const source of sources) fdOf(source)
  checkCarrier(buffer, options)
  return port.with(Interest.WRITABLE, (fd) => sendMsg(fd, [buffer], { fds: sources }), options)
}

export function recvFds(port: Port<number>, buffer: ArrayBufferView, options: RecvFdsOptions = {}): Promise<ReceivedFds> {
  checkOptions(options)
  const { maxFds = MAX_FDS } = options
  integer('options.maxFds', maxFds, 0, MAX_FDS)
  checkCarrier(buffer, options)
  const receive = (fd: number): ReceivedFds | WouldBlock => {
    const message = recvMsg(fd, [buffer], { maxFds })
    return message === WouldBlock ? WouldBlock : { bytes: message.bytes, fds: message.fds }
  }
  return port.with(Interest.READABLE, receive, options)
}
