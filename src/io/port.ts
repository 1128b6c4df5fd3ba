/**
 * The bytes of one descriptor, in and out: what `Async`, its iterators and its streams have in common.
 *
 * @module
 */
import { AsyncFd } from '../async-fd.js'
import { Interest } from '../interest.js'
import { attempt } from '../ready-guard.js'
import type { Registration } from '../registration.js'
import { byteLengthOf, recv, send, read as sysRead, write as sysWrite } from '../sys/bytes.js'
import { constants } from '../sys/constants.js'
import { shutdown } from '../sys/socket.js'
import type { WaitOptions } from '../wait.js'
import type { WouldBlock } from '../would-block.js'
import type { Kind } from './kind.js'
import { Lane } from './lane.js'

/** Reads into memory that is chosen once something is there. */
export type ReadInto = (buffer: ArrayBufferView) => number | WouldBlock

export class Port<T = unknown> {
  readonly #asyncFd: AsyncFd<T>
  readonly #registration: Registration
  readonly #kind: Kind
  readonly #input: Lane
  readonly #output: Lane

  constructor(
    asyncFd: AsyncFd<T>,
    kind: Kind,
    /** What stays reachable while something is pending. */
    owner: unknown,
  ) {
    this.#asyncFd = asyncFd
    this.#registration = AsyncFd.registrationOf(asyncFd as AsyncFd<unknown>)
    this.#kind = kind
    this.#input = new Lane(this.#registration, Interest.READABLE, kind.shortIsAll, owner)
    this.#output = new Lane(this.#registration, Interest.WRITABLE, kind.shortIsAll, owner)
  }

  get fd(): number {
    return this.#registration.fd
  }

  get closed(): boolean {
    return this.#registration.isEnded
  }

  /** The number, as long as it is ours. Throws what ended it. */
  get open(): number {
    const error = AsyncFd.unusable(this.#asyncFd as AsyncFd<unknown>)
    if (error !== null) throw error
    return this.fd
  }

  /** Why it cannot be used, as a rejection, or null. */
  #refusal(): Promise<never> | null {
    const error = AsyncFd.unusable(this.#asyncFd as AsyncFd<unknown>)
    return error === null ? null : Promise.reject(error)
  }

  /** Calls a function of the user's until it does not block. */
  with<R>(interest: number, fn: (inner: T) => R | WouldBlock, options: WaitOptions | undefined): Promise<R> {
    const refusal = this.#refusal()
    if (refusal !== null) return refusal
    const lane = interest === Interest.READABLE ? this.#input : this.#output
    const { inner } = this.#asyncFd
    const once = () => attempt(this.#registration, inner, fn)
    // It may know better than the readiness words do: a library has bytes of its own.
    lane.doubt()
    return lane.run(() => lane.attempt(once), options, false)
  }

  read(buffer: ArrayBufferView, options: WaitOptions | undefined): Promise<number> {
    const empty = byteLengthOf('buffer', buffer) === 0
    const refusal = this.#refusal()
    if (refusal !== null) return refusal
    if (empty) return Promise.resolve(0)
    return this.#input.run(() => this.#attemptRead(buffer), options, true)
  }

  /** As {@link read}; what is read, and where to, is for `make` to say, which must call what it is given once. */
  receive<R>(make: (read: ReadInto) => R | WouldBlock, options: WaitOptions | undefined): Promise<R> {
    const refusal = this.#refusal()
    if (refusal !== null) return refusal
    return this.#input.run(() => make(this.#attemptRead), options, true)
  }

  readonly #attemptRead = (buffer: ArrayBufferView): number | WouldBlock => {
    const { byteLength } = buffer
    return this.#input.attempt((fd) => {
      if (this.#kind.socket) return recv(fd, buffer, 0, byteLength)
      try {
        return sysRead(fd, buffer, 0, byteLength)
      } catch (error) {
        if (this.#kind.isEnd(error)) return 0
        throw error
      }
    }, byteLength)
  }

  write(buffer: ArrayBufferView, options: WaitOptions | undefined): Promise<number> {
    const empty = byteLengthOf('buffer', buffer) === 0
    const refusal = this.#refusal()
    if (refusal !== null) return refusal
    if (empty) return Promise.resolve(0)
    return this.#output.run(() => this.#attemptWrite(buffer, 0), options, true)
  }

  #attemptWrite(buffer: ArrayBufferView, offset: number): number | WouldBlock {
    const length = buffer.byteLength - offset
    return this.#output.attempt(
      (fd) => (this.#kind.socket ? send(fd, buffer, offset, length) : sysWrite(fd, buffer, offset, length)),
      length,
    )
  }

  async writeAll(buffer: ArrayBufferView, options?: WaitOptions): Promise<void> {
    const size = byteLengthOf('buffer', buffer)
    let written = 0
    const attemptAll = (): undefined | WouldBlock => {
      do {
        const count = this.#attemptWrite(buffer, written)
        if (typeof count !== 'number') return count
        written += count
      } while (written < size)
      return undefined
    }
    const refusal = this.#refusal()
    if (refusal !== null) return refusal
    if (size === 0) return
    try {
      await this.#output.run(attemptAll, options, true)
    } catch (error) {
      if (error instanceof Error && error !== options?.signal?.reason) Object.assign(error, { bytesWritten: written })
      throw error
    }
  }

  /** No more will be written. Half-closes a socket, and does nothing elsewhere. */
  finish(): void {
    if (!this.closed && this.#kind.socket) shutdown(this.fd, constants.SHUT_WR)
  }

  close(): Promise<void> {
    return this.#asyncFd[Symbol.asyncDispose]()
  }

  destroy(): void {
    this.#asyncFd.close()
  }
}
