/**
 * Datagrams between processes of this host.
 *
 * @module
 */
import { theReactor } from '../reactor.js'
import type { SocketAddressInput, UnixAddress } from '../sys/address.js'
import { byteLengthOf, isUint8Array } from '../sys/bytes.js'
import { constants } from '../sys/constants.js'
import { connect, sendTo } from '../sys/socket.js'
import { expired, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import { checkTransfer, recvMessage, recvMessageFrom, sendMessage } from './message.js'
import { withSocket } from './socket.js'
import { type UnixPath, unixAddress } from './unix-address.js'
import { nextPause, pairOf } from './unix-connect.js'
import { bindUnix, type UnixBindOptions, UnixSocket } from './unix-socket.js'

/**
 * A datagram that came.
 *
 * @example
 * await using receiver = await UnixDatagram.bind(path)
 * await receiver.sendTo(Buffer.from('to myself'), path)
 * const { bytes, address }: UnixReceived = await receiver.recvFrom(buffer)
 */
export interface UnixReceived {
  /** How much of it is in the buffer. */
  bytes: number
  /** Who sent it: an empty path if it has no name, a whole `sockaddr` if the name is no UTF-8. */
  address: UnixAddress | Uint8Array
}

/**
 * Sends and receives datagrams, none of which is lost, doubled or late: who sends waits while the receiver's queue is full. Any number
 * of operations may be pending.
 *
 * A datagram that is longer than the buffer is cut to it, and the rest of it is lost. An empty one is a datagram too: 0 bytes are not an
 * end. Closing removes the file that binding made, unless somebody put another there.
 *
 * @example
 * await using receiver = await UnixDatagram.bind(path)
 * await using log = UnixDatagram.unbound()
 * await log.sendTo(Buffer.from('<14>hello'), path, { timeout: 100 })
 * const { bytes } = await receiver.recvFrom(buffer)
 */
export class UnixDatagram extends UnixSocket {
  /**
   * Binds to a path, or an abstract name, which begins with `'\0'`. A file that is there already, in use or not, is `EADDRINUSE`.
   *
   * @returns rejects with `EADDRINUSE`, `EACCES`, `ENOENT`, `ENOTDIR`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`, `ENAMETOOLONG` (a path above 107 bytes; 103 on macOS)
   */
  static override bind(path: UnixPath, options: UnixBindOptions = {}): Promise<UnixDatagram> {
    return bindUnix(constants.SOCK_DGRAM, path, options, (fd, file) => new UnixDatagram(fd, file))
  }

  /** A socket without a name: it can send, and nobody can answer. @throws AsyncFdError `EMFILE`, `ENFILE` */
  static unbound(): UnixDatagram {
    return new UnixDatagram(withSocket(constants.AF_UNIX, constants.SOCK_DGRAM, (fd) => fd))
  }

  /** Two sockets that are connected to each other. @throws AsyncFdError `EMFILE`, `ENFILE` */
  static pair(): [UnixDatagram, UnixDatagram] {
    return pairOf(constants.SOCK_DGRAM, (fd) => new UnixDatagram(fd))
  }

  /**
   * Fixes the peer: `send` sends there, and nobody else's datagrams arrive any more. May be called again.
   *
   * @returns rejects with `ENOENT`, `ECONNREFUSED` (nobody has it open), `EACCES`, `EPROTOTYPE` (a socket of another type)
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ENAMETOOLONG`
   */
  connect(path: UnixPath): Promise<void> {
    const address = unixAddress(path, 'connect')
    return (async () => void connect(this.port.open, address))()
  }

  /**
   * Sends a datagram to the peer, and waits while its queue is full.
   *
   * @returns its size. Rejects with `TimeoutError`, `signal.reason`, `ERR_ASYNCFD_CLOSED`, `ENOTCONN` (no peer), `ECONNREFUSED` (the peer
   *   is gone), `EMSGSIZE`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (a SharedArrayBuffer), `ERR_INVALID_STATE` (a detached buffer)
   */
  send(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return sendMessage(this.port, buffer, options)
  }

  /**
   * Receives a datagram, and waits if there is none.
   *
   * @returns how much of it is in the buffer. Rejects as {@link send}
   * @throws as {@link send}
   */
  recv(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return recvMessage(this.port, buffer, options)
  }

  /**
   * Sends a datagram to a path, an abstract name, or what {@link recvFrom} gave as its sender.
   *
   * @returns its size. Rejects as {@link send}, and with `ENOENT`, `EACCES`, `EPROTOTYPE`
   * @throws as {@link send}, and `ENAMETOOLONG`
   */
  sendTo(buffer: ArrayBufferView, path: UnixPath | Uint8Array, options: WaitOptions = {}): Promise<number> {
    checkTransfer(buffer, options)
    if (isUint8Array(path)) byteLengthOf('path', path) // refuses what was detached
    const address: SocketAddressInput = isUint8Array(path) ? Uint8Array.from(path) : unixAddress(path, 'sendto')
    return this.#sendTo(buffer, address, { signal: options.signal, timeout: options.timeout })
  }

  /**
   * No event tells that the queue of who is not the peer has room again: writability says yes all the time, and each attempt that
   * fails is told of as a change of it. So it is attempted now and then.
   */
  async #sendTo(
    buffer: ArrayBufferView,
    address: SocketAddressInput,
    { signal, timeout = Infinity }: WaitOptions,
  ): Promise<number> {
    signal?.throwIfAborted()
    const begun = theReactor().now()
    for (let pause = nextPause(); ; pause = nextPause(pause)) {
      const sent = sendTo(this.port.open, buffer, address)
      if (sent !== WouldBlock) return sent as number
      const elapsed = theReactor().now() - begun
      if (elapsed >= timeout) throw expired(timeout, elapsed)
      await this.port.pause(Math.min(pause, timeout - elapsed), signal)
    }
  }

  /** As {@link recv}, and who sent it. @throws as {@link send} */
  recvFrom(buffer: ArrayBufferView, options?: WaitOptions): Promise<UnixReceived> {
    const nameless: UnixAddress = { path: '' }
    return recvMessageFrom(this.port, buffer, options).then(({ bytes, address = nameless }) => ({
      bytes,
      address: address as UnixReceived['address'],
    }))
  }
}
