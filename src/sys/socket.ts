/**
 * Sockets: making, naming and connecting them.
 *
 * @module
 */
import { constants } from 'node:os'
import { type Binding, native } from '../native.js'
import { WouldBlock } from '../would-block.js'
import { addressRoom, putAddress, type SocketAddress, type SocketAddressInput, takeAddress } from './address.js'
import { failed, quickLength } from './bytes.js'
import { type FdSource, fdOf } from './fd-source.js'
import { int32, orBlocked, orThrow } from './result.js'

const { EINPROGRESS, EALREADY } = constants.errno

let sysAccept: Binding['sysAccept'] | undefined
let sysRecvFrom: Binding['sysRecvFrom'] | undefined
let sysSendTo: Binding['sysSendTo'] | undefined

/**
 * Makes a socket, non-blocking and close-on-exec, by socket(2).
 *
 * @param domain `AF_INET`, `AF_UNIX`, `AF_CAN`, ...
 * @param type `SOCK_STREAM`, `SOCK_DGRAM`, ...
 * @returns the descriptor; close it
 * @throws EAFNOSUPPORT, EPROTONOSUPPORT, EACCES, EMFILE
 * @example
 * const udp = sys.socket(sys.constants.AF_INET, sys.constants.SOCK_DGRAM)
 */
export function socket(domain: number, type: number, protocol = 0): number {
  return orThrow(native().sysSocket(int32('domain', domain), int32('type', type), int32('protocol', protocol)), 'socket')
}

/**
 * Two connected sockets, non-blocking and close-on-exec, by socketpair(2).
 *
 * @returns both descriptors; close both
 * @throws EAFNOSUPPORT, EOPNOTSUPP, EMFILE
 * @example
 * const [a, b] = sys.socketpair(sys.constants.AF_UNIX, sys.constants.SOCK_SEQPACKET)
 */
export function socketpair(domain: number, type: number, protocol = 0): [number, number] {
  const fds = new Int32Array(2)
  const result = native().sysSocketpair(int32('domain', domain), int32('type', type), int32('protocol', protocol), fds)
  orThrow(result, 'socketpair')
  return [fds[0]!, fds[1]!]
}

/**
 * Names a socket, by bind(2).
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; {@link AsyncFdError} with EADDRINUSE, EACCES,
 *   EADDRNOTAVAIL, ENAMETOOLONG (a Unix path above 107 bytes), ENODEV (no interface of that name), ...
 * @example
 * const tcp = sys.socket(sys.constants.AF_INET, sys.constants.SOCK_STREAM)
 * sys.bind(tcp, { address: '127.0.0.1', port: 0 })
 */
export function bind(fd: FdSource, address: SocketAddressInput): void {
  const number = fdOf(fd)
  orThrow(native().sysBind(number, putAddress(address, 'bind')), 'bind', number)
}

/**
 * Lets a socket take connections, by listen(2).
 *
 * @param backlog how many may wait to be accepted
 * @throws EADDRINUSE, EOPNOTSUPP
 * @example
 * const tcp = sys.socket(sys.constants.AF_INET, sys.constants.SOCK_STREAM)
 * sys.bind(tcp, { address: '127.0.0.1', port: 0 })
 * sys.listen(tcp, 511)
 */
export function listen(fd: FdSource, backlog = 511): void {
  const number = fdOf(fd)
  orThrow(native().sysListen(number, int32('backlog', backlog)), 'listen', number)
}

/**
 * Connects a socket, by connect(2).
 *
 * @returns `undefined` if it is connected; `WouldBlock` if that is under way: wait until it is writable, then ask
 *   `getSocketOption(fd, SOL_SOCKET, SO_ERROR)`, which is 0 or an errno. On a Unix socket `WouldBlock` means that the listener's
 *   backlog is full: nothing is under way, call again later.
 * @throws as {@link bind}, with connect(2)'s errors
 * @example
 * const tcp = sys.socket(sys.constants.AF_INET, sys.constants.SOCK_STREAM)
 * if (sys.connect(tcp, sys.localAddress(listener)!) === WouldBlock) await new AsyncFd(tcp).writable()
 */
export function connect(fd: FdSource, address: SocketAddressInput): undefined | WouldBlock {
  const number = fdOf(fd)
  const result = native().sysConnect(number, putAddress(address, 'connect'))
  if (result === -EINPROGRESS || result === -EALREADY) return WouldBlock
  return orBlocked(result, 'connect', number) === WouldBlock ? WouldBlock : undefined
}

