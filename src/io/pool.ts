/**
 * Blocks of memory for reads: taken when there is something to read, and given back at once, so that an idle stream has none
 * and a busy one reads into memory that is still in the cache. The native side takes blocks of the same pool.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import { BLOCK_BYTES, BLOCKS, NO_BLOCK } from '../board.js'
import { ON_NODE } from '../driver.js'
import { theReactor } from '../reactor.js'

/**
 * Bytes of a block: twice what is written most where much is written at once, which is 64 KiB. A read that comes short of its block was
 * the last for now; after a full one another has to ask, which costs a tenth of a large message, and often finds the next in parts.
 */
export const BLOCK = BLOCK_BYTES
/** From so many bytes on it costs less to read them to where they stay than to copy them there. */
const LARGE = 32 * 1024
/** Bytes that malloc may keep free at the top of its heap. Not twice as much as 32 MiB: larger pieces tell glibc nothing. */
const KEPT = 63 * 1024 * 1024
/** What WebAssembly counts memory by. */
const WASM_PAGE = 64 * 1024
/** What a block is filled with when it is given back, where this is asked for: chunks kept too long are seen. */
const POISON = 0xdb
const poison = !['', '0', undefined].includes(process.env.ASYNCFD_POISON)

/** What we use of `WebAssembly`, which Node's types do not declare. */
declare const WebAssembly: { Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer } }

/** A block in use. */
export interface Block {
  readonly bytes: Buffer
  /** Where they lie. To ask a Buffer for it, or for a part of itself, takes longer than all else of a small read. */
  readonly memory: ArrayBuffer
  readonly at: number
  /** Its number in the pool, or `NO_BLOCK` for one that is not of it: made since none was left, or to be its user's. */
  readonly number: number
  /** What was last lent of it: the next is as long more often than not. */
  lent: Buffer | null
}

let blocks: readonly Block[] | undefined

/**
 * Memory that nobody can detach, transfer or resize, as chunks of it are lent to users. Where it cannot be had (`--jitless`, a limit of
 * the address space) there is no pool: every block is made when it is needed.
 */
function make(): readonly Block[] {
  let memory: ArrayBuffer
  try {
    const pages = (BLOCKS * BLOCK) / WASM_PAGE
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer
  } catch {
    return []
  }
  theReactor().usePool(memory)
  return Array.from({ length: BLOCKS }, (_, number) => {
    const at = number * BLOCK
    return { bytes: Buffer.from(memory, at, BLOCK), memory, at, number, lent: null }
  })
}

/** Makes the pool if there is none yet. */
export function prepare(): void {
  blocks ??= make()
}

/** The block of a number that the native side has taken. */
export function blockOf(number: number): Block {
  return blocks![number]!
}

/** Takes a block, to be given back. */
export function take(): Block {
  prepare()
  const number = blocks!.length === 0 ? NO_BLOCK : theReactor().takeBlock()
  return number === NO_BLOCK ? takeOwn(BLOCK) : blocks![number]!
}

/** A block that was made and not needed. No user has ever seen it. */
let spare: Block | null = null

let keeping = false

/**
 * Has malloc keep what is freed. Chunks are freed by the garbage collector, 32 to 64 MB at a time, and glibc gives the kernel back what it has
 * free at the top of its heap, if that is more than a limit, 128 KiB at first: each page of the next chunks is asked for again then, and zeroed, which is
 * a quarter of the time of a stream of such. The limit becomes twice the largest piece that was ever freed, as it is in any program that
 * has had a large buffer; so one is, which is never written to.
 */
function keepFreed(): void {
  keeping = true
  try {
    new ArrayBuffer(KEPT / 2)
  } catch {
    // A limit of the address space.
  }
}

/** Takes a block of `size` bytes that is not of the pool, so that its user may have it: see {@link copyOut}. */
export function takeOwn(size: number): Block {
  const block = spare
  spare = null
  if (block !== null && block.bytes.length === size) return block
  if (!keeping) keepFreed()
  const bytes = Buffer.allocUnsafeSlow(size)
  return { bytes, memory: bytes.buffer as ArrayBuffer, at: 0, number: NO_BLOCK, lent: null }
}

type MakeBuffer = new (memory: ArrayBuffer, at: number, count: number) => Buffer

/** What Node makes Buffers by: `Buffer.from` takes twice as long, by looking at what it was given. */
const NodeBuffer = ON_NODE ? (Buffer as unknown as { [Symbol.species]?: MakeBuffer })[Symbol.species] : undefined

/** The first bytes of a block, as they lie there. */
export function firstBytes({ memory, at }: Block, count: number): Buffer {
  return NodeBuffer === undefined ? Buffer.from(memory, at, count) : new NodeBuffer(memory, at, count)
}

/** As {@link firstBytes}, for somebody who has them for a while: what was lent before is over, so that its Buffer can be lent again. */
export function lend(block: Block, count: number): Buffer {
  const { lent } = block
  if (lent !== null && lent.length === count) return lent
  block.lent = firstBytes(block, count)
  return block.lent
}

/** The bytes of a view, whatever its kind. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** Copies the first bytes of a block to the beginning of a view that has room for them. */
export function copyTo(view: ArrayBufferView, { memory, at }: Block, count: number): void {
  bytesOf(view).set(new Uint8Array(memory, at, count))
}

/**
 * How much memory of its own the read after one of `count` bytes had better have, which could have been `size`: none, 0, unless that was
 * large. An eighth more than that, so that as many again are known to be all; twice as much after one that was full.
 */
export function ownSize(count: number, size: number, most: number): number {
  if (count < LARGE) return 0
  return Math.min(count === size ? count * 2 : count + (count >> 3), most)
}

/** The first bytes of a block in memory of their own. The block is given back, or is that memory, if they are most of it. */
export function copyOut(block: Block, count: number): Buffer {
  if (block.number === NO_BLOCK && count > block.bytes.length / 2) return firstBytes(block, count)
  const copy = Buffer.allocUnsafe(count)
  copyTo(copy, block, count)
  giveUnseen(block)
  return copy
}

/** Gives a block back: what it holds is over. */
export function give({ bytes, number }: Block): void {
  if (poison) bytes.fill(POISON)
  theReactor().giveBack(number)
}

/** Gives back a block that no user has seen. */
export function giveUnseen(block: Block): void {
  if (block.number === NO_BLOCK) spare = block
  else give(block)
}
