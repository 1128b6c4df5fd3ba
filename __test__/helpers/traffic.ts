/**
 * Bytes through connections, in both directions at once, written and read in every way there is, with aborts, expiries and pauses at
 * random: what arrives is what was sent.
 */
import { createHash, type Hash } from 'node:crypto'
import type { Async } from 'asyncfd'
import type { Random } from './random.js'

/** What a direction carried. */
export interface Carried {
  bytes: number
  /** Operations that an abort or an expiry ended. */
  ended: number
}

const SOURCE = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24))

class Limits {
  ended = 0
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** Options of which many end the operation. */
  options(): { signal?: AbortSignal; timeout?: number } {
    const random = this.#random
    switch (random.below(8)) {
      case 0:
        return { timeout: random.below(4) / 8 }
      case 1: {
        const controller = new AbortController()
        queueMicrotask(() => controller.abort(this))
        return { signal: controller.signal }
      }
      case 2: {
        const controller = new AbortController()
        setImmediate(() => controller.abort(this))
        return { signal: controller.signal, timeout: 1000 }
      }
      default:
        return {}
    }
  }

  /** Passes on what is no limit. */
  check(error: unknown): void {
    if (error !== this && (error as { code?: unknown } | null)?.code !== 'ETIMEDOUT') throw error
    this.ended++
  }
}

async function send(stream: Async, size: number, random: Random, hash: Hash): Promise<Carried> {
  const limits = new Limits(random)
  for (let at = 0; at < size; ) {
    const from = random.below(SOURCE.length)
    const most = random.below(4) === 0 ? 200_000 : 3000
    const part = SOURCE.subarray(from, Math.min(from + 1 + random.below(most), SOURCE.length, from + size - at))
    let written = 0
    try {
      if (random.below(2) === 0) written = await stream.write(part, limits.options())
      else {
        // An abort does not say how much was written; an expiry does.
        const { timeout } = limits.options()
        await stream.writeAll(part, timeout === undefined ? undefined : { timeout })
        written = part.length
      }
    } catch (error) {
      written = (error as { bytesWritten?: number } | null)?.bytesWritten ?? 0
      limits.check(error)
    }
    hash.update(part.subarray(0, written))
    at += written
  }
  return { bytes: size, ended: limits.ended }
}

async function receive(stream: Async, size: number, random: Random, hash: Hash): Promise<Carried> {
  const limits = new Limits(random)
  const buffer = Buffer.alloc(256 * 1024)
  let bytes = 0
  const take = (chunk: Uint8Array) => {
    hash.update(chunk)
    bytes += chunk.length
  }
  while (bytes < size) {
    try {
      switch (random.below(4)) {
        case 0: {
          const most = Math.min(size - bytes, 1 + random.below(random.below(3) === 0 ? buffer.length : 2000))
          const part = buffer.subarray(0, most)
          take(part.subarray(0, await stream.read(part, limits.options())))
          break
        }
        case 1:
        case 2: {
          const chunks = stream.chunks({ lend: random.below(2) === 0, size: 1 + random.below(65_536), ...limits.options() })
          for (let count = random.below(20); count >= 0 && bytes < size; count--) {
            const { value, done } = await chunks.next()
            if (done) throw new Error(`the end after ${bytes} of ${size}`)
            take(value)
          }
          await chunks.return?.()
          break
        }
        default:
          // A slow reader.
          if (random.below(10) === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      }
    } catch (error) {
      limits.check(error)
    }
  }
  return { bytes, ended: limits.ended }
}

/** Sends `size` bytes each way. Throws if something else arrives than what was sent. */
export async function exchange(a: Async, b: Async, size: number, random: Random): Promise<Carried> {
  const hashes = Array.from({ length: 4 }, () => createHash('md5'))
  const done = await Promise.all([
    send(a, size, random, hashes[0]!),
    receive(b, size, random, hashes[1]!),
    send(b, size, random, hashes[2]!),
    receive(a, size, random, hashes[3]!),
  ])
  const [sent, received, back, answered] = hashes.map((hash) => hash.digest('hex'))
  if (sent !== received || back !== answered) throw new Error(`what arrived is not what was sent; seed ${random.seed}`)
  return { bytes: done[1].bytes + done[3].bytes, ended: done.reduce((sum, { ended }) => sum + ended, 0) }
}
