/**
 * `AsyncFd`: readiness of any pollable descriptor, as tokio's. You do the I/O; it says when.
 *
 * @module
 */
import { AsyncFdError, ErrorCode, invalidArgType, invalidArgValue, outOfRange, stateError, TimeoutError } from './errors.js'
import { Interest, Ready, readyToString } from './interest.js'
import { watchForLeak } from './leak.js'
import { theReactor } from './reactor.js'
import { AsyncFdReadyGuard, attempt, type NotPromise } from './ready-guard.js'
import { CLOSED, READ_SIDE, type Registration, readyMask, WRITE_SIDE } from './registration.js'
import { Subscription, Waker } from './subscription.js'
import { close, isNonblocking, setNonblocking } from './sys/descriptor.js'
import { type FdSource, fdOf } from './sys/fd-source.js'
import { checkOptions } from './sys/result.js'
import { checkWaitOptions, expired, Wait, type WaitOptions } from './wait.js'
import { WouldBlock } from './would-block.js'

const ALL_INTERESTS = Interest.READABLE | Interest.WRITABLE | Interest.PRIORITY | Interest.ERROR

/**
 * How an {@link AsyncFd} takes a descriptor.
 *
 * @example
 * const options: AsyncFdOptions = { interest: Interest.READABLE, trigger: 'level', owned: true }
 * using reader = new AsyncFd(sys.open(fifo, sys.constants.O_RDONLY), options)
 * await reader.readable({ timeout: 1000 })
 */
export interface AsyncFdOptions {
  /** The descriptor of an object that has none in an `fd` property, such as libpq's: `{ fd: pq.socket() }`. */
  fd?: number | undefined
  /** What will be waited for; the default is `READABLE | WRITABLE`. */
  interest?: number | undefined
  /**
   * `'edge'` (default), as in tokio: after a wait, do I/O until it would block, then wait again. `'level'`: the kernel is
   * asked at each wait, for readers that never see EAGAIN, as C libraries with a buffer of their own.
   */
  trigger?: 'edge' | 'level' | undefined
  /** What becomes of O_NONBLOCK: `'leave'` (default) as it is, `'set'` it, `'require'` that it is set. */
  nonblocking?: 'leave' | 'set' | 'require' | undefined
  /** Whether `close()` also ends `inner`: a number by `close(2)`, an object by its own dispose or close. Default false. */
  owned?: boolean | undefined
}

/** Checks an interest given by a user. */
function checkInterest(interest: unknown, name = 'interest'): number {
  if (typeof interest !== 'number') throw invalidArgType(name, 'a combination of Interest bits', interest)
  // What has more than 32 bits is not equal to its own low ones.
  if (interest === 0 || (interest & ALL_INTERESTS) !== interest) {
    throw outOfRange(name, 'a combination of Interest.READABLE, WRITABLE, PRIORITY and ERROR, and not empty', interest)
  }
  return interest
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value)
}

function checkChoice<C extends string>(name: string, value: C | undefined, choices: readonly C[]): C {
  if (value === undefined) return choices[0]!
  if (!choices.includes(value))
    throw invalidArgValue(name, `must be one of: ${choices.map((choice) => `'${choice}'`).join(', ')}`, value)
  return value
}

/** Throws unless `interest` is a valid part of the registered one: waiting for anything else would never end. */
function checkAsked({ fd, interest: registered, isInClosure }: Registration, interest: number): void {
  const missing = interest & ~registered
  if (missing !== 0) {
    const message = `fd ${fd} is registered for ${readyToString(registered)}, so a wait for ${readyToString(missing)} would never end; add it to the interest`
    throw stateError(ErrorCode.INTEREST, message, fd)
  }
  if (isInClosure) {
    throw stateError(ErrorCode.REENTRANT, 'a closure given to tryIo or asyncIo must not call waits of the same AsyncFd', fd)
  }
}

function deregister(registration: Registration, how: string, error?: Error): boolean {
  const { fd, reactor } = registration
  const closed = () => stateError(ErrorCode.CLOSED, `the AsyncFd of fd ${fd} was ${how}; make a new one to wait again`, fd)
  return reactor.deregister(registration, error ?? closed)
}

/** What most have none of: their `inner` is the descriptor's number. */
interface Rest<T> {
  readonly inner: T
  /** Whether `inner` is to be ended, too. */
  owned?: boolean
  /** Whether `inner.fd` is where the number came from, and so where a change of it would show. */
  watched?: boolean
  /** What `inner` needs to end. */
  ending?: PromiseLike<unknown>
  /** The latest waker of each direction. */
  reader?: Waker | undefined
  writer?: Waker | undefined
}

