/**
 * `Async`: bytes of any pollable descriptor, as async-io's. It does the I/O and waits where that would block.
 *
 * @module
 */
import type { Buffer } from 'node:buffer'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import { AsyncFd } from '../async-fd.js'
import { invalidArgType, invalidArgValue } from '../errors.js'
import { Interest } from '../interest.js'
import type { NotPromise } from '../ready-guard.js'
import type { FdSource } from '../sys/fd-source.js'
import { checkOptions } from '../sys/result.js'
import { checkWaitOptions, type WaitOptions } from '../wait.js'
import type { WouldBlock } from '../would-block.js'
import { type ChunkOptions, chunks } from './chunks.js'
import { Kind } from './kind.js'
import { readTimeouts, type StreamTimeouts } from './limits.js'
import { type LineOptions, lines } from './lines.js'
import {
  type DuplexOptions,
  type ReadableOptions,
  toDuplex,
  toReadable,
  toWritable,
  type WritableOptions,
} from './node-streams.js'
import { Port } from './port.js'
import { readableStream, writableStream } from './web-streams.js'

/**
 * How an {@link Async} takes a descriptor over.
 *
 * @example
 * const options: AsyncOptions = { owned: true, nonblocking: 'already' } // what asyncfd/sys opens does not block
 * await using reader = new Async(sys.open(fifo, sys.constants.O_RDONLY), options)
 * const count = await reader.read(buffer)
 */
export interface AsyncOptions {
  /** The descriptor of an object that has none in an `fd` property. */
  fd?: number | undefined
  /** Whether `close()` also ends `inner`: a number by `close(2)`, an object by its own dispose or close. Default false. */
  owned?: boolean | undefined
  /** `'set'` (default) sets O_NONBLOCK, `'already'` trusts that it is set, and saves two system calls. */
  nonblocking?: 'set' | 'already' | undefined
}

/** What a subclass knows of its descriptor. */
export interface Known {
  kind: Kind
  /** What may be waited for. */
  interest: number
}

/**
 * Reads and writes any descriptor that can be polled, without blocking: sockets, pipes, FIFOs, terminals, serial lines, devices.
 * Each operation is attempted first, and waits only if it would block.
 *
 * One read and one write may be pending at a time. An abort or an expiry never loses bytes: a read that has happened wins.
 * O_NONBLOCK is set on the descriptor, for all who share its open file.
 *
 * @example
 * // Needs: a serial line
 * await using serial = new Async(sys.open('/dev/ttyUSB0', sys.constants.O_RDWR), { owned: true })
 * await serial.writeAll(Buffer.from('AT\r\n'), { timeout: 1000 })
 * for await (const line of serial.lines({ timeout: 5000 })) console.log(line)
 */
export class Async<T = number> implements AsyncDisposable {
  /** @internal */
  protected readonly port: Port<T>

  /**
   * Takes the descriptor over.
   *
   * @throws TypeError, RangeError `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`: before anything happened
   * @throws AsyncFdError `EPERM` (regular files), `EBADF`, `EEXIST` (registered already). Nothing stays registered.
   */
  constructor(inner: T & FdSource, options?: AsyncOptions)
  constructor(inner: T, options: AsyncOptions & { fd: number })
  /** @internal */
  constructor(inner: T & FdSource, options: AsyncOptions, known: Known)
  constructor(inner: T, options: AsyncOptions = {}, known?: Known) {
    checkOptions(options)
    const { fd, owned, nonblocking = 'set' } = options
    if (nonblocking !== 'set' && nonblocking !== 'already') {
      throw invalidArgValue('options.nonblocking', "must be one of: 'set', 'already'", nonblocking)
    }
    const asyncFd = new AsyncFd(inner as T & FdSource, {
      fd,
      owned,
      nonblocking: nonblocking === 'set' ? 'set' : 'leave',
      interest: known?.interest ?? Interest.READABLE | Interest.WRITABLE | Interest.PRIORITY,
    })
    try {
      this.port = new Port(asyncFd, known?.kind ?? Kind.of(asyncFd.fd))
    } catch (error) {
      asyncFd.intoInner()
      throw error
    }
  }

  /** The object given to the constructor. */
  get inner(): T {
    return this.port.asyncFd.inner
  }

  /** The number that was registered. */
  get fd(): number {
    return this.port.asyncFd.fd
  }

  /** @internal The number, as long as it is ours. @throws AsyncFdError `ERR_ASYNCFD_CLOSED`, `ERR_ASYNCFD_FD_REUSED` */
  protected get open(): number {
    return this.port.open
  }

  /** Whether it ended: by `close()`, `destroy()` or `intoInner()`, or since its descriptor was lost. */
  get closed(): boolean {
    return this.port.asyncFd.closed
  }

  /** Waits until a read would not block: data, the end, or an error. It may be spurious. */
  async readable(options?: WaitOptions): Promise<void> {
    await this.port.asyncFd.readable(options)
  }

  /** Waits until a write would not block. It may be spurious. */
  async writable(options?: WaitOptions): Promise<void> {
    await this.port.asyncFd.writable(options)
  }

  /**
   * Calls `fn`, and again with each event for as long as it says `WouldBlock` (or throws EAGAIN). Any other result or error ends it.
   * For system calls of your own; several may be pending.
   *
   * @example
   * const { fds } = await socket.readWith((inner) => sys.recvMsg(inner, [buffer], { maxFds: 1 }))
   */
  readWith<R>(fn: (inner: T) => NotPromise<R> | WouldBlock, options?: WaitOptions): Promise<R> {
    return Async.#with(this, Interest.READABLE, fn, options)
  }

