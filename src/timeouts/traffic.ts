/**
 * What a socket of Node's tells of its traffic. All that is known here of the inside of `net.Socket` and of its handles.
 *
 * @module
 */
import { Socket } from 'node:net'
import { ON_NODE } from '../driver.js'
import { Interest } from '../interest.js'
import { type Answer, ask, notSentSince, tcpAcknowledged, tcpReceived, tcpSent, tcpSentAgo } from '../kernel.js'
import type { Stamp } from '../stamp.js'
import { untaken } from '../sys/ioctl.js'
import { cameTo } from './handle-taps.js'

/** libuv's stream under a socket, or what encrypts on top of one. */
export interface Handle {
  /** Called with what came, or at the end. */
  onread?: ((this: Handle, bytes: unknown) => unknown) | undefined
  readonly fd?: number
  readonly bytesRead?: number
  readonly bytesWritten?: number
  /** Bytes that the kernel has not taken yet. */
  readonly writeQueueSize?: number
  readonly reading?: boolean
  readonly _consumed?: boolean
  readonly _parent?: Handle | null
}

/** The parts of a socket that its types leave out. */
export interface Inside {
  readonly _handle?: Handle | null
  /** The name that is looked up. */
  readonly _host?: string | null
  readonly encrypted?: boolean
  /** Bytes of writes that are over, or under way. */
  readonly _bytesDispatched?: number
  /** The bytes of the write that is under way. */
  readonly _writableState?: { readonly writelen?: number }
  readonly secureConnecting?: boolean
  /** Called by Node at every packet, either way, whether anybody has set a timeout or not. */
  _unrefTimer?(this: Socket): void
  _write(this: Socket, ...args: unknown[]): void
  _writev?(this: Socket, ...args: unknown[]): void
  push(this: Socket, ...args: unknown[]): boolean
  connect(this: Socket, ...args: unknown[]): Socket
}

export const inside = (socket: Socket): Inside => socket as unknown as Inside

/** The stream of libuv's itself, under all encryption: its counters are those of the wire. */
function rawHandle(socket: Socket): Handle | undefined {
  let handle = inside(socket)._handle
  while (handle?._parent != null) handle = handle._parent
  return handle ?? undefined
}

/** The socket that encrypts on top of this one, where the runtime shows it: Bun and Deno keep it with the handle. */
export function socketAbove(socket: Socket): Socket | undefined {
  const handle = inside(socket)._handle
  if (ON_NODE || handle == null || isEncrypted(socket)) return undefined
  for (const key of Object.getOwnPropertySymbols(handle)) {
    const value: unknown = Object.getOwnPropertyDescriptor(handle, key)?.value
    if (value instanceof Socket && value !== socket && isEncrypted(value)) return value
  }
  return undefined
}

/** The socket's descriptor, or -1: before it connects, after it closed, and where the runtime does not show it. */
export function fdOf(socket: Socket): number {
  return rawHandle(socket)?.fd ?? -1
}

/** Bytes received so far. Where the runtime's handles do not count, the kernel does: it sees what goes past the stream, too. */
export function received(socket: Socket): number {
  return rawHandle(socket)?.bytesRead ?? tcpReceived(fdOf(socket)) ?? socket.bytesRead
}

/** Bytes that the kernel has taken so far. Where a runtime does not tell, whole writes count when they are over. */
export function accepted(socket: Socket): number {
  const handle = rawHandle(socket)
  if (handle?.bytesWritten !== undefined && handle.writeQueueSize !== undefined)
    return handle.bytesWritten - handle.writeQueueSize
  // Not `bytesWritten`: it looks through what is queued, and fails in the midst of a write there.
  const { _bytesDispatched: begun = 0, _writableState: state } = inside(socket)
  const above = socketAbove(socket)
  // Nothing was written by the stream; perhaps by a session of HTTP/2. Never what a count of the stream's own may be.
  if (begun === 0 && above === undefined) return -1 - (tcpSent(fdOf(socket)) ?? 0)
  return begun - (state?.writelen ?? 0) + (above === undefined ? 0 : accepted(above))
}

/** Bytes given to the kernel so far, those included that it has not taken yet. */
export const handed = (socket: Socket): number => rawHandle(socket)?.bytesWritten ?? inside(socket)._bytesDispatched ?? 0

