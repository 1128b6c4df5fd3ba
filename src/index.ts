/**
 * Wait until any file descriptor is ready, do the I/O yourself without blocking, and put a deadline on everything.
 *
 * @module asyncfd
 */
export { AsyncFd, type AsyncFdOptions } from './async-fd.js'
export type { DiagnosticEvents } from './diagnostics.js'
export { AsyncFdError, ErrorCode, TimeoutError } from './errors.js'
export { Interest, Ready, readyToString } from './interest.js'
export { Async, type AsyncOptions } from './io/async.js'
export type { ChunkOptions } from './io/chunks.js'
export type { StreamTimeouts } from './io/limits.js'
export type { LineOptions } from './io/lines.js'
export type { DuplexOptions, ReadableOptions, WritableOptions } from './io/node-streams.js'
export { poll } from './poll.js'
export { type ReactorMetrics, reactor } from './reactor.js'
export { AsyncFdReadyGuard, type NotPromise } from './ready-guard.js'
export type { FdSource } from './sys/fd-source.js'
export type { WaitOptions } from './wait.js'
export { WouldBlock } from './would-block.js'
