/**
 * Iterating over what arrives.
 *
 * @module
 */
import type { Buffer } from 'node:buffer'
import { invalidArgType } from '../errors.js'
import { checkOptions, integer } from '../sys/result.js'
import { checkWaitOptions, type WaitOptions } from '../wait.js'
import type { WouldBlock } from '../would-block.js'
import { BLOCK, type Block, copyOut, give, lend, ownSize } from './pool.js'
import type { Port } from './port.js'
import type { Sink } from './reader.js'

/**
 * How to iterate over what arrives.
 *
 * @example
 * let total = 0
 * const options: ChunkOptions = { lend: true, timeout: 5000 }
 * for await (const chunk of async.chunks(options)) total += chunk.length // not to be kept: the memory is lent
 */
export interface ChunkOptions extends WaitOptions {
  /** Bytes of a chunk, at most. The default, 131,072, is also the most. */
  size?: number | undefined
  /** Whether a chunk, the Buffer with its memory, is ours, and yours only until the next is asked for. Default false: each is a copy of its own. */
  lend?: boolean | undefined
}

/** What reads for an iterator: the next chunk, or null at the end. */
export type ReadChunk = () => Promise<Buffer | null>

/** What is read chunk by chunk. After a large one as much is expected of the next. */
abstract class Chunkwise<R> implements Sink<R> {
  readonly #port: Port
  /** Bytes that a chunk has, at most. */
  readonly #most: number
  /** Bytes that the next has, at most. */
  #size: number
  own = false

  constructor(port: Port, most: number) {
    this.#port = port
    this.#most = most
    this.#size = Math.min(most, BLOCK)
  }

  protected get wasClosed(): boolean {
    return this.#port.wasClosed
  }

  /** Reads the next. */
  receive(limits?: WaitOptions): Promise<R> {
    return this.#port.receive(this.#size, this, limits)
  }

  attempt(size: number): R | WouldBlock {
    return this.#port.attemptReceive(size, this)
  }

  /** A chunk that lives on. */
  protected copy(block: Block, count: number): Buffer {
    const own = this.allowsSpare(count, this.#size) ? ownSize(count, this.#size, this.#most) : 0
    this.own = own > 0
    this.#size = own || Math.min(this.#most, BLOCK)
    return copyOut(block, count)
  }

  /** Whether the one after a chunk of `count` bytes, which could have been `size`, may have more memory than it needs. */
  protected allowsSpare(_count: number, _size: number): boolean {
    return true
  }

  abstract bytes(block: Block, count: number): R
  abstract end(): R
}

/** Chunks that live on. */
class Copies extends Chunkwise<Buffer | null> {
  bytes(block: Block, count: number): Buffer {
    return this.copy(block, count)
  }

  end(): null {
    return null
  }
}

/** Chunks that have nothing else in their memory, at best: they are read to where they stay only while each fills that. */
class ExactCopies extends Copies {
  protected override allowsSpare(count: number, size: number): boolean {
    return count === size
  }
}

/** Reads chunks that live on: copies. More than a block only where so much is there time after time, and `most` allows it. */
export function copyReader(port: Port, options?: WaitOptions, most = BLOCK): ReadChunk {
  const copies = new Copies(port, most)
  return () => copies.receive(options)
}

/** As {@link copyReader}, for who needs chunks that are all of their memory, and copies others once more. */
export function exactReader(port: Port): ReadChunk {
  const copies = new ExactCopies(port, BLOCK)
  return () => copies.receive()
}

/** Checks chunk options. @returns the size */
function checkChunkOptions(options: ChunkOptions): number {
  checkOptions(options)
  checkWaitOptions(options)
  const { size = BLOCK, lend } = options
  if (lend !== undefined && typeof lend !== 'boolean') throw invalidArgType('options.lend', 'of type boolean', lend)
  return integer('options.size', size, 1, BLOCK)
}

/** Iterates over chunks: each call is one read, whose result is the iterator's. */
class Chunks extends Chunkwise<IteratorResult<Buffer>> implements AsyncIterableIterator<Buffer> {
  readonly #lend: boolean
  readonly #limits: WaitOptions | undefined
  /** The block that is lent out. */
  #lent: Block | null = null
  #done = false

  constructor(port: Port, size: number, lend: boolean, limits: WaitOptions | undefined) {
    super(port, size)
    this.#lend = lend
    this.#limits = limits
  }

  next(): Promise<IteratorResult<Buffer>> {
    if (this.#lent !== null) this.takeBack()
    if (this.#done || this.wasClosed) return Promise.resolve(this.end())
    return this.receive(this.#limits)
  }

  bytes(block: Block, count: number): IteratorResult<Buffer> {
    if (!this.#lend) return { done: false, value: this.copy(block, count) }
    this.#lent = block
    return { done: false, value: lend(block, count) }
  }

  end(): IteratorResult<Buffer> {
    this.#done = true
    return { done: true, value: undefined }
  }

  whenClosed(): IteratorResult<Buffer> | undefined {
    return this.wasClosed ? this.end() : undefined
  }

  return(): Promise<IteratorResult<Buffer>> {
    if (this.#lent !== null) this.takeBack()
    return Promise.resolve(this.end())
  }

  private takeBack(): void {
    give(this.#lent!)
    this.#lent = null
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

export function chunks(port: Port, options: ChunkOptions = {}): AsyncIterableIterator<Buffer> {
  const size = checkChunkOptions(options)
  const { signal, timeout, lend = false } = options
  return new Chunks(port, size, lend, signal === undefined && timeout === undefined ? undefined : { signal, timeout })
}

/**
 * Iterates until `next` gives null, or the port is closed by its user. What `next` rejects with is thrown, and iterating may go on.
 * `now`, where it is given, is asked first, for what is there at once.
 */
export function iterate<C>(port: Port, next: () => Promise<C | null>, now?: () => C | undefined): AsyncIterableIterator<C> {
  let done = false
  const end = (): IteratorResult<C> => {
    done = true
    return { done: true, value: undefined }
  }
  const wait = async (): Promise<IteratorResult<C>> => {
    if (done) return end()
    let value: C | null
    try {
      value = await next()
    } catch (error) {
      if (port.wasClosed) return end()
      throw error
    }
    return value === null ? end() : { done: false, value }
  }
  return {
    next() {
      let value: C | undefined
      try {
        value = done ? undefined : now?.()
      } catch (error) {
        return Promise.reject(error)
      }
      return value === undefined ? wait() : Promise.resolve({ done: false, value })
    },
    async return() {
      return end()
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
