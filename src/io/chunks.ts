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
import { BLOCK, type Block, copyOut, firstBytes, give, wastesLittle } from './pool.js'
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
  /** Bytes of a chunk, at most. The default, 65,536, is also the most. */
  size?: number | undefined
  /** Whether a chunk is memory of ours, which is yours only until the next is asked for. Default false: each is a copy of its own. */
  lend?: boolean | undefined
}

/** What reads for an iterator: the next chunk, or null at the end. */
export type ReadChunk = () => Promise<Buffer | null>

/** Chunks that live on. After a large one as much is expected of the next; after a full one twice as much, where that is allowed. */
class Copies implements Sink<Buffer | null> {
  readonly #port: Port
  readonly #most: number
  /** Bytes that the next is, at most. */
  size = BLOCK
  own = false

  constructor(port: Port, most: number) {
    this.#port = port
    this.#most = most
  }

  attempt(size: number): Buffer | null | WouldBlock {
    return this.#port.attemptReceive(size, this)
  }

  bytes(block: Block, count: number): Buffer {
    this.own = wastesLittle(count, this.size)
    if (!this.own) this.size = BLOCK
    else if (count === this.size) this.size = Math.min(count * 2, this.#most)
    return copyOut(block, count)
  }

  end(): null {
    return null
  }
}

/** Reads chunks that live on: copies. More than a block only where so much is there time after time, and `most` allows it. */
export function copyReader(port: Port, options?: WaitOptions, most = BLOCK): ReadChunk {
  const copies = new Copies(port, most)
  return () => port.receive(copies.size, copies, options)
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
class Chunks implements AsyncIterableIterator<Buffer>, Sink<IteratorResult<Buffer>> {
  readonly #port: Port
  readonly #size: number
  readonly #lend: boolean
  readonly #limits: WaitOptions | undefined
  /** The block that is lent out. */
  #lent: Block | null = null
  #done = false
  own = false

  constructor(port: Port, size: number, lend: boolean, limits: WaitOptions | undefined) {
    this.#port = port
    this.#size = size
    this.#lend = lend
    this.#limits = limits
  }

  next(): Promise<IteratorResult<Buffer>> {
    if (this.#lent !== null) this.takeBack()
    if (this.#done || this.#port.wasClosed) return Promise.resolve(this.end())
    return this.#port.receive(this.#size, this, this.#limits)
  }

  attempt(size: number): IteratorResult<Buffer> | WouldBlock {
    return this.#port.attemptReceive(size, this)
  }

  bytes(block: Block, count: number): IteratorResult<Buffer> {
    if (!this.#lend) {
      this.own = wastesLittle(count, this.#size)
      return { done: false, value: copyOut(block, count) }
    }
    this.#lent = block
    return { done: false, value: firstBytes(block, count) }
  }

  end(): IteratorResult<Buffer> {
    this.#done = true
    return { done: true, value: undefined }
  }

  whenClosed(): IteratorResult<Buffer> | undefined {
    return this.#port.wasClosed ? this.end() : undefined
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
