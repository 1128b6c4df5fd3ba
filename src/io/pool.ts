/**
 * Blocks of memory for reads: taken when there is something to read, and given back at once, so that an idle stream has none
 * and a busy one reads into memory that is still in the cache.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import process from 'node:process'

/** Bytes of a block. */
export const BLOCK = 64 * 1024
/** Blocks there are; more than that lent at once are made one by one. */
const BLOCKS = 32
/** What a block is filled with when it is given back, where this is asked for: chunks kept too long are seen. */
const POISON = 0xdb
const poison = !['', '0', undefined].includes(process.env.ASYNCFD_POISON)

/** What we use of `WebAssembly`, which Node's types do not declare. */
declare const WebAssembly: { Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer } }

/** The last given back is the next to be taken. */
const free: Buffer[] = []
let made = false

/**
 * Memory that nobody can detach, transfer or resize: chunks of it are lent to users. Where it cannot be had (`--jitless`, a limit of
 * the address space) ordinary memory does, which is looked at anew for every read.
 */
function make(): void {
  made = true
  let memory: ArrayBuffer
  try {
    memory = new WebAssembly.Memory({ initial: BLOCKS, maximum: BLOCKS }).buffer
  } catch {
    memory = new ArrayBuffer(BLOCKS * BLOCK)
  }
  for (let i = BLOCKS - 1; i >= 0; i--) free.push(Buffer.from(memory, i * BLOCK, BLOCK))
}

/** A block, to be given back. */
export function take(): Buffer {
  if (!made) make()
  return free.pop() ?? Buffer.allocUnsafeSlow(BLOCK)
}

/** Gives a block back: what it holds is over. */
export function give(block: Buffer): void {
  if (poison) block.fill(POISON)
  // A user who transferred ordinary memory away keeps it.
  if (block.length === BLOCK && free.length < BLOCKS) free.push(block)
}