/** When something came last to the socket itself; null before that, and where no mark is left. */
export function lastCame(socket: Socket): Stamp | null {
  const { _handle: handle } = inside(socket)
  return handle == null ? null : cameTo(handle)
}

/** Whether what it reads and writes is not what goes over the wire. */
export const isEncrypted = (socket: Socket): boolean => inside(socket).encrypted === true

/** Whether its TLS handshake is under way. */
export const isHandshaking = (socket: Socket): boolean => inside(socket).secureConnecting === true

/** Whether a parser of http's reads the handle itself. */
export const isConsumed = (socket: Socket): boolean => inside(socket)._handle?._consumed === true

/** Whether another socket encrypts on top of this one: Node then has that one say whether it reads. */
export function isCarrier(socket: Socket): boolean {
  const handle = inside(socket)._handle
  return handle != null && Object.getOwnPropertyDescriptor(handle, 'reading')?.get !== undefined
}

/** Whether bytes wait for the kernel to take them. */
export function isSending(socket: Socket): boolean {
  if (socket.writableLength > 0) return true
  return (rawHandle(socket)?.writeQueueSize ?? socketAbove(socket)?.writableLength ?? 0) > 0
}

/**
 * {@link isSending} in the midst of a write of the socket's own: Node counts that one until it is over, its handle has given it on; but
 * one that encrypts may do so later.
 */
export const isQueued = (socket: Socket): boolean =>
  ON_NODE ? isEncrypted(socket) || (rawHandle(socket)?.writeQueueSize ?? 1) > 0 : isSending(socket)

/** What went over a socket so far. */
export interface Counters {
  readonly received: number
  readonly accepted: number
  readonly sending: boolean
}

export const counters = (socket: Socket, sending = isSending(socket)): Counters => ({
  received: received(socket),
  accepted: accepted(socket),
  sending,
})

/** Whether somebody reads, so that bytes which come would be taken from the kernel. */
export function isReading(socket: Socket): boolean {
  if (!socket.readable || rawHandle(socket)?.reading === false) return false
  const above = socketAbove(socket)
  if (above !== undefined) return isReading(above)
  return socket.readableFlowing === true || socket.listenerCount('readable') > 0 || isCarrier(socket) || isReadPast(socket)
}

/** Whether the runtime shows nothing of what goes over it: neither the descriptor nor counters. A server of Bun's for http gives such. */
export function isHidden(socket: Socket): boolean {
  return !ON_NODE && inside(socket)._handle == null && !socket.connecting && !socket.pending && !socket.destroyed
}

/**
 * Properties of sockets whose bytes go past the stream: into the buffer of the option `onread`, or to a session of HTTP/2. Node means to
 * have a symbol for that one, but forgot to export it.
 */
const PAST = new Set(['kBuffer', 'kBoundSession', 'undefined'])

/** Whether somebody reads what comes past the stream of the socket, which tells nothing of it. */
export function isReadPast(socket: Socket): boolean {
  if (inside(socket)._handle?.reading !== true || socket.readableFlowing !== null) return false
  const isPast = (key: string | symbol) => PAST.has(typeof key === 'symbol' ? (key.description ?? '') : key)
  return Reflect.ownKeys(socket).some((key) => isPast(key) && Reflect.get(socket, key) != null)
}

/** Whether the kernel has bytes of the peer, or its end. */
export const hasInput = (socket: Socket): Answer => ask(fdOf(socket), Interest.READABLE)

/** Whether the kernel would take bytes, or has an answer to the attempt to connect. */
export const hasRoom = (socket: Socket): Answer => ask(fdOf(socket), Interest.WRITABLE)

/** At most how long ago bytes were sent last, by the kernel; null where it does not tell. */
export const sentAgo = (socket: Socket): number | null => tcpSentAgo(fdOf(socket))

/** Since when the kernel has sent nothing, where the socket has given it nothing since `since`. */
export const silentSince = (socket: Socket, since: number, now: number): number => notSentSince(fdOf(socket), since, now)

/** Whether the peer has all of the first `bytes`, as far as is known. */
export function hasArrived(socket: Socket, bytes: number): boolean {
  const fd = fdOf(socket)
  return (tcpAcknowledged(fd) ?? handed(socket) - untaken(fd)) >= bytes
}