  /** As {@link readWith}, for writing. */
  writeWith<R>(fn: (inner: T) => NotPromise<R> | WouldBlock, options?: WaitOptions): Promise<R> {
    return Async.#with(this, Interest.WRITABLE, fn, options)
  }

  static #with<T, R>(
    { port }: Async<T>,
    interest: number,
    fn: (inner: T) => NotPromise<R> | WouldBlock,
    options: WaitOptions | undefined,
  ): Promise<R> {
    if (typeof fn !== 'function') throw invalidArgType('fn', 'of type function', fn)
    if (options !== undefined) checkWaitOptions(options)
    return port.with(interest, fn as (inner: T) => R | WouldBlock, options)
  }

  /**
   * Reads what is there, up to the size of `buffer`, and waits if nothing is.
   *
   * @returns the number of bytes; 0 at the end, or if `buffer` is empty. Rejects with `TimeoutError`, `signal.reason`,
   *   `ERR_ASYNCFD_BUSY` while another read is pending, `ERR_ASYNCFD_CLOSED`, or read(2)'s errors
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (a SharedArrayBuffer), `ERR_INVALID_STATE` (a detached buffer)
   */
  read(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    if (options !== undefined) checkWaitOptions(options)
    return this.port.read(buffer, options)
  }

  /**
   * Writes as much as there is room for, and waits if there is none.
   *
   * @returns the number of bytes that were taken, at least one unless `buffer` is empty. Rejects as {@link read} does
   * @throws as {@link read}
   */
  write(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    if (options !== undefined) checkWaitOptions(options)
    return this.port.write(buffer, options)
  }

  /**
   * Writes all of `buffer`, which must not be changed until then. Its errors carry `bytesWritten`, except an abort's, which is
   * `signal.reason` as it is.
   *
   * @throws as {@link read}
   */
  writeAll(buffer: ArrayBufferView, options?: WaitOptions): Promise<void> {
    if (options !== undefined) checkWaitOptions(options)
    return this.port.writeAll(buffer, options)
  }

  /**
   * What arrives, as it arrives, until the end: `for await (const chunk of async.chunks())`. Nothing is read while nobody asks. `close()`
   * ends it; an abort or expiry (of each chunk) throws, after which it may be called again and has lost nothing.
   *
   * With `lend` a chunk is memory of ours that is yours only until the next is asked for: fastest, for who is done with it by then.
   */
  chunks(options?: ChunkOptions): AsyncIterableIterator<Buffer> {
    return chunks(this.port, options)
  }

  /**
   * Lines of text, without their ends. What follows the last delimiter comes last, unless it is empty. As {@link chunks} otherwise.
   *
   * @example
   * for await (const line of async.lines({ maxLength: 4096 })) console.log(line)
   */
  lines(options?: LineOptions): AsyncIterableIterator<string> {
    return lines(this.port, options)
  }

  /** A Node stream of what arrives. It reads only while there is room. */
  toReadable(options?: ReadableOptions): Readable {
    return toReadable(this.port, options)
  }

  /** A Node stream that writes. Its end half-closes a socket. */
  toWritable(options?: WritableOptions): Writable {
    return toWritable(this.port, options)
  }

  /** A Node stream of both directions, for whatever takes a socket. */
  toDuplex(options?: DuplexOptions): Duplex {
    return toDuplex(this.port, options)
  }

  #web: { readable?: ReadableStream<Uint8Array>; writable?: WritableStream<Uint8Array> } | undefined

  /** A web byte stream of what arrives; always the same. Cancelling it closes this. */
  get readableStream(): ReadableStream<Uint8Array> {
    this.#web ??= {}
    this.#web.readable ??= readableStream(this.port)
    return this.#web.readable
  }

  /** A web stream that writes; always the same. Closing it half-closes a socket, aborting it destroys this. */
  get writableStream(): WritableStream<Uint8Array> {
    this.#web ??= {}
    this.#web.writable ??= writableStream(this.port)
    return this.#web.writable
  }

  /**
   * Limits of the whole, which replace those that were set before; `{}` takes them away. When one passes this is destroyed: what is
   * pending, and what comes later, rejects with a `TimeoutError` that has its `phase`. Before that the kernel is asked: a peer that
   * has done its part is not blamed for a blocked event loop. A limit is never early; `read`, `write` and `idle`, which cost nothing
   * per packet, are up to a tenth late.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`; AsyncFdError `ERR_ASYNCFD_CLOSED`
   * @example
   * async.setTimeouts({ idle: 30_000, write: 5000 })
   */
  setTimeouts(timeouts: StreamTimeouts): this {
    this.port.setTimeouts(readTimeouts(timeouts))
    return this
  }

  /** Gives `inner` back, open and free to be used otherwise. What is pending rejects with `ERR_ASYNCFD_CLOSED`. */
  intoInner(): T {
    const inner = this.port.asyncFd.intoInner()
    this.port.destroy()
    return inner
  }

  /** Ends it, and `inner` if it is owned. What is pending rejects with `ERR_ASYNCFD_CLOSED`. Resolves when `inner` has ended. */
  close(): Promise<void> {
    return this.port.close()
  }

  /** As {@link close}, without waiting for anything. */
  destroy(): void {
    this.port.destroy()
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What is pending keeps the process alive. The default. */
  ref(): this {
    this.port.asyncFd.ref()
    return this
  }

  /** What is pending does not keep the process alive. */
  unref(): this {
    this.port.asyncFd.unref()
    return this
  }

  /** Whether something pending keeps the process alive now. */
  hasRef(): boolean {
    return this.port.asyncFd.hasRef()
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this.constructor.name} { fd: ${this.fd}, ${this.closed ? 'closed' : 'open'} }`
  }
}
