/**
 * Iterating over what arrives.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import { ErrorCode, invalidArgType } from '../errors.js'
import { checkOptions, integer } from '../sys/result.js'
import { checkWaitOptions, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import { BLOCK, give, take } from './pool.js'
import type { Port } from './port.js'

export interface ChunkOptions extends WaitOptions {
  /** Bytes of a chunk, at most. The default, 65,536, is also the most. */
  size?: number | undefined
  /** Whether a chunk is memory of ours, which is yours only until the next is asked for. Default false: each is a copy of its own. */
  lend?: boolean | undefined
}

/** What reads for an iterator: the next chunk, or null at the end. */
export type ReadChunk = () => Promise<Buffer | null>

/**
 * Reads a chunk into a block of the pool and makes something of it, while nobody else has the block. With `keep` the block is not given
 * back, but handed over along with the chunk.
 */
function receive(port: Port, size: number, lend: Loan | null, options: WaitOptions | undefined): Promise<Buffer | null> {
  return port.receive<Buffer | null>((read) => {
    const block = take()
    let chunk: Buffer | null | WouldBlock = WouldBlock
    try {
      const count = read(block.length === size ? block : block.subarray(0, size))
      if (count === WouldBlock) return WouldBlock
      const bytes = block.subarray(0, count as number)
      chunk = count === 0 ? null : lend === null ? Buffer.from(bytes) : bytes
    } finally {
      if (lend !== null && Buffer.isBuffer(chunk)) lend.block = block
      else give(block)
    }
    return chunk
  }, options)
}

/** The block that an iterator has lent out. */
class Loan {
  block: Buffer | null = null

  end(): void {
    if (this.block !== null) give(this.block)
    this.block = null
  }
}

/** Reads chunks that live on: copies. */
export function copyReader(port: Port, size: number, options?: WaitOptions): ReadChunk {
  return () => receive(port, size, null, options)
}

/** Checks chunk options. @returns the size */
export function checkChunkOptions(options: ChunkOptions): number {
  checkOptions(options)
  checkWaitOptions(options)
  const { size = BLOCK, lend } = options
  if (lend !== undefined && typeof lend !== 'boolean') throw invalidArgType('options.lend', 'of type boolean', lend)
  return integer('options.size', size, 1, BLOCK)
}

export function chunks(port: Port, options: ChunkOptions = {}): AsyncIterableIterator<Buffer> {
  const size = checkChunkOptions(options)
  const { signal, timeout } = options
  const loan = options.lend === true ? new Loan() : null
  return iterate(port, () => receive(port, size, loan, { signal, timeout }), loan)
}

/**
 * Iterates until `next` gives null, or `async` is closed by its user. What `next` rejects with is thrown, and iterating may go on.
 */
export function iterate<C>(port: Port, next: () => Promise<C | null>, loan: Loan | null = null): AsyncIterableIterator<C> {
  let done = false
  const end = (): IteratorResult<C> => {
    done = true
    loan?.end()
    return { done: true, value: undefined }
  }
  return {
    async next() {
      if (done) return end()
      // A second call while the first is pending is refused by the read; the loan is not of that one.
      loan?.end()
      let value: C | null
      try {
        value = await next()
      } catch (error) {
        if (port.closed && (error as { code?: unknown } | null)?.code === ErrorCode.CLOSED) return end()
        throw error
      }
      return value === null ? end() : { done: false, value }
    },
    async return() {
      return end()
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
