/**
 * Unix sockets that are connected and keep the bounds of messages. Linux has them, macOS does not.
 *
 * @module
 */
import { invalidArgValue } from '../errors.js'
import { constants } from '../sys/constants.js'
import type { FdSource } from '../sys/fd-source.js'
import type { WaitOptions } from '../wait.js'
import { checkTransfer, recvMessage, sendMessage } from './message.js'
import type { UnixPath } from './unix-address.js'
import { connectUnix, pairOf } from './unix-connect.js'
import { type PeerCredentials, peerCredentials, type ReceivedFds, type RecvFdsOptions, recvFds, sendFds } from './unix-passing.js'
import { listenUnix, UnixAcceptor, type UnixListenOptions, UnixSocket } from './unix-socket.js'

/** An empty packet cannot be told from the end, nor can one that was cut to nothing. */
function checkPacket(buffer: ArrayBufferView, options: WaitOptions | undefined): void {
  if (checkTransfer(buffer, options) === 0) throw invalidArgValue('buffer', 'must not be empty: 0 bytes are the end', buffer)
}

const take = (fd: number) => new UnixSeqpacket(fd)

/**
 * A connection of whole packets: each is sent at once or not at all, and received at once. Any number of operations may be pending.
 *
 * A packet that is longer than the buffer is cut to it, and the rest of it is lost. 0 bytes are the end.
 *
 * @example
 * const [ours, theirs] = UnixSeqpacket.pair()
 * await ours.send(Buffer.from('one packet'))
 * const bytes = await theirs.recv(buffer)
 */
export class UnixSeqpacket extends UnixSocket {
  /**
   * Connects to a path, or an abstract name, which begins with `'\0'`. While the listener's backlog is full it tries again and again.
   *
   * @returns rejects with `ENOENT`, `ECONNREFUSED` (nobody listens), `EACCES`, `EPROTOTYPE` (a socket of another type), with the path in
   *   `address`; with `TimeoutError`, `signal.reason`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`, `ENAMETOOLONG` (a path above 107 bytes)
   */
  static connect(path: UnixPath, options: WaitOptions = {}): Promise<UnixSeqpacket> {
    return connectUnix(constants.SOCK_SEQPACKET, path, options, take)
  }

  /** Two sockets that are connected to each other. @throws AsyncFdError `EMFILE`, `ENFILE`, `EPROTONOSUPPORT` (macOS) */
  static pair(): [UnixSeqpacket, UnixSeqpacket] {
    return pairOf(constants.SOCK_SEQPACKET, take)
  }

  /**
   * Sends a packet, and waits if there is no room.
   *
   * @returns its size. Rejects with `TimeoutError`, `signal.reason`, `ERR_ASYNCFD_CLOSED`, `EPIPE` (the peer is gone), `EMSGSIZE`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (an empty buffer, a SharedArrayBuffer), `ERR_INVALID_STATE` (a detached buffer)
   */
  send(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    checkPacket(buffer, options)
    return sendMessage(this.port, buffer, options)
  }

  /**
   * Receives a packet, and waits if there is none.
   *
   * @returns how much of it is in the buffer; 0 at the end. Rejects as {@link send}
   * @throws as {@link send}
   */
  recv(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    checkPacket(buffer, options)
    return recvMessage(this.port, buffer, options)
  }

  /** As {@link UnixStream.peerCredentials}. @throws AsyncFdError `ERR_ASYNCFD_UNSUPPORTED`, `ERR_ASYNCFD_CLOSED` */
  peerCredentials(): PeerCredentials {
    return peerCredentials(this.port.open)
  }

  /**
   * As {@link send}, of a packet (one zero byte by default) with descriptors. They stay yours, and must stay open until then.
   *
   * @throws as {@link send}, and `ERR_OUT_OF_RANGE` (more than 253)
   */
  sendFds(fds: readonly FdSource[], buffer?: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return sendFds(this.port, fds, buffer, options)
  }

  /** As {@link recv}, with the descriptors of the packet. What only `recv` receives comes without: they are closed. @throws as {@link recv} */
  recvFds(buffer: ArrayBufferView, options?: RecvFdsOptions): Promise<ReceivedFds> {
    return recvFds(this.port, buffer, options)
  }
}

/**
 * Takes connections of packets. Closing removes the file that binding made, unless somebody put another there.
 *
 * @example
 * await using listener = await UnixSeqpacketListener.bind(path)
 * await using client = await UnixSeqpacket.connect(path)
 * const connection = await listener.accept()
 * await connection.send(Buffer.from('hello'))
 */
export class UnixSeqpacketListener extends UnixAcceptor<UnixSeqpacket> {
  /** Binds and listens, as {@link UnixListener.bind}. @throws as that */
  static override bind(path: UnixPath, options: UnixListenOptions = {}): Promise<UnixSeqpacketListener> {
    return listenUnix(constants.SOCK_SEQPACKET, path, options, (fd, file) => new UnixSeqpacketListener(fd, file))
  }

  /** @internal */
  protected override take(fd: number): UnixSeqpacket {
    return take(fd)
  }
}
