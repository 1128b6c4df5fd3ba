/**
 * Unix sockets that are streams of bytes.
 *
 * @module
 */
import { Interest } from '../interest.js'
import { Async } from '../io/async.js'
import { Kind } from '../io/kind.js'
import type { UnixAddress } from '../sys/address.js'
import { constants } from '../sys/constants.js'
import type { FdSource } from '../sys/fd-source.js'
import { localAddress, remoteAddress, shutdown } from '../sys/socket.js'
import type { WaitOptions } from '../wait.js'
import { directionOf, type ShutdownHow } from './shutdown.js'
import { owning } from './socket.js'
import { type ReadHalf, split, type WriteHalf } from './split.js'
import { named, type UnixPath } from './unix-address.js'
import { connectUnix, pairOf } from './unix-connect.js'
import { type PeerCredentials, peerCredentials, type ReceivedFds, type RecvFdsOptions, recvFds, sendFds } from './unix-passing.js'

/** A stream of a descriptor, which is closed if that throws. */
export function takeStream(fd: number): UnixStream {
  return owning(fd, () => new UnixStream(fd))
}

/**
 * A connection to a process of this host. Reading and writing it is {@link Async}'s.
 *
 * @example
 * // Needs: Docker
 * await using stream = await UnixStream.connect('/run/docker.sock', { timeout: 1000 })
 * await stream.writeAll(Buffer.from('GET /version HTTP/1.0\r\n\r\n'))
 * for await (const line of stream.lines({ timeout: 5000 })) console.log(line)
 */
export class UnixStream extends Async<number> {
  /**
   * Takes a connected, non-blocking Unix socket over, as one that came from `sys.accept`, or from another thread of this process.
   *
   * @throws as {@link Async}; the descriptor then stays the caller's
   */
  constructor(fd: number) {
    super(fd, { owned: true, nonblocking: 'already' }, { kind: Kind.socket, interest: Interest.READABLE | Interest.WRITABLE })
  }

  /**
   * Connects to a path, or an abstract name, which begins with `'\0'`. While the listener's backlog is full it tries again and again.
   *
   * @returns rejects with `ENOENT`, `ECONNREFUSED` (nobody listens), `EACCES`, with the path in `address`; with `TimeoutError`, `signal.reason`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`, `ENAMETOOLONG` (a path above 107 bytes; 103 on macOS)
   */
  static connect(path: UnixPath, options: WaitOptions = {}): Promise<UnixStream> {
    return connectUnix(constants.SOCK_STREAM, path, options, takeStream)
  }

  /** Two streams that are connected to each other. @throws AsyncFdError `EMFILE`, `ENFILE` */
  static pair(): [UnixStream, UnixStream] {
    return pairOf(constants.SOCK_STREAM, takeStream)
  }

  /** The name of this end; an empty path if it has none. @throws AsyncFdError `ERR_ASYNCFD_CLOSED` */
  get localAddress(): UnixAddress {
    return named(localAddress(this.open))
  }

  /** The name of the other end; an empty path if it has none. @throws AsyncFdError `ENOTCONN`, `ERR_ASYNCFD_CLOSED` */
  get remoteAddress(): UnixAddress {
    return named(remoteAddress(this.open))
  }

  /**
   * The process at the other end, as it was when it connected or listened: the kernel's word, not the peer's. Linux only.
   *
   * @throws AsyncFdError `ERR_ASYNCFD_UNSUPPORTED` elsewhere, `ERR_ASYNCFD_CLOSED`
   */
  peerCredentials(): PeerCredentials {
    return peerCredentials(this.open)
  }

  /** Two halves, one to read and one to write, that close the connection when both are closed. */
  split(): [ReadHalf, WriteHalf] {
    return split(this)
  }

  /** Ends a direction: `'write'` (default) tells the peer that no more comes, `'read'` has reads give 0. @throws AsyncFdError `ENOTCONN` */
  shutdown(how: ShutdownHow = 'write'): void {
    const direction = directionOf(how)
    shutdown(this.open, direction)
  }

  /**
   * Sends descriptors, along with the first of the bytes: a zero by default. They stay yours, and must stay open until then. Await writes
   * that are pending first, as it does not wait for them.
   *
   * @returns how many bytes were taken, at least one. Rejects as `write`; `EBADF` if one of them is not open, `ETOOMANYREFS`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_INVALID_STATE`, `ERR_OUT_OF_RANGE` (more than 253)
   * @example
   * const [ours, theirs] = UnixStream.pair()
   * await ours.sendFds([process.stderr])
   */
  sendFds(fds: readonly FdSource[], buffer?: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return sendFds(this.port, fds, buffer, options)
  }

  /**
   * Reads, with the descriptors that come along: at most those of one `sendFds`. What only `read` reads comes without: they are closed.
   *
   * @returns rejects as `read`
   * @throws as {@link sendFds}
   * @example
   * const [ours, theirs] = UnixStream.pair()
   * await ours.sendFds([process.stderr])
   * const { bytes, fds } = await theirs.recvFds(buffer, { maxFds: 1 })
   */
  recvFds(buffer: ArrayBufferView, options?: RecvFdsOptions): Promise<ReceivedFds> {
    return recvFds(this.port, buffer, options)
  }
}