/**
 * Associates a descriptor with the reactor, so that it can be awaited. Its flags are left alone: on a descriptor without
 * O_NONBLOCK a `read` may block even when it is ready (say `nonblocking: 'set'`).
 *
 * What `tryIo` sees just after construction is "not ready": the first event has not been told yet.
 *
 * Close it before the descriptor. Closing the descriptor is its owner's business, unless `owned`.
 *
 * @example
 * using reader = new AsyncFd(sys.open(fifo, sys.constants.O_RDONLY), { owned: true })
 * const n = await reader.asyncIo(Interest.READABLE, (inner) => sys.read(inner, buffer))
 */
export class AsyncFd<T = number> implements Disposable, AsyncDisposable {
  readonly #registration: Registration
  #rest: Rest<T> | undefined

  /**
   * Registers the descriptor.
   *
   * @throws TypeError, RangeError `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`: before anything
   *   happened
   * @throws AsyncFdError `EPERM` (regular files), `EBADF`, `EEXIST` (registered already; that one survives), or
   *   `ERR_ASYNCFD_BLOCKING`; with `inner`, the object given here. Nothing stays registered.
   */
  constructor(inner: T & FdSource, options?: AsyncFdOptions)
  constructor(inner: T, options: AsyncFdOptions & { fd: number })
  constructor(inner: T, options: AsyncFdOptions = {}) {
    checkOptions(options)
    const fd = fdOf(options.fd === undefined ? (inner as FdSource) : options.fd)
    const interest =
      options.interest === undefined ? Interest.READABLE | Interest.WRITABLE : checkInterest(options.interest, 'options.interest')
    const level = checkChoice('options.trigger', options.trigger, ['edge', 'level'] as const) === 'level'
    const nonblocking = checkChoice('options.nonblocking', options.nonblocking, ['leave', 'set', 'require'] as const)
    const { owned = false } = options
    if (typeof owned !== 'boolean') throw invalidArgType('options.owned', 'of type boolean', owned)
    if (owned && (inner === null || !/^(number|object|function)$/.test(typeof inner))) {
      throw invalidArgType('inner', 'a descriptor or an object that can be closed, to be owned', inner)
    }
    const ownedNumber = owned && typeof inner === 'number'
    // Closing a number is closing a descriptor, and only of the registered one is it known whose it is.
    if (ownedNumber && inner !== fd) {
      throw invalidArgValue('options.fd', `must be ${inner} itself, as that is a number and is to be owned`, options.fd)
    }
    if (inner !== fd) this.#rest = { inner, owned, watched: options.fd === undefined && typeof inner === 'object' }
    let registration: Registration | undefined
    try {
      const blocking = nonblocking !== 'leave' && !isNonblocking(fd)
      if (blocking && nonblocking === 'require') {
        const message = `fd ${fd} is blocking, so a read of it could stop this thread; set O_NONBLOCK or pass nonblocking: 'set'`
        throw stateError(ErrorCode.BLOCKING, message, fd)
      }
      registration = theReactor().register(fd, interest, level, ownedNumber)
      if (blocking) setNonblocking(fd, true)
    } catch (error) {
      registration?.reactor.deregister(registration, error as Error)
      if (error instanceof AsyncFdError) error.inner = inner
      throw error
    }
    this.#registration = registration
    watchForLeak(this, registration)
  }

  /** The number that was registered. */
  get fd(): number {
    return this.#registration.fd
  }

  /** The object given to the constructor. */
  get inner(): T {
    return this.#rest === undefined ? (this.fd as T) : this.#rest.inner
  }

  /** What may be waited for: `Interest` bits. */
  get interest(): number {
    return this.#registration.interest
  }

  /** Whether it ended: by `close()`, by `intoInner()`, or since its descriptor was lost. */
  get closed(): boolean {
    return this.#registration.isEnded
  }

  /** @internal Why it cannot be used, or null. A mistake in how it is used is thrown by the caller, a state is reported as a call's result. */
  static unusable<T>(asyncFd: AsyncFd<T>): Error | null {
    const registration = asyncFd.#registration
    const { ended } = registration
    if (ended !== null) return ended
    if (asyncFd.#rest?.watched) {
      const { fd } = asyncFd.inner as { fd: number }
      // A getter may have done anything, closing this included.
      if (registration.ended !== null) return registration.ended
      const known = registration.fd
      if (fd !== known) {
        const message = `the descriptor of the object given to this AsyncFd changed from ${known} to ${fd}; close() this AsyncFd and make a new one`
        return stateError(ErrorCode.FD_CHANGED, message, known)
      }
    }
    return null
  }

