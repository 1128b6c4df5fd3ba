/**
 * One direction of a descriptor: attempts the operation, and waits where it would block.
 *
 * @module
 */
import { ErrorCode, stateError } from '../errors.js'
import { Interest } from '../interest.js'
import type { Parked, Registration } from '../registration.js'
import { expired, Pending, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import type { Side } from './kind.js'

/** Operations of a lane that may complete at once in one iteration of the event loop; further ones take a turn each. */
const AT_ONCE_PER_ITERATION = 64
/** Room for that count. */
const COUNT_BITS = 8

/** Attempts an operation: its result, or `WouldBlock` if it has to be attempted again later. */
export type Attempt<R> = () => R | WouldBlock

export class Lane {
  /** The last attempt found nothing to do, and no event has come since unless the readiness words say so. */
  #blocked = false
  #busy = false
  /** How many completed at once, and above {@link COUNT_BITS} in which iteration of the event loop, as far as there is room. */
  #atOnce = -1
  /** Grows with what is transferred, and with each operation that begins to wait. */
  activity = 0

  constructor(
    readonly registration: Registration,
    readonly side: Side,
    /** What keeps this alive while something is pending. */
    readonly owner: unknown,
  ) {}

  /** Whether an exclusive operation is pending. */
  get busy(): boolean {
    return this.#busy
  }

  /** Whether an exclusive operation that begins now has to wait, as far as is known. */
  get mustWait(): boolean {
    return !this.#busy && this.isKnownBlocked()
  }

  /** Whether an exclusive operation may be attempted, as far as is known, and complete at once. Counts as one that does. */
  get isOpen(): boolean {
    return !this.#busy && !this.isKnownBlocked() && this.mayCompleteAtOnce()
  }

  private isKnownBlocked(): boolean {
    return this.#blocked && this.registration.ready(this.side.mask) === 0
  }

  /** Attempts `call` unless it is known that it would block. A number below `wanted` may say that there is no more for now. */
  attempt<R>(call: (fd: number) => R | WouldBlock, wanted = 0): R | WouldBlock {
    const { registration, side } = this
    const ready = registration.ready(side.mask)
    if (ready === 0 && this.#blocked) return WouldBlock
    const { readTick, writeTick } = registration
    const result = call(registration.fd)
    if (result !== WouldBlock) this.activity += typeof result === 'number' ? result : 1
    // Whatever was called may have closed this.
    if (registration.isEnded) return result
    if (result === WouldBlock) {
      this.#blocked = true
      registration.wouldBlock(ready === 0 ? side.interest : ready, readTick, writeTick)
    } else if (side.kind.shortIsAll && (result as number) < wanted && (result as number) > 0 && (ready & ~side.interest) === 0) {
      this.#blocked = true
      registration.clear(side.interest, readTick, writeTick)
    }
    return result
  }

  /**
   * Makes attempts until one does not block: at once, then with each event. With `exclusive`, a second such operation of this lane
   * is refused while one is pending: what it transfers would be anywhere among the bytes of the first.
   */
  run<R>(attempt: Attempt<R>, options: WaitOptions | undefined, exclusive: boolean): Promise<R> {
    const now = this.tryNow(attempt, options, exclusive)
    if (typeof now !== 'string') return now
    return new Promise<R>((resolve, reject) => {
      if (exclusive) this.acquire()
      try {
        const operation = new Operation(this, attempt, exclusive, resolve, reject, options)
        if (now === 'park') this.park(operation)
      } catch (error) {
        // A getter of the options, or a signal that is not the platform's.
        if (exclusive) this.release()
        throw error
      }
    })
  }

  /** The first attempt: what it came to, or that it has to wait for an event, or, since there were too many, for a turn. */
  tryNow<R>(attempt: Attempt<R>, options: WaitOptions | undefined, exclusive: boolean): Promise<R> | 'wait' | 'park' {
    if (exclusive && this.#busy) return Promise.reject(this.refusal())
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason)
    const once = options?.timeout === 0
    // Looked at after the options, whose getters may have done anything.
    const { ended } = this.registration
    if (ended !== null) return Promise.reject(ended)
    if (once) this.doubt()
    if (!this.mayCompleteAtOnce() && !once) return 'park'
    let result: R | WouldBlock
    try {
      result = attempt()
    } catch (error) {
      return Promise.reject(error)
    }
    if (result !== WouldBlock) return Promise.resolve(result)
    if (once) return Promise.reject(expired(0, 0))
    this.#atOnce--
    return 'wait'
  }

  /** Has an entry attempt in the next turn. */
  park(entry: Parked): void {
    if (!entry.linked) return
    const { reactor } = this.registration
    reactor.countParked()
    reactor.park(entry)
  }

  /** An exclusive operation begins. */
  acquire(): void {
    this.#busy = true
    this.activity++
  }

  /** The exclusive operation is over. */
  release(): void {
    this.#busy = false
  }

  /** Has the next attempt ask the kernel, whatever is known. */
  doubt(): void {
    this.#blocked = false
  }

  private refusal(): Error {
    const [what, again] = this.side.interest === Interest.READABLE ? ['read', 'reads'] : ['write', 'writes']
    return stateError(
      ErrorCode.BUSY,
      `a ${what} of this descriptor is pending already; await it, as the bytes of two ${again} at once would be anyone's`,
      this.registration.fd,
    )
  }

  /** What is always ready never leaves the microtasks: now and then the event loop has its turn. */
  private mayCompleteAtOnce(): boolean {
    const none = (this.registration.reactor.iteration & 0xffff) << COUNT_BITS
    if (this.#atOnce >> COUNT_BITS !== none >> COUNT_BITS) this.#atOnce = none
    if (this.#atOnce - none === AT_ONCE_PER_ITERATION) return false
    this.#atOnce++
    return true
  }

  /** What just completed did the work of as many more operations. */
  charge(more: number): void {
    const none = (this.#atOnce >> COUNT_BITS) << COUNT_BITS
    this.#atOnce = Math.min(this.#atOnce + more, none + AT_ONCE_PER_ITERATION)
  }
}

/** A pending operation: attempted with each event. */
class Operation<R> extends Pending<R> {
  readonly #lane: Lane
  readonly #attempt: Attempt<R>
  readonly #exclusive: boolean

  constructor(
    lane: Lane,
    attempt: Attempt<R>,
    exclusive: boolean,
    resolve: (value: R) => void,
    reject: (reason: unknown) => void,
    options: WaitOptions | undefined,
  ) {
    super(lane.registration, lane.side.mask, lane.owner, resolve, reject)
    this.#lane = lane
    this.#attempt = attempt
    this.#exclusive = exclusive
    if (options !== undefined) this.limit(options)
    lane.registration.link(this)
  }

  override fire(): void {
    let result: R | WouldBlock
    try {
      result = this.#attempt()
    } catch (error) {
      this.detach()
      this.reject(error)
      return
    }
    if (result === WouldBlock) return
    this.detach()
    this.resolve(result)
  }

  protected override expire(timeout: number, elapsed: number): void {
    // The attempt is a look at the descriptor: readiness that no turn has told of yet is told of by it.
    this.#lane.doubt()
    this.fire()
    if (!this.linked) return
    this.detach()
    this.reject(expired(timeout, elapsed))
  }

  protected override detach(): void {
    super.detach()
    if (this.#exclusive) this.#lane.release()
  }
}
