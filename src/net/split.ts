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

/** The half that reads, with {@link Async}'s methods for that. Closing it ends reading; with the other half it closes the connection. */
export class ReadHalf implements AsyncDisposable {
  readonly #halves: Halves
  #closed = false

  /** @internal */
  constructor(halves: Halves) {
    this.#halves = halves
  }

  get closed(): boolean {
    return this.#closed || this.#halves.stream.closed
  }

  readable(options?: WaitOptions): Promise<void> {
    return this.#halves.stream.readable(options)
  }

  read(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return this.#halves.stream.read(buffer, options)
  }

  chunks(options?: ChunkOptions): AsyncIterableIterator<Buffer> {
    return this.#halves.stream.chunks(options)
  }

  lines(options?: LineOptions): AsyncIterableIterator<string> {
    return this.#halves.stream.lines(options)
  }

  /** As `Async`'s; its end leaves the connection open. */
  toReadable(options?: Omit<ReadableOptions, 'autoClose'>): Readable {
    return this.#halves.stream.toReadable({ ...options, autoClose: false })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#halves.end('read')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** The half that writes, likewise. Closing it tells the peer that no more comes. */
export class WriteHalf implements AsyncDisposable {
  readonly #halves: Halves
  #closed = false

  /** @internal */
  constructor(halves: Halves) {
    this.#halves = halves
  }

  get closed(): boolean {
    return this.#closed || this.#halves.stream.closed
  }

  writable(options?: WaitOptions): Promise<void> {
    return this.#halves.stream.writable(options)
  }

  write(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return this.#halves.stream.write(buffer, options)
  }

  writeAll(buffer: ArrayBufferView, options?: WaitOptions): Promise<void> {
    return this.#halves.stream.writeAll(buffer, options)
  }

  /** As `Async`'s; its end half-closes the connection, and leaves the rest of it open. */
  toWritable(options?: Omit<WritableOptions, 'autoClose'>): Writable {
    return this.#halves.stream.toWritable({ ...options, autoClose: false })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#halves.end('write')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export function split(stream: Splittable): [ReadHalf, WriteHalf] {
  const halves = new Halves(stream)
  return [new ReadHalf(halves), new WriteHalf(halves)]
}