/**
 * Takes a connection, non-blocking and close-on-exec, by accept4(2).
 *
 * @returns its descriptor, to be closed; `WouldBlock` if none waits
 * @throws ECONNABORTED (go on with the next), EMFILE, ENFILE, EINVAL (not listening), ENOTSOCK
 * @example
 * for (let peer; (peer = sys.accept(listener)) !== WouldBlock; ) serve(peer)
 */
export function accept(fd: FdSource): number | WouldBlock {
  const number = fdOf(fd)
  return orBlocked((sysAccept ??= native().sysAccept)(number), 'accept', number)
}

/**
 * As {@link accept}, with the peer's address.
 *
 * @example
 * const accepted = sys.acceptFrom(listener)
 * if (accepted !== WouldBlock) console.log(accepted.fd, accepted.address)
 */
export function acceptFrom(fd: FdSource): { fd: number; address: SocketAddress | undefined } | WouldBlock {
  const number = fdOf(fd)
  const accepted = orBlocked((sysAccept ??= native().sysAccept)(number, addressRoom()), 'accept', number)
  return accepted === WouldBlock ? WouldBlock : { fd: accepted, address: takeAddress() }
}

/**
 * Ends one or both directions, by shutdown(2).
 *
 * @param how `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`
 * @throws ENOTCONN, ENOTSOCK
 * @example
 * sys.shutdown(socket, sys.constants.SHUT_WR)
 */
export function shutdown(fd: FdSource, how: number): void {
  const number = fdOf(fd)
  orThrow(native().sysShutdown(number, int32('how', how)), 'shutdown', number)
}

/**
 * The address a socket is bound to, by getsockname(2).
 *
 * @throws ENOTSOCK, EBADF
 * @example
 * const { port } = sys.localAddress(listener) as sys.InetAddress
 */
export function localAddress(fd: FdSource): SocketAddress {
  const number = fdOf(fd)
  orThrow(native().sysLocalAddress(number, addressRoom()), 'getsockname', number)
  return takeAddress() ?? Buffer.alloc(0)
}

/**
 * The address a socket is connected to, by getpeername(2).
 *
 * @throws ENOTCONN, ENOTSOCK, EBADF
 * @example
 * console.log(sys.remoteAddress(peer))
 */
export function remoteAddress(fd: FdSource): SocketAddress {
  const number = fdOf(fd)
  orThrow(native().sysRemoteAddress(number, addressRoom()), 'getpeername', number)
  return takeAddress() ?? Buffer.alloc(0)
}

/**
 * Receives a datagram and who sent it, by recvfrom(2).
 *
 * @returns how many bytes came, and from where (`undefined` on connected streams); `WouldBlock` if nothing is there yet.
 *   With `MSG_TRUNC` in `flags` the count is that of the datagram, which may be more than fitted.
 * @throws as `recv`
 * @example
 * const received = sys.recvFrom(udp, buffer)
 * if (received !== WouldBlock && received.address) sys.sendTo(udp, buffer, received.address, 0, received.bytes)
 */
export function recvFrom(
  fd: FdSource,
  buffer: ArrayBufferView,
  offset = 0,
  length?: number,
  flags = 0,
): { bytes: number; address: SocketAddress | undefined } | WouldBlock {
  const number = fdOf(fd)
  const wanted = quickLength(buffer, offset, length)
  const bits = flags === 0 ? 0 : int32('flags', flags)
  const result = (sysRecvFrom ??= native().sysRecvFrom)(number, buffer, offset, wanted, bits, addressRoom())
  if (result >= 0) return { bytes: result, address: takeAddress() }
  return failed(result, 'recvfrom', number, buffer, offset, length)
}

/**
 * Sends a datagram to an address, by sendto(2) with `MSG_NOSIGNAL`.
 *
 * @returns how many bytes were taken; `WouldBlock` if there is no room
 * @throws as `send` and {@link bind}
 * @example
 * sys.sendTo(udp, Buffer.from('hello'), { address: '127.0.0.1', port: 514 })
 */
export function sendTo(
  fd: FdSource,
  buffer: ArrayBufferView,
  address: SocketAddressInput,
  offset = 0,
  length?: number,
  flags = 0,
): number | WouldBlock {
  const number = fdOf(fd)
  const wanted = quickLength(buffer, offset, length)
  const bits = flags === 0 ? 0 : int32('flags', flags)
  const to = putAddress(address, 'sendto')
  const result = (sysSendTo ??= native().sysSendTo)(number, buffer, offset, wanted, bits, to)
  return result >= 0 ? result : failed(result, 'sendto', number, buffer, offset, length)
}
