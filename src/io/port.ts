/**
 * The bytes of one descriptor, in and out: what `Async`, its iterators and its streams have in common.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import { AsyncFd } from '../async-fd.js'
import { invalidState } from '../errors.js'
import { Interest } from '../interest.js'
import { attempt } from '../ready-guard.js'
import { type Registration, readyMask } from '../registration.js'
import {
  byteLengthOf,
  failed,
  quickSize,
  recv,
  send,
  read as sysRead,
  write as sysWrite,
  trySend,
  tryWrite,
} from '../sys/bytes.js'
import { constants } from '../sys/constants.js'
import { shutdown } from '../sys/socket.js'
import { Pause, telling, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import type { Kind } from './kind.js'
import { Lane } from './lane.js'
import { Limit, type StreamTimeouts } from './limits.js'
import { type Block, bytesOf, copyTo, firstBytes, give, giveUnseen, take, takeOwn } from './pool.js'
import { Reader, type Sink } from './reader.js'

/** The most bytes that are read into a block and copied from there: that costs less than a read of their own. */
const COPIED = 16 * 1024

/** What a write that is over at once gives: one for all. */
const DONE = Promise.resolve()

/** How much of a buffer there is from `offset`. There was some when the operation began: nothing would be taken for the end of something. */
function sizeLeft(buffer: ArrayBufferView, offset: number, what: string): number {
  const size = quickSize(buffer) - offset
  if (size <= 0) throw invalidState(`the buffer was detached or shrunk while it was being ${what}`)
  return size
}

/** It is itself the sink of reads into a buffer. */
export class Port<T = unknown> implements Sink<number> {
  readonly #input: Reader
  /** Made for the first write: much only ever listens. */
  #written: Lane | null = null

  constructor(asyncFd: AsyncFd<T>, kind: Kind) {
    this.#input = new Reader(AsyncFd.registrationOf(asyncFd), kind.input, asyncFd)
  }

  get asyncFd(): AsyncFd<T> {
    return this.#input.owner as AsyncFd<T>
  }

  private output(): Lane {
    return this.#written ?? this.firstWrite()
  }

  private firstWrite(): Lane {
    const { registration, side, owner } = this.#input
    this.#written = new Lane(registration, side.kind.output, owner)
    return this.#written
  }

  private lane(interest: number): Lane {
    return interest === Interest.READABLE ? this.#input : this.output()
  }

  private registration(): Registration {
    return this.#input.registration
  }

  private isSocket(): boolean {
    return this.#input.side.kind.socket
  }

  get fd(): number {
    return this.registration().fd
  }

  get closed(): boolean {
    return this.registration().isEnded
  }

  /** Whether it was ended by its user, and not lost. */
  get wasClosed(): boolean {
    return this.registration().wasClosed
  }

  /** The number, as long as it is ours. Throws what ended it. */
  get open(): number {
    const error = AsyncFd.unusable(this.asyncFd)
    if (error !== null) throw error
    return this.fd
  }

  /** Why it cannot be used, as a rejection, or null. */
  private refusal(): Promise<never> | null {
    const error = AsyncFd.unusable(this.asyncFd)
    return error === null ? null : Promise.reject(error)
  }

  /** Calls a function of the user's until it does not block. */
  with<R>(interest: number, fn: (inner: T) => R | WouldBlock, options: WaitOptions | undefined): Promise<R> {
    const refusal = this.refusal()
    if (refusal !== null) return refusal
    const lane = this.lane(interest)
    if (lane === this.#input && this.#left !== null) {
      return Promise.reject(invalidState('bytes of a read whose buffer was detached are left, which come first; read() them'))
    }
    const { inner } = this.asyncFd
    const once = () => attempt(this.registration(), inner, fn)
    // It may know better than the readiness words do: a library has bytes of its own.
    lane.doubt()
    return lane.run(() => lane.attempt(once), options, false)
  }

  /** Makes a call of ours, if nothing speaks against that: `WouldBlock` if something does, or if it would. */
  now<R>(interest: number, call: (fd: number) => R | WouldBlock): R | WouldBlock {
    const lane = this.lane(interest)
    return lane.isOpen && AsyncFd.unusable(this.asyncFd) === null ? lane.attempt(call) : WouldBlock
  }

