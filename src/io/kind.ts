/**
 * What kind of file a descriptor is, as far as reading and writing it goes. `crates/core/src/sys/kind.rs` decides.
 *
 * @module
 */
import { constants } from 'node:os'
import { Interest, Ready } from '../interest.js'
import { readyMask } from '../registration.js'
import { kind } from '../sys/descriptor.js'

const SOCKET = 1
const TCP = 2
const PIPE = 3
const CHARACTER_DEVICE = 4

/** A direction of a kind: what all of its lanes have in common. */
export interface Side {
  readonly kind: Kind
  /** `Interest.READABLE` or `Interest.WRITABLE`. */
  readonly interest: number
  /** The ready bits that a lane waits for. */
  readonly mask: number
}

/** There is one of each, shared by all descriptors of that kind. */
export class Kind {
  /** Read and written by `recv` and `send`. */
  readonly socket: boolean
  /** Whether a transfer that is shorter than asked means that the next one would block, so that it needs no attempt. */
  readonly shortIsAll: boolean
  readonly input: Side
  readonly output: Side
  readonly #device: boolean

  private constructor(kind: number) {
    this.socket = kind === SOCKET || kind === TCP
    this.shortIsAll = kind === TCP || kind === PIPE
    this.#device = kind === CHARACTER_DEVICE
    this.input = { kind: this, interest: Interest.READABLE, mask: readyMask(Interest.READABLE) | Ready.PRIORITY }
    this.output = { kind: this, interest: Interest.WRITABLE, mask: readyMask(Interest.WRITABLE) }
  }

  static readonly #all = [0, SOCKET, TCP, PIPE, CHARACTER_DEVICE].map((kind) => new Kind(kind))

  static readonly tcp = Kind.#all[TCP]!
  static readonly socket = Kind.#all[SOCKET]!

  /** Asks the kernel. @throws EBADF */
  static of(fd: number): Kind {
    return Kind.#all[kind(fd)]!
  }

  /** Whether a negative errno of a read is how a terminal says that its other end is closed. */
  isEnd(errno: number | undefined): boolean {
    return this.#device && errno === -constants.errno.EIO
  }
}
