/**
 * What a wait resolves with: what was ready, and the right to say that it no longer is.
 *
 * @module
 */
import type { AsyncFd } from './async-fd.js'
import { ErrorCode, invalidArgType, outOfRange, stateError } from './errors.js'
import { Ready, readyToString } from './interest.js'
import type { Registration } from './registration.js'
import { WouldBlock } from './would-block.js'

/**
 * Results that a closure may have: anything but a promise, since by the time that settles the readiness is another.
 *
 * @example
 * const attempt = <R>(fn: (inner: number) => NotPromise<R> | WouldBlock) => fn(0)
 */
export type NotPromise<R> = R extends PromiseLike<unknown> ? never : R

/** Runs an attempt on the descriptor. EAGAIN, thrown or returned as {@link WouldBlock}, is WouldBlock. */
export function attempt<T, R>(registration: Registration, inner: T, fn: (inner: T) => R | WouldBlock): R | WouldBlock {
  let result: R | WouldBlock
  const nested = registration.isInClosure
  registration.isInClosure = true
  try {
    result = fn(inner)
  } catch (error) {
    const code = (error as { code?: unknown } | null | undefined)?.code
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return WouldBlock
    throw error
  } finally {
    registration.isInClosure = nested
  }
  if (typeof result === 'object' && result !== null && typeof (result as { then?: unknown }).then === 'function') {
    // Its rejection would be reported a second time.
    ;(result as unknown as PromiseLike<unknown>).then(undefined, () => {})
    throw stateError(
      ErrorCode.PROMISE,
      'the closure returned a promise; it must do its I/O and return the result at once: await outside of it',
      registration.fd,
    )
  }
  return result
}

/**
 * Returned by `readable()`, `writable()` and `ready()`. The readiness stays as it is until a guard clears it; disposing
 * of a guard clears nothing. A clear counts only if no event came since the guard was made.
 *
 * @example
 * for (;;) {
 *   const guard = await fd.readable()
 *   const n = guard.tryIo((inner) => sys.read(inner, buffer))
 *   if (n !== WouldBlock) break // else not ready after all: its readiness is cleared, so the next wait waits
 * }
 */
export class AsyncFdReadyGuard<T = number> implements Disposable {
  /** The `AsyncFd` that became ready. */
  readonly asyncFd: AsyncFd<T>
  readonly #registration: Registration
  readonly #readTick: number
  readonly #writeTick: number
  #ready: number

  /** @internal */
  constructor(asyncFd: AsyncFd<T>, registration: Registration, ready: number) {
    this.asyncFd = asyncFd
    this.#registration = registration
    this.#ready = ready
    this.#readTick = registration.readTick
    this.#writeTick = registration.writeTick
  }

  /** What was ready when the guard was made, less what it has cleared: `Ready` bits. */
  get ready(): number {
    return this.#ready
  }

  /** The object given to the `AsyncFd`. */
  get inner(): T {
    return this.asyncFd.inner
  }

  /** Readable, or at its end. */
  get isReadable(): boolean {
    return (this.#ready & (Ready.READABLE | Ready.READ_CLOSED)) !== 0
  }

  /** Writable, or failing at once. */
  get isWritable(): boolean {
    return (this.#ready & (Ready.WRITABLE | Ready.WRITE_CLOSED)) !== 0
  }

  /** The peer will send no more. */
  get isReadClosed(): boolean {
    return (this.#ready & Ready.READ_CLOSED) !== 0
  }

  /** Nothing can be written any more. */
  get isWriteClosed(): boolean {
    return (this.#ready & Ready.WRITE_CLOSED) !== 0
  }

  /** Out-of-band data was seen. */
  get isPriority(): boolean {
    return (this.#ready & Ready.PRIORITY) !== 0
  }

  /** An error condition was seen. */
  get isError(): boolean {
    return (this.#ready & Ready.ERROR) !== 0
  }

  /** Nothing is left of what was seen. */
  get isEmpty(): boolean {
    return this.#ready === Ready.EMPTY
  }

  /**
   * Calls `fn`, always. If it says `WouldBlock` (or throws EAGAIN) the readiness of this guard is cleared, of a combined
   * guard only the direction that the kernel denies. Other errors are passed on and clear nothing. `fn` may say
   * `WouldBlock` only after a real attempt on the descriptor.
   *
   * @throws AsyncFdError `ERR_ASYNCFD_PROMISE` if `fn` returns a promise; `ERR_ASYNCFD_CLOSED` after `close()`, without
   *   calling `fn`: the number may be another file's by then
   */
  tryIo<R>(fn: (inner: T) => NotPromise<R> | WouldBlock): R | WouldBlock {
    if (typeof fn !== 'function') throw invalidArgType('fn', 'of type function', fn)
    if (this.#registration.isEnded) throw this.#registration.ended
    const result = attempt(this.#registration, this.asyncFd.inner, fn as (inner: T) => R | WouldBlock)
    if (result === WouldBlock) this.#ready = this.#registration.wouldBlock(this.#ready, this.#readTick, this.#writeTick)
    return result
  }

  /** Clears all that this guard saw, closed states excepted. No effect after `close()`. */
  clearReady(): void {
    this.clearReadyMatching(this.#ready)
  }

  /** Clears only `ready` of what this guard saw. @throws TypeError, RangeError on what is not a set of `Ready` bits */
  clearReadyMatching(ready: number): void {
    const bits = this.#ready & checkReady(ready)
    this.#registration.clear(bits, this.#readTick, this.#writeTick)
    this.#ready &= ~bits
  }

  /** Clears nothing: the next wait resolves at once. For symmetry, and to say so in code. */
  retainReady(): void {}

  /**
   * Asks the kernel (`poll(2)`, zero timeout) and clears what it denies, closed states too. Returns what is left.
   *
   * @throws AsyncFdError what `poll` failed with, `EBADF` if the descriptor was closed elsewhere
   */
  recheck(): number {
    this.#ready = this.#registration.recheck(this.#ready)
    return this.#ready
  }

  /** Ends the guard, and clears nothing. */
  [Symbol.dispose](): void {}

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `AsyncFdReadyGuard { fd: ${this.#registration.fd}, ready: ${readyToString(this.#ready)} }`
  }
}

function checkReady(ready: number): number {
  if (typeof ready !== 'number') throw invalidArgType('ready', 'a set of Ready bits', ready)
  if ((ready & Ready.ALL) !== ready) throw outOfRange('ready', 'a set of Ready bits', ready)
  return ready
}