  /**
   * Makes a call of ours until it does not block. `check` throws what is wrong with its arguments, and is left out where the call
   * comes to something at once: it has looked at them itself then.
   */
  call<R>(
    interest: number,
    call: (fd: number) => R | WouldBlock,
    check: () => void,
    options: WaitOptions | undefined,
  ): Promise<R> {
    if (options === undefined) {
      let result: R | WouldBlock
      try {
        result = this.now(interest, call)
      } catch (error) {
        check()
        return Promise.reject(error)
      }
      if (result !== WouldBlock) return Promise.resolve(result)
    }
    check()
    const lane = this.lane(interest)
    return this.refusal() ?? lane.run(() => lane.attempt(call), options, false)
  }

  /** What a call just came to did the work of as many more: how much may complete at once in one iteration is limited. */
  charge(interest: number, more: number): void {
    this.lane(interest).charge(more)
  }

  read(buffer: ArrayBufferView, options: WaitOptions | undefined): Promise<number> {
    const size = this.sizeOf(buffer)
    const refusal = this.refusal()
    if (refusal !== null) return refusal
    if (size === 0) return Promise.resolve(0)
    // A second read is refused, and leaves the first alone.
    if (!this.#input.busy) this.#target = buffer
    // What is large is read to where it belongs, once it is there.
    if (size > COPIED) return this.#input.run(() => this.attemptRead(buffer), options, true)
    return this.#input.read(size, this, options)
  }

  /** Where the bytes of the last read go. */
  #target: ArrayBufferView | null = null

  /** Bytes that were read for somebody who could not take them. */
  #left: Buffer | null = null

  /**
   * Checks a buffer. Most readers use one over and over, and a look costs as much as the rest of a call: whether it is shared does
   * not change, whether it is detached shows in its length.
   */
  private sizeOf(buffer: ArrayBufferView): number {
    const quick = this.#target !== null && buffer === this.#target ? quickSize(buffer) : 0
    return quick > 0 ? quick : byteLengthOf('buffer', buffer)
  }

  attempt(): number | WouldBlock {
    return this.attemptRead(this.#target!)
  }

  bytes(block: Block, count: number): number {
    const buffer = this.#target!
    try {
      if (this.sizeOf(buffer) < count) throw invalidState('the buffer was shrunk while it was being read into')
      copyTo(buffer, block, count)
      return count
    } catch (error) {
      this.#left = Buffer.from(firstBytes(block, count))
      this.#input.doubt()
      throw error
    } finally {
      give(block)
    }
  }

  end(): number {
    return 0
  }

  /** Reads at most `size` bytes, into a block that `sink` gives back. */
  receive<R>(size: number, sink: Sink<R>, options: WaitOptions | undefined): Promise<R> {
    const refusal = this.refusal()
    if (refusal !== null) return refusal
    return this.#input.read(size, sink, options)
  }

  /** An attempt of such a read. */
  attemptReceive<R>(size: number, sink: Sink<R>): R | WouldBlock {
    if (this.#left === null && this.#input.mustWait) return WouldBlock
    const block = sink.own ? takeOwn(size) : take()
    let count: number | WouldBlock
    try {
      count = this.attemptRead(size === block.bytes.length ? block.bytes : block.bytes.subarray(0, size))
    } catch (error) {
      giveUnseen(block)
      throw error
    }
    if (typeof count === 'number' && count > 0) return sink.bytes(block, count)
    giveUnseen(block)
    return count === 0 ? sink.end() : WouldBlock
  }

  private attemptRead(buffer: ArrayBufferView): number | WouldBlock {
    const byteLength = sizeLeft(buffer, 0, 'read into')
    const left = this.#left
    if (left !== null) {
      const count = left.copy(bytesOf(buffer))
      this.#left = count < left.length ? left.subarray(count) : null
      return count
    }
    return this.#input.attempt((fd) => {
      if (this.isSocket()) return recv(fd, buffer, 0, byteLength)
      try {
        return sysRead(fd, buffer, 0, byteLength)
      } catch (error) {
        if (this.#input.side.kind.isEnd((error as { errno?: number }).errno)) return 0
        throw error
      }
    }, byteLength)
  }

  write(buffer: ArrayBufferView, options: WaitOptions | undefined): Promise<number> {
    const empty = byteLengthOf('buffer', buffer) === 0
    const refusal = this.refusal()
    if (refusal !== null) return refusal
    if (empty) return Promise.resolve(0)
    return this.output().run(() => this.attemptWrite(buffer, 0), options, true)
  }

  private attemptWrite(buffer: ArrayBufferView, offset: number): number | WouldBlock {
    const length = sizeLeft(buffer, offset, 'written')
    return this.output().attempt(
      (fd) => (this.isSocket() ? send(fd, buffer, offset, length) : sysWrite(fd, buffer, offset, length)),
      length,
    )
  }

  writeAll(buffer: ArrayBufferView, options?: WaitOptions): Promise<void> {
    // Mostly there is room, and nothing to be waited for: the call itself says what is wrong with its arguments.
    const now = options === undefined ? this.writeNow(buffer) : 0
    if (now > 0 && now === buffer.byteLength) return DONE
    const size = byteLengthOf('buffer', buffer)
    const refusal = this.refusal()
    if (refusal !== null) return refusal
    if (size === 0) return Promise.resolve()
    let written = Math.max(now, 0)
    const attemptAll = (): undefined | WouldBlock => {
      // A socket tells what became of it once: from then on it is EPIPE.
      if (now < 0) failed(now, this.isSocket() ? 'send' : 'write', this.fd, buffer, 0, undefined)
      do {
        const count = this.attemptWrite(buffer, written)
        if (typeof count !== 'number') return count
        written += count
      } while (written < size)
      return undefined
    }
    const done = this.output().run(attemptAll, options, true)
    if (written === size) return done
    return telling(done, options, () => ({ bytesWritten: written }))
  }

  /** Writes what there is room for without ado: how many bytes, 0 if that needs a closer look, or a negative errno. */
  writeNow(buffer: ArrayBufferView): number {
    const output = this.output()
    if (!ArrayBuffer.isView(buffer) || !output.isOpen || AsyncFd.unusable(this.asyncFd) !== null) return 0
    // No bytes at all would be an empty message to some.
    const count = quickSize(buffer) === 0 ? 0 : (this.isSocket() ? trySend : tryWrite)(this.fd, buffer)
    if (count > 0) output.activity += count
    return count
  }

  /** Lets `ms` milliseconds pass, more than 0, unless it is closed before. */
  pause(ms: number, signal: AbortSignal | undefined): Promise<undefined> {
    const refusal = this.refusal()
    return refusal ?? Pause.start(this.registration(), this.asyncFd, ms, signal)
  }

  /** No more will be written. Half-closes a socket, and does nothing elsewhere. */
  finish(): void {
    if (!this.closed && this.isSocket()) shutdown(this.fd, constants.SHUT_WR)
  }

  /** Numbers that grow as bytes move, and whether an exclusive operation is pending. */
  get activity(): { received: number; sent: number; reading: boolean; writing: boolean } {
    const [input, output] = [this.#input, this.#written]
    return { received: input.activity, sent: output?.activity ?? 0, reading: input.busy, writing: output?.busy ?? false }
  }

  /** Whether the kernel says, now, that a direction is ready. */
  probe(interest: number): boolean {
    try {
      return (this.registration().reactor.probe(this.fd, interest) & readyMask(interest)) !== 0
    } catch {
      return false // The descriptor is gone: the next call that uses it says so.
    }
  }

  /** The first of the limits of the whole. */
  #limits: Limit | null = null

  /** Replaces the limits of the whole. */
  setTimeouts(timeouts: StreamTimeouts): void {
    this.open
    this.#limits?.stop()
    this.#limits = Limit.start(this as Port, timeouts)
  }

  close(): Promise<void> {
    this.#limits?.stop()
    return this.asyncFd[Symbol.asyncDispose]()
  }

  /** Ends it: what is pending, and what comes later, rejects with `error`. */
  destroy(error?: Error): void {
    this.#limits?.stop()
    AsyncFd.closeWith(this.asyncFd, error)
  }
}
