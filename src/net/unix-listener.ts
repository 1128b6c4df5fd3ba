/**
 * Listening for connections of this host.
 *
 * @module
 */
import { constants } from '../sys/constants.js'
import type { UnixPath } from './unix-address.js'
import { listenUnix, UnixAcceptor, type UnixListenOptions } from './unix-socket.js'
import { takeStream, type UnixStream } from './unix-stream.js'

/**
 * Takes connections to a path. Closing removes the file that binding made, unless somebody put another there.
 *
 * @example
 * await using listener = await UnixListener.bind(path, { mode: 0o660 })
 * await using client = await UnixStream.connect(path)
 * for await (const stream of listener.incoming()) {
 *   void serve(stream)
 *   break // or never
 * }
 */
export class UnixListener extends UnixAcceptor<UnixStream> {
  /**
   * Binds to a path, or an abstract name, which begins with `'\0'`, and listens. A file that is there already, in use or not, is
   * `EADDRINUSE`. A process that does not close leaves its file.
   *
   * @returns rejects with `EADDRINUSE`, `EACCES`, `ENOENT`, `ENOTDIR`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`, `ENAMETOOLONG` (a path above 107 bytes; 103 on macOS)
   */
  static override bind(path: UnixPath, options: UnixListenOptions = {}): Promise<UnixListener> {
    return listenUnix(constants.SOCK_STREAM, path, options, (fd, file) => new UnixListener(fd, file))
  }

  /** @internal */
  protected override take(fd: number): UnixStream {
    return takeStream(fd)
  }
}
