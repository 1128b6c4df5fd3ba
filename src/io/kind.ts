/**
 * What kind of file a descriptor is, as far as reading and writing it goes. `crates/core/src/sys/kind.rs` decides.
 *
 * @module
 */
import { constants } from 'node:os'
import { kind } from '../sys/descriptor.js'

const SOCKET = 1
const TCP = 2
const PIPE = 3
const CHARACTER_DEVICE = 4

export class Kind {
  /** Read and written by `recv` and `send`. */
  readonly socket: boolean
  /** Whether a short read means that nothing more is there, and a short write that there is no more room. */
  readonly shortIsAll: boolean
  readonly #device: boolean

  constructor(kind: number) {
    this.socket = kind === SOCKET || kind === TCP
    this.shortIsAll = kind === TCP || kind === PIPE
    this.#device = kind === CHARACTER_DEVICE
  }

  /** Asks the kernel. @throws EBADF */
  static of(fd: number): Kind {
    return new Kind(kind(fd))
  }

  static readonly tcp = new Kind(TCP)
  static readonly socket = new Kind(SOCKET)

  /** Whether a negative errno of a read is how a terminal says that its other end is closed. */
  isEnd(errno: number | undefined): boolean {
    return this.#device && errno === -constants.errno.EIO
  }
}
