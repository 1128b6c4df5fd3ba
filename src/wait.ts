/**
 * Pending promises, which an event, a deadline, an abort or the end of the registration settles; and the wait for readiness.
 *
 * @module
 */
import { checkSignal, onAbort } from './abort.js'
import { type StopDeadline, startDeadline } from './deadline.js'
import { isWatched, timedOut } from './diagnostics.js'
import { invalidArgType, outOfRange, TimeoutError } from './errors.js'
import { CLOSED, Entry, type Registration } from './registration.js'
import { noteSpin } from './spin.js'

/**
 * How long to wait, and what may end it.
 *
 * @example
 * const options: WaitOptions = { timeout: 1000, signal }
 * await fd.readable(options)
 */
export interface WaitOptions {
  /** Ends the wait; it then rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** Milliseconds, fractions allowed. `undefined` or `Infinity` waits for ever, 0 asks once. */
  timeout?: number | undefined
}

/** Throws unless `options` is what a wait takes. */
export function checkWaitOptions(options: WaitOptions): void {
  checkSignal(options)
  const { timeout } = options
  if (timeout !== undefined) {
    if (typeof timeout !== 'number') throw invalidArgType('options.timeout', 'a number of milliseconds', timeout)
    if (!(timeout >= 0)) throw outOfRange('options.timeout', '>= 0', timeout)
  }
}

/** Has what a promise rejects with say how far it came; but not the reason of a signal, which is its owner's. */
export function telling<R>(done: Promise<R>, options: WaitOptions | undefined, howFar: () => object): Promise<R> {
  return done.catch((error: unknown) => {
    if (error instanceof Error && error !== options?.signal?.reason) Object.assign(error, howFar())
    throw error
  })
}

/** What may end something pending before its time: a deadline, an abort. */
export class Limits {
  readonly #stopDeadline: StopDeadline | undefined
  readonly #detachSignal: (() => void) | undefined

  constructor(
    { signal, timeout }: WaitOptions,
    expire: (timeout: number, elapsed: number) => void,
    abort: (reason: unknown) => void,
  ) {
    // First, as it throws where a signal that is not the platform's does.
    if (signal !== undefined) this.#detachSignal = onAbort(signal, () => abort(signal.reason))
    if (timeout !== undefined && timeout > 0 && timeout !== Infinity) {
      this.#stopDeadline = startDeadline(timeout, (elapsed) => expire(timeout, elapsed))
    }
  }

  stop(): void {
    this.#stopDeadline?.()
    this.#detachSignal?.()
  }
}

/** What settles a promise: an event, a deadline, an abort, or the end of the registration. */
export abstract class Pending<R> extends Entry {
  protected readonly resolve: (value: R) => void
  protected readonly reject: (reason: unknown) => void
  #limits: Limits | undefined

  protected constructor(
    registration: Registration,
    mask: number,
    owner: unknown,
    resolve: (value: R) => void,
    reject: (reason: unknown) => void,
  ) {
    super(registration, mask, owner)
    this.resolve = resolve
    this.reject = reject
  }

  protected limit(options: WaitOptions): void {
    this.#limits = new Limits(
      options,
      (timeout, elapsed) => this.expire(timeout, elapsed),
      (reason) => this.fail(reason),
    )
  }

  /** The time is up. Looks before it accuses: what the kernel has delivered by now wins over the deadline. */
  protected abstract expire(timeout: number, elapsed: number): void

  protected detach(): void {
    this.registration.unlink(this)
    this.#limits?.stop()
  }

  override end(why: () => unknown): void {
    this.fail(why())
  }

  private fail(reason: unknown): void {
    this.detach()
    this.reject(reason)
  }
}

/** Bits that no event has. */
const NOTHING = 1 << 29

/** Passes time on a registration: its end ends it, and so does an abort. */
export class Pause extends Pending<undefined> {
  private constructor(
    registration: Registration,
    owner: unknown,
    resolve: (value: undefined) => void,
    reject: (reason: unknown) => void,
  ) {
    super(registration, NOTHING, owner, resolve, reject)
  }

  static start(registration: Registration, owner: unknown, ms: number, signal: AbortSignal | undefined): Promise<undefined> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const pause = new Pause(registration, owner, resolve, reject)
      pause.limit({ timeout: ms, signal })
      registration.link(pause)
    })
  }

  override fire(): void {}

  protected override expire(): void {
    this.detach()
    this.resolve(undefined)
  }
}

/** Makes what a wait resolves with, at the moment when it is ready. */
export type Resolved<O, R> = (owner: O, ready: number) => R

/** A wait for readiness. */
export class Wait<O, R> extends Pending<R> {
  private constructor(
    registration: Registration,
    mask: number,
    override readonly owner: O,
    readonly resolved: Resolved<O, R>,
    resolve: (value: R) => void,
    reject: (reason: unknown) => void,
  ) {
    super(registration, mask, owner, resolve, reject)
  }

  /**
   * Waits until something of `mask` is ready on `registration`, which is open. What is ready already resolves at once,
   * but in the next turn if too much did: a descriptor that is always ready must not starve the event loop.
   */
  static start<O, R>(
    registration: Registration,
    mask: number,
    options: WaitOptions | undefined,
    owner: O,
    resolved: Resolved<O, R>,
  ): Promise<R> {
    const { reactor } = registration
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason)
    let ready: number
    try {
      if (registration.level) registration.refresh()
      ready = registration.ready(mask)
      if (ready === 0 && options?.timeout === 0) {
        ready = reactor.probe(registration.fd, registration.interest) & mask
        if (ready === 0) return Promise.reject(expired(0, 0))
      }
    } catch (error) {
      return Promise.reject(error)
    }
    const park = ready !== 0 && !reactor.mayResolveAtOnce()
    if (ready !== 0 && !park) return Promise.resolve(resolved(owner, ready))
    return new Promise<R>((resolve, reject) => {
      const wait = new Wait(registration, mask, owner, resolved, resolve, reject)
      if (options !== undefined) wait.limit(options)
      registration.link(wait)
      if (park) {
        reactor.countParked()
        if (isWatched('spin')) noteSpin(registration)
        reactor.park(wait)
      }
    })
  }

  protected override expire(timeout: number, elapsed: number): void {
    const { registration } = this
    let ready = 0
    try {
      ready = (registration.reactor.probe(registration.fd, registration.interest) | registration.ready(this.mask)) & this.mask
    } catch {
      // The descriptor is gone, so nothing of it is ready.
    }
    this.detach()
    if (ready !== 0) this.resolve(this.resolved(this.owner, ready))
    else this.reject(expired(timeout, elapsed))
  }

  override fire(): void {
    // An event may be older than the last read, and tell of a hang-up that is over.
    if (this.registration.level || this.mask === CLOSED) this.registration.confirm(this.mask)
    // A listener that ran before us may have taken and cleared it.
    const ready = this.registration.ready(this.mask)
    if (ready === 0) return
    this.detach()
    this.resolve(this.resolved(this.owner, ready))
  }
}

/** The error of a wait that was not over within `timeout` milliseconds. */
export function expired(timeout: number, elapsed: number): TimeoutError {
  return timedOut(new TimeoutError(`not ready within ${timeout} ms`, timeout, elapsed))
}