  /** @internal For what is built on it. */
  static registrationOf<T>(fd: AsyncFd<T>): Registration {
    return fd.#registration
  }

  static #check<T>(asyncFd: AsyncFd<T>): void {
    const error = AsyncFd.unusable(asyncFd)
    if (error !== null) throw error
  }

  static #guard<T>(owner: AsyncFd<T>, ready: number): AsyncFdReadyGuard<T> {
    return new AsyncFdReadyGuard(owner, owner.#registration, ready)
  }

  static #wait<T>(asyncFd: AsyncFd<T>, interest: number, options: WaitOptions | undefined): Promise<AsyncFdReadyGuard<T>> {
    const registration = asyncFd.#registration
    checkAsked(registration, interest)
    if (options !== undefined) checkWaitOptions(options)
    const error = AsyncFd.unusable(asyncFd)
    if (error !== null) return Promise.reject(error)
    return Wait.start(registration, readyMask(interest), options, asyncFd, AsyncFd.#guard<T>)
  }

  /**
   * Waits for any of `interest`. Closed states and errors of a direction count as its readiness. Never resolves with an
   * empty set, but may be spurious: attempt the I/O, and clear what would have blocked.
   *
   * @throws AsyncFdError `ERR_ASYNCFD_INTEREST` outside the registered interest, `ERR_ASYNCFD_REENTRANT` from a closure
   * @returns rejects with `TimeoutError`, `signal.reason`, or AsyncFdError `ERR_ASYNCFD_CLOSED`, `ERR_ASYNCFD_FD_CHANGED`
   */
  ready(interest: number, options?: WaitOptions): Promise<AsyncFdReadyGuard<T>> {
    return AsyncFd.#wait(this, checkInterest(interest), options)
  }

  /** Waits until a read would not block: data, end of file, a connection to accept, or an error. See {@link ready}. */
  readable(options?: WaitOptions): Promise<AsyncFdReadyGuard<T>> {
    return AsyncFd.#wait(this, Interest.READABLE, options)
  }

  /** Waits until a write would not block. See {@link ready}. */
  writable(options?: WaitOptions): Promise<AsyncFdReadyGuard<T>> {
    return AsyncFd.#wait(this, Interest.WRITABLE, options)
  }

  /** Waits until the peer closed its side, or both: nothing is read. Data sent before may still wait to be read. */
  hangup(options?: WaitOptions): Promise<void> {
    checkAsked(this.#registration, 0)
    if (options !== undefined) checkWaitOptions(options)
    const error = AsyncFd.unusable(this)
    if (error !== null) return Promise.reject(error)
    try {
      // A hang-up can end without an event (a FIFO's new writer), so one seen earlier is not believed.
      if (this.#registration.ready(CLOSED) !== 0) this.#registration.recheck(CLOSED)
    } catch (error) {
      return Promise.reject(error)
    }
    return Wait.start(this.#registration, CLOSED, options, this, () => {})
  }

  /**
   * Waits again and again: `for await (const guard of fd.readiness(Interest.READABLE))`. What the loop's body leaves
   * ready comes again at once. `close()` ends it; an abort or expiry (of each wait) throws.
   */
  readiness(interest: number, options?: WaitOptions): AsyncIterableIterator<AsyncFdReadyGuard<T>> {
    checkAsked(this.#registration, checkInterest(interest))
    if (options !== undefined) checkWaitOptions(options)
    let done = false
    const end = (): IteratorResult<AsyncFdReadyGuard<T>> => {
      done = true
      return { done: true, value: undefined }
    }
    return {
      next: async () => {
        if (done || this.#registration.wasClosed) return end()
        try {
          return { done: false, value: await AsyncFd.#wait(this, interest, options) }
        } catch (error) {
          done = true
          if (error === this.#registration.ended && this.#registration.wasClosed) return end()
          throw error
        }
      },
      return: async () => end(),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /**
   * Calls `fn` if something of `interest` is known ready, else returns `WouldBlock` without calling it. When `fn` says
   * `WouldBlock` (or throws EAGAIN) that readiness is cleared.
   *
   * @throws AsyncFdError `ERR_ASYNCFD_INTEREST`, `ERR_ASYNCFD_PROMISE`, `ERR_ASYNCFD_CLOSED`; and what `fn` throws
   */
  tryIo<R>(interest: number, fn: (inner: T) => NotPromise<R> | WouldBlock): R | WouldBlock {
    checkAsked(this.#registration, checkInterest(interest))
    checkFunction('fn', fn)
    AsyncFd.#check(this)
    const registration = this.#registration
    if (registration.level) registration.refresh()
    const ready = registration.ready(readyMask(interest))
    if (ready === 0) return WouldBlock
    const { readTick, writeTick } = registration
    const result = attempt(registration, this.inner, fn as (inner: T) => R | WouldBlock)
    if (result === WouldBlock) registration.wouldBlock(ready, readTick, writeTick)
    return result
  }

  /**
   * Waits, calls `fn`, and waits again for as long as it says `WouldBlock` (or throws EAGAIN). Any other result or error
   * ends it. The timeout is for the whole.
   *
   * @example
   * const n = await fd.asyncIo(Interest.WRITABLE, (inner) => sys.send(inner, message))
   */
  asyncIo<R>(interest: number, fn: (inner: T) => NotPromise<R> | WouldBlock, options?: WaitOptions): Promise<R> {
    checkAsked(this.#registration, checkInterest(interest))
    checkFunction('fn', fn)
    if (options !== undefined) checkWaitOptions(options)
    return AsyncFd.#asyncIo(this, interest, fn, options)
  }

  static async #asyncIo<T, R>(
    asyncFd: AsyncFd<T>,
    interest: number,
    fn: (inner: T) => NotPromise<R> | WouldBlock,
    options: WaitOptions | undefined,
  ): Promise<R> {
    const timeout = options?.timeout ?? Infinity
    const start = timeout === Infinity ? 0 : performance.now()
    const overdue = () => expired(timeout, Math.max(timeout, performance.now() - start))
    let left = options
    for (;;) {
      let guard: AsyncFdReadyGuard<T>
      try {
        guard = await AsyncFd.#wait(asyncFd, interest, left)
      } catch (error) {
        // The last of several waits knows only its own part of the time.
        throw left !== options && error instanceof TimeoutError ? overdue() : error
      }
      const result = guard.tryIo(fn)
      if (result !== WouldBlock) return result
      if (timeout === Infinity) continue
      // The attempt just made was a look at the descriptor: no other is needed.
      const remaining = timeout - (performance.now() - start)
      if (remaining <= 0) throw overdue()
      left = { ...options, timeout: remaining }
    }
  }

  /**
   * For poll-based code: a guard if readable, else null, and `waker` is called once when that changes or the AsyncFd is
   * closed. Only the latest waker is kept; the one for writing is another.
   *
   * @throws AsyncFdError `ERR_ASYNCFD_CLOSED`, `ERR_ASYNCFD_FD_CHANGED`, `ERR_ASYNCFD_INTEREST`
   */
  pollReadReady(waker: () => void): AsyncFdReadyGuard<T> | null {
    return AsyncFd.#poll(this, Interest.READABLE, waker)
  }

  /** As {@link pollReadReady}, for writing. */
  pollWriteReady(waker: () => void): AsyncFdReadyGuard<T> | null {
    return AsyncFd.#poll(this, Interest.WRITABLE, waker)
  }

  static #poll<T>(asyncFd: AsyncFd<T>, interest: number, waker: () => void): AsyncFdReadyGuard<T> | null {
    checkFunction('waker', waker)
    checkAsked(asyncFd.#registration, interest)
    AsyncFd.#check(asyncFd)
    const registration = asyncFd.#registration
    if (registration.level) registration.refresh()
    const mask = readyMask(interest)
    const ready = registration.ready(mask)
    asyncFd.#rest ??= { inner: asyncFd.inner }
    const direction = interest === Interest.READABLE ? 'reader' : 'writer'
    const replaced = asyncFd.#rest[direction]
    if (replaced !== undefined) registration.unlink(replaced)
    asyncFd.#rest[direction] = ready === 0 ? new Waker(registration, mask, asyncFd, waker) : undefined
    return ready === 0 ? null : AsyncFd.#guard<T>(asyncFd, ready)
  }

  /**
   * The callback tier, for hot paths: calls `listener` with a guard when ready, then once per event, and once with null
   * when the AsyncFd is closed. Read or write until it would block; what is left brings no event. The listener may be
   * called more often than the kernel had news. Ends when the result is disposed of, or `signal` is aborted.
   *
   * @example
   * using reading = fd.subscribe(Interest.READABLE, (guard) => {
   *   if (guard !== null) drain(guard.inner)
   * })
   */
  subscribe(
    interest: number,
    listener: (guard: AsyncFdReadyGuard<T> | null) => void,
    options?: Pick<WaitOptions, 'signal'>,
  ): Disposable {
    checkAsked(this.#registration, checkInterest(interest))
    checkFunction('listener', listener)
    if (options !== undefined) checkWaitOptions(options)
    AsyncFd.#check(this)
    return new Subscription(this.#registration, readyMask(interest), listener, this, options?.signal)
  }

  /**
   * Changes what may be waited for. Pending waits for what is no longer included reject with `ERR_ASYNCFD_INTEREST`;
   * subscriptions to it end.
   */
  setInterest(interest: number): void {
    checkInterest(interest)
    AsyncFd.#check(this)
    const registration = this.#registration
    registration.reactor.setInterest(registration, interest)
    const asked = readyMask(interest)
    for (const entry of registration.matching(Ready.ALL)) {
      if (
        entry.mask === CLOSED ||
        (entry.mask & asked & ~(CLOSED | Ready.ERROR)) !== 0 ||
        (entry.mask === Ready.ERROR && (asked & Ready.ERROR) !== 0)
      )
        continue
      registration.unlink(entry)
      entry.end(() =>
        stateError(ErrorCode.INTEREST, `the interest of fd ${this.fd} no longer includes what was waited for`, this.fd),
      )
    }
    // What is not asked for any more is not kept up to date.
    const dropped = (READ_SIDE | WRITE_SIDE) & ~asked
    registration.clear(dropped, registration.readTick, registration.writeTick)
  }

  /**
   * Blocks this thread until readable. For scripts: nothing else of the process runs meanwhile.
   *
   * @returns whether it became readable within `timeout` milliseconds (default: for ever)
   */
  readableSync(options?: Pick<WaitOptions, 'timeout'>): boolean {
    return AsyncFd.#sync(this, Interest.READABLE, options)
  }

  /** As {@link readableSync}, for writing. */
  writableSync(options?: Pick<WaitOptions, 'timeout'>): boolean {
    return AsyncFd.#sync(this, Interest.WRITABLE, options)
  }

  static #sync<T>(asyncFd: AsyncFd<T>, interest: number, options: Pick<WaitOptions, 'timeout'> | undefined): boolean {
    if (options !== undefined) checkWaitOptions(options)
    checkAsked(asyncFd.#registration, interest)
    AsyncFd.#check(asyncFd)
    const timeout = options?.timeout ?? Infinity
    const bits = asyncFd.#registration.reactor.probe(asyncFd.#registration.fd, interest, timeout === Infinity ? -1 : timeout)
    return (bits & readyMask(interest)) !== 0
  }

  /** Deregisters and gives `inner` back, open and free to be registered again. Pending waits reject. */
  intoInner(): T {
    AsyncFd.#check(this)
    deregister(this.#registration, 'taken apart by intoInner()')
    return this.inner
  }

  /** Deregisters; `inner` is ended too if it is owned. Pending and later waits reject with `ERR_ASYNCFD_CLOSED`. Idempotent. */
  close(): void {
    AsyncFd.closeWith(this, undefined)
  }

  /** @internal As `close`; what is pending, and what comes later, rejects with `error`. */
  static closeWith<T>(asyncFd: AsyncFd<T>, error: Error | undefined): void {
    if (asyncFd.closed) return
    const own = deregister(asyncFd.#registration, 'closed', error)
    const { inner } = asyncFd
    if (typeof inner === 'number') {
      // A number that was closed elsewhere may be another's by now.
      if (own && asyncFd.#registration.owned) close(inner)
      return
    }
    if (!asyncFd.#rest?.owned) return
    const object = inner as Partial<Disposable & AsyncDisposable & { close(): unknown }>
    const end = object[Symbol.dispose] ?? object.close ?? object[Symbol.asyncDispose]
    const ending = typeof end === 'function' ? end.call(object) : undefined
    if (ending !== null && typeof ending === 'object' && 'then' in ending) asyncFd.#rest.ending = ending as PromiseLike<unknown>
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** As {@link close}, and waits for what `inner` needs to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.#rest?.ending
  }

  /** Pending waits and subscriptions keep the process alive. The default. */
  ref(): this {
    this.#registration.setRef(true)
    return this
  }

  /** Pending waits and subscriptions do not keep the process alive. */
  unref(): this {
    this.#registration.setRef(false)
    return this
  }

  /** Whether something pending keeps the process alive now. */
  hasRef(): boolean {
    return this.#registration.refd && this.#registration.pending > 0
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const { pending, isEnded, level } = this.#registration
    const state = isEnded ? 'closed' : `ready: ${readyToString(this.#registration.ready(Ready.ALL))}, pending: ${pending}`
    return `AsyncFd { fd: ${this.fd}, interest: ${readyToString(this.interest)}, trigger: ${level ? 'level' : 'edge'}, ${state} }`
  }
}
