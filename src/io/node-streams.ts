/**
 * Node streams over an `Async`.
 *
 * @module
 */
import type {
  Duplex,
  DuplexOptions as NodeDuplexOptions,
  ReadableOptions as NodeReadableOptions,
  WritableOptions as NodeWritableOptions,
  Readable,
  Writable,
} from 'node:stream'
import { later } from '../builtins.js'
import { invalidArgType } from '../errors.js'
import { checkOptions } from '../sys/result.js'
import { copyReader, type ReadChunk } from './chunks.js'
import { BLOCK } from './pool.js'
import type { Port } from './port.js'

/** What is buffered before reading stops: as much as Node 22 and later buffer. */
const HIGH_WATER_MARK = 64 * 1024

/** Bytes that a chunk may have where the source is faster than who reads. */
const mostOf = (stream: Readable) => Math.max(BLOCK, Math.min(4 * stream.readableHighWaterMark, 2 * BLOCK))

/** What all of them take, besides Node's own options except the methods. */
interface Closing {
  /** Whether the end of the stream, good or bad, closes the `Async`. Default true. */
  autoClose?: boolean | undefined
}
/**
 * How an `Async` becomes a `Readable`: Node's options, except its methods, and whether the end closes the `Async`. Chunks have up to
 * 131,072 bytes; while each of them is full, up to four times `highWaterMark`, at most 262,144: who writes them on has less to do.
 *
 * @example
 * const options: ReadableOptions = { encoding: 'utf8', autoClose: false }
 * for await (const text of async.toReadable(options)) console.log(text)
 */
export type ReadableOptions = Pick<NodeReadableOptions, 'highWaterMark' | 'encoding' | 'objectMode' | 'emitClose' | 'signal'> &
  Closing
/**
 * How an `Async` becomes a `Writable`, likewise.
 *
 * @example
 * const options: WritableOptions = { highWaterMark: 256 * 1024 }
 * async.toWritable(options).end('goodbye')
 */
export type WritableOptions = Pick<
  NodeWritableOptions,
  'highWaterMark' | 'decodeStrings' | 'defaultEncoding' | 'emitClose' | 'signal'
> &
  Closing
/**
 * How an `Async` becomes a `Duplex`, likewise.
 *
 * @example
 * const options: DuplexOptions = { allowHalfOpen: false }
 * async.toDuplex(options).end('goodbye')
 */
export type DuplexOptions = Pick<
  NodeDuplexOptions,
  | 'allowHalfOpen'
  | 'readableHighWaterMark'
  | 'writableHighWaterMark'
  | 'highWaterMark'
  | 'decodeStrings'
  | 'encoding'
  | 'defaultEncoding'
  | 'emitClose'
  | 'signal'
> &
  Closing

type Callback = (error?: Error | null) => void

/** What a listener throws is uncaught, as with Node's sockets: it is neither the stream's error, nor the promise's that brought us here. */
function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

/** Pushes a chunk, which calls listeners. Whether more is wanted. The end is told to a paused stream, too, as Node's sockets do. */
function push(stream: Readable, chunk: Buffer | null): boolean {
  try {
    const wanted = stream.push(chunk)
    if (chunk === null && stream.readableLength === 0) stream.read(0)
    return wanted
  } catch (error) {
    throwLater(error)
    return stream.readableFlowing === true && !stream.destroyed
  }
}

/** Tells Node that a write is over, which calls listeners and callbacks. */
function calling(callback: Callback, error?: Error): void {
  try {
    callback(error)
  } catch (thrown) {
    throwLater(thrown)
  }
}

/** Node's methods, for whichever of the three streams. */
class Methods {
  readonly #port: Port
  readonly #autoClose: boolean
  #read: ReadChunk | undefined
  #reading = false

  constructor(port: Port, options: Closing) {
    checkOptions(options)
    const { autoClose = true } = options
    if (typeof autoClose !== 'boolean') throw invalidArgType('options.autoClose', 'of type boolean', autoClose)
    this.#port = port
    this.#autoClose = autoClose
  }

  async read(stream: Readable): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    this.#read ??= copyReader(this.#port, undefined, mostOf(stream))
    let wanted: boolean
    do {
      let chunk: Buffer | null
      try {
        chunk = await this.#read()
      } catch (error) {
        if (!stream.destroyed) stream.destroy(error as Error)
        break
      }
      wanted = push(stream, chunk) && chunk !== null
    } while (wanted)
    this.#reading = false
  }

  write(chunk: Buffer, callback: Callback): void {
    this.#port.writeAll(chunk).then(
      () => calling(callback),
      (error: Error) => calling(callback, error),
    )
  }

  writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    this.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  final(callback: Callback): void {
    try {
      this.#port.finish()
      callback()
    } catch (error) {
      // The peer is gone already: nobody is left to be told.
      callback((error as { code?: unknown }).code === 'ENOTCONN' ? null : (error as Error))
    }
  }

  /**
   * Writes what there is room for, of what is queued: all but the first of what is written at one time, until that one's promise tells that
   * it is over, so that it goes in one piece. Node's sockets would have sent it by now.
   */
  flush(stream: Writable): void {
    const { writableBuffer = [] } = stream as { writableBuffer?: { chunk: Buffer }[] }
    if (writableBuffer.length > 0 && stream.writableCorked === 0)
      this.#port.writeNow(Buffer.concat(writableBuffer.map(({ chunk }) => chunk)))
  }

  destroy(error: Error | null, callback: Callback): void {
    if (!this.#autoClose) return callback(error)
    this.#port.close().then(
      () => callback(error),
      (failed: Error) => callback(error ?? failed),
    )
  }
}

/** Node calls these on the stream; chunks are Buffers, as `decodeStrings` is on. */
function writableMethods(methods: Methods) {
  return {
    write: (chunk: Buffer, _encoding: unknown, callback: Callback) => methods.write(chunk, callback),
    writev: (chunks: { chunk: Buffer }[], callback: Callback) => methods.writev(chunks, callback),
    final: (callback: Callback) => methods.final(callback),
    destroy(this: Writable, error: Error | null, callback: Callback) {
      methods.flush(this)
      methods.destroy(error, callback)
    },
  }
}

export function toReadable(port: Port, options: ReadableOptions = {}): Readable {
  const methods = new Methods(port, options)
  const stream: Readable = new (later.stream().Readable)({
    ...options,
    // Of objects, which chunks count as there, a few are many.
    highWaterMark: options.highWaterMark ?? (options.objectMode ? undefined : HIGH_WATER_MARK),
    read: () => void methods.read(stream),
    destroy: (error, callback) => methods.destroy(error, callback),
  })
  return stream
}

export function toWritable(port: Port, options: WritableOptions = {}): Writable {
  const methods = new Methods(port, options)
  return new (later.stream().Writable)({ ...options, decodeStrings: true, ...writableMethods(methods) })
}

export function toDuplex(port: Port, options: DuplexOptions = {}): Duplex {
  const methods = new Methods(port, options)
  const stream: Duplex = new (later.stream().Duplex)({
    ...options,
    readableHighWaterMark: options.readableHighWaterMark ?? HIGH_WATER_MARK,
    decodeStrings: true,
    read: () => void methods.read(stream),
    ...writableMethods(methods),
  })
  return stream
}
