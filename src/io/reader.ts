/**
 * The reads of a descriptor that come with the event: the native side performs them in the turn, into a block of the pool.
 *
 * @module
 */
import { ATTEMPT, BY_RECV, READ_OP, SHORT_IS_ALL } from '../board.js'
import { stacklessSystemError } from '../errors.js'
import { Entry, type Reading } from '../registration.js'
import { expired, Limits, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import type { Kind } from './kind.js'
import type { Lane } from './lane.js'
import { type Block, blockOf, prepare } from './pool.js'

/** Makes the result of a read. */
export interface Sink<R> {
  /** Of the bytes in a block, which it gives back now or later. */
  bytes(block: Block, count: number): R
  /** At the end. */
  end(): R
  /** When the descriptor was closed meanwhile: undefined rejects. */
  closed?(error: unknown): R | undefined
}

/** Attempts a read of at most `size` bytes. */
export type AttemptRead = (size: number, sink: Sink<unknown>) => unknown

/** There is one for all reads of a descriptor, one after the other. */
export class Reader extends Entry implements Reading {
  readonly #lane: Lane
  readonly #kind: Kind
  readonly #how: number
  #resolve: ((value: unknown) => void) | null = null
  #reject: ((reason: unknown) => void) | null = null
  #sink: Sink<unknown> | null = null
  #size = 0
  #attempt: AttemptRead | null = null
  #limits: Limits | null = null

  constructor(lane: Lane, kind: Kind, owner: unknown) {
    super(lane.registration, READ_OP, owner)
    this.#lane = lane
    this.#kind = kind
    this.#how = (kind.socket ? BY_RECV : 0) | (kind.shortIsAll ? SHORT_IS_ALL : 0)
  }

  /** Reads at most `size` bytes: at once, by `attempt`, or else with the event. */
  read<R>(size: number, attempt: AttemptRead, sink: Sink<R>, options: WaitOptions | undefined): Promise<R> {
    const lane = this.#lane
    let park = false
    if (options !== undefined || !lane.mustWait) {
      const now = lane.tryNow(() => attempt(size, sink) as R | WouldBlock, options, true)
      if (typeof now !== 'string') return now
      park = now === 'park'
    }
    prepare()
    return new Promise<R>((resolve, reject) => {
      this.#resolve = resolve as (value: unknown) => void
      this.#reject = reject
      this.#sink = sink
      this.#size = size
      this.#attempt = attempt
      lane.acquire()
      this.linked = true
      this.registration.startRead(this, size | this.#how)
      if (options !== undefined) this.#limit(options)
      if (park) lane.park(this)
    })
  }

  #limit(options: WaitOptions): void {
    this.#limits = new Limits(
      options,
      (timeout, elapsed) => {
        this.#lane.doubt()
        this.fire()
        if (this.linked && !this.#isOver) this.#fail(expired(timeout, elapsed))
      },
      (reason) => {
        if (!this.#isOver) this.#fail(reason)
      },
    )
  }

  /** The read was performed, and its result is on the way: it wins over a deadline or an abort. */
  get #isOver(): boolean {
    return this.registration.hasRead
  }

  #detach(): void {
    this.linked = false
    this.registration.endRead()
    this.#lane.release()
    if (this.#limits !== null) {
      this.#limits.stop()
      this.#limits = null
    }
  }

  #settle(value: unknown): void {
    this.#detach()
    this.#resolve!(value)
  }

  #fail(reason: unknown): void {
    this.#detach()
    this.#reject!(reason)
  }

  complete(result: number, block: number): void {
    if (result > 0) {
      const sink = this.#sink!
      this.#lane.activity += result
      this.#detach()
      let value: unknown
      try {
        value = sink.bytes(blockOf(block), result)
      } catch (error) {
        this.#reject!(error)
        return
      }
      this.#resolve!(value)
    } else if (result === ATTEMPT) this.fire()
    else if (result === 0 || this.#kind.isEnd(result)) this.#settle(this.#sink!.end())
    else this.#fail(stacklessSystemError(-result, this.#kind.socket ? 'recv' : 'read', this.registration.fd))
  }

  /** Attempts it here: it was put off to a turn of its own, or the native side could not. */
  override fire(): void {
    if (this.#isOver) return
    let result: unknown
    try {
      result = this.#attempt!(this.#size, this.#sink!)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (result !== WouldBlock) this.#settle(result)
  }

  override end(error: unknown): void {
    const instead = this.#sink!.closed?.(error)
    if (instead === undefined) this.#fail(error)
    else this.#settle(instead)
  }
}
