/**
 * Web streams over an `Async`.
 *
 * @module
 */
import type { ReadableStream, WritableStream } from 'node:stream/web'
import { invalidArgType } from '../errors.js'
import { isUint8Array } from '../sys/bytes.js'
import { exactReader } from './chunks.js'
import type { Port } from './port.js'

/** Chunks are copies: byte streams transfer the memory of what they are given. */
export function readableStream(port: Port): ReadableStream<Uint8Array> {
  const read = exactReader(port)
  return new globalThis.ReadableStream(
    {
      type: 'bytes',
      async pull(controller) {
        const chunk = await read()
        if (chunk !== null) {
          // Its memory goes away with it, so it must have none in common with others.
          controller.enqueue(chunk.byteLength === chunk.buffer.byteLength ? chunk : new Uint8Array(chunk))
          return
        }
        controller.close()
        // One that waits with a buffer of its own is told of the end by an answer.
        controller.byobRequest?.respond(0)
      },
      async cancel() {
        await port.close()
      },
    },
    { highWaterMark: 0 },
  )
}

export function writableStream(port: Port): WritableStream<Uint8Array> {
  return new globalThis.WritableStream<Uint8Array>({
    async write(chunk) {
      if (!isUint8Array(chunk)) throw invalidArgType('chunk', 'an instance of Uint8Array', chunk)
      await port.writeAll(chunk)
    },
    close() {
      port.finish()
    },
    abort() {
      port.destroy()
    },
  })
}
