/**
 * The two halves of a connection, for two parts of a program: one reads, the other writes.
 *
 * @module
 */
import type { Buffer } from 'node:buffer'
import type { Readable, Writable } from 'node:stream'
import type { Async } from '../io/async.js'
import type { ChunkOptions } from '../io/chunks.js'
import type { LineOptions } from '../io/lines.js'
import type { ReadableOptions, WritableOptions } from '../io/node-streams.js'
import type { WaitOptions } from '../wait.js'
import type { ShutdownHow } from './shutdown.js'

/** What can be split. */
export interface Splittable extends Async<number> {
  shutdown(how: ShutdownHow): void
}

/** Ends a connection with its second half. */
class Halves {
  #open = 2

  constructor(readonly stream: Splittable) {}

  /** One half is done with: its direction ends, and with the second the connection. */
  async end(how: ShutdownHow): Promise<void> {
    if (--this.#open === 0) return this.stream.close()
    try {
      if (!this.stream.closed) this.stream.shutdown(how)
    } catch (error) {
      // The peer is gone already.
      if ((error as { code?: unknown }).code !== 'ENOTCONN') throw error
    }
  }
}

/** What the halves have in common: the end. */
abstract class Half implements AsyncDisposable {
  readonly #halves: Halves
  readonly #direction: ShutdownHow
  #closed = false

  constructor(halves: Halves, direction: ShutdownHow) {
    this.#halves = halves
    this.#direction = direction
  }

  /** @internal */
  protected get stream(): Splittable {
    return this.#halves.stream
  }

  /** Whether this half, or the connection, is closed. */
  get closed(): boolean {
    return this.#closed || this.stream.closed
  }

  /** Ends this direction; with the other half the connection. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#halves.end(this.#direction)
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * The half that reads, with {@link Async}'s methods for that. Closing it ends reading; with the other half it closes the connection.
 *
 * @example
 * const [reader]: [ReadHalf, WriteHalf] = (await TcpStream.connect({ port })).split()
 * console.log(await reader.read(buffer, { timeout: 1000 }))
 * await reader.close()
 */
export class ReadHalf extends Half {
  /** @internal */
  constructor(halves: Halves) {
    super(halves, 'read')
  }

  /** As {@link Async.readable}. */
  readable(options?: WaitOptions): Promise<void> {
    return this.stream.readable(options)
  }

  /** As {@link Async.read}. */
  read(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return this.stream.read(buffer, options)
  }

  /** As {@link Async.chunks}. */
  chunks(options?: ChunkOptions): AsyncIterableIterator<Buffer> {
    return this.stream.chunks(options)
  }

  /** As {@link Async.lines}. */
  lines(options?: LineOptions): AsyncIterableIterator<string> {
    return this.stream.lines(options)
  }

  /** As `Async`'s; its end leaves the connection open. */
  toReadable(options?: Omit<ReadableOptions, 'autoClose'>): Readable {
    return this.stream.toReadable({ ...options, autoClose: false })
  }
}

/**
 * The half that writes, likewise. Closing it tells the peer that no more comes.
 *
 * @example
 * const [reader, writer]: [ReadHalf, WriteHalf] = (await TcpStream.connect({ port })).split()
 * await writer.writeAll(Buffer.from('that is all'))
 * await writer.close() // the peer sees the end, and may still answer
 * for await (const line of reader.lines()) console.log(line)
 */
export class WriteHalf extends Half {
  /** @internal */
  constructor(halves: Halves) {
    super(halves, 'write')
  }

  /** As {@link Async.writable}. */
  writable(options?: WaitOptions): Promise<void> {
    return this.stream.writable(options)
  }

  /** As {@link Async.write}. */
  write(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return this.stream.write(buffer, options)
  }

  /** As {@link Async.writeAll}. */
  writeAll(buffer: ArrayBufferView, options?: WaitOptions): Promise<void> {
    return this.stream.writeAll(buffer, options)
  }

  /** As `Async`'s; its end half-closes the connection, and leaves the rest of it open. */
  toWritable(options?: Omit<WritableOptions, 'autoClose'>): Writable {
    return this.stream.toWritable({ ...options, autoClose: false })
  }
}

export function split(stream: Splittable): [ReadHalf, WriteHalf] {
  const halves = new Halves(stream)
  return [new ReadHalf(halves), new WriteHalf(halves)]
}
