/**
 * The reads of a descriptor that come with the event: the native side performs them in the turn, into a block of the pool.
 *
 * @module
 */
import { ATTEMPT, BY_RECV, READ_OP, SHORT_IS_ALL, TELL } from '../board.js'
import { stackless, systemError } from '../errors.js'
import type { Parked, Reading } from '../registration.js'
import { expired, Limits, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import { Lane } from './lane.js'
import { type Block, blockOf, prepare } from './pool.js'

/** What a read is for: makes its result. */
export interface Sink<R> {
  /** Whether so many bytes are expected, to stay, that they had better be read into a block of their own. */
  readonly own?: boolean
  /** Attempts it, for at most `size` bytes. */
  attempt(size: number): R | WouldBlock
  /** Of the bytes in a block, which it gives back now or later. */
  bytes(block: Block, count: number): R
  /** At the end. */
  end(): R
  /** When the descriptor was closed meanwhile: undefined rejects. */
  whenClosed?(): R | undefined
}

type Resolve = (value: unknown) => void

/** Of the promise that was made last, by {@link keep}: a function for each read would be one more object for each. */
let kept: Resolve | null = null

function keep(resolve: Resolve): void {
  kept = resolve
}

/** The direction in which bytes arrive. It is itself what waits for a read: they come one after the other. */
export class Reader extends Lane implements Reading, Parked {
  #resolve: Resolve | null = null
  /** Of the read that is pending. */
  #sink: Sink<unknown> | null = null
  #size = 0
  #limits: Limits | null = null

  get mask(): number {
    return READ_OP
  }

  get linked(): boolean {
    return this.#sink !== null
  }

  /** Reads at most `size` bytes: at once, by an attempt of `sink`, or else with the event. */
  read<R>(size: number, sink: Sink<R>, options: WaitOptions | undefined): Promise<R> {
    let park = false
    if (options !== undefined || !this.mustWait) {
      const now = this.tryNow(() => sink.attempt(size), options, true)
      if (typeof now !== 'string') return now
      park = now === 'park'
    }
    prepare()
    const promise = new Promise<unknown>(keep)
    this.#resolve = kept
    this.#sink = sink
    this.#size = size
    this.acquire()
    const { socket, shortIsAll } = this.side.kind
    const how = sink.own ? TELL : (socket ? BY_RECV : 0) | (shortIsAll ? SHORT_IS_ALL : 0)
    this.registration.startRead(this, size | how)
    if (options !== undefined) this.limit(options)
    if (park) this.park(this)
    return promise as Promise<R>
  }

  /** Getters of the options, and signals that are not the platform's, may throw, or close this. */
  private limit(options: WaitOptions): void {
    let limits: Limits
    try {
      limits = new Limits(
        options,
        (timeout, elapsed) => {
          this.doubt()
          this.fire()
          if (this.linked && !this.isOver()) this.fail(expired(timeout, elapsed))
        },
        (reason) => {
          if (!this.isOver()) this.fail(reason)
        },
      )
    } catch (error) {
      if (this.linked) this.fail(error)
      return
    }
    if (this.linked) this.#limits = limits
    else limits.stop()
  }

  /** The read was performed, and its result is on the way: it wins over a deadline or an abort. */
  private isOver(): boolean {
    return this.registration.hasRead
  }

  private detach(): void {
    this.#sink = null
    this.registration.endRead()
    this.release()
    if (this.#limits !== null) {
      this.#limits.stop()
      this.#limits = null
    }
  }

  private settle(value: unknown): void {
    this.detach()
    this.#resolve!(value)
  }

  /**
   * By the one function that is kept: a second one would take 64 bytes of every connection that waits. Not with a promise that is
   * rejected: nobody looks at that for a moment, and Node would keep account of it, which costs more than the error.
   */
  private reject(reason: unknown): void {
    // biome-ignore lint/suspicious/noThenProperty: it is seen by the promise alone
    this.#resolve!({ then: (_: unknown, reject: (reason: unknown) => void) => reject(reason) })
  }

  private fail(reason: unknown): void {
    this.detach()
    this.reject(reason)
  }

  complete(result: number, block: number): void {
    if (result > 0) {
      const sink = this.#sink!
      this.activity += result
      this.detach()
      let value: unknown
      try {
        value = sink.bytes(blockOf(block), result)
      } catch (error) {
        this.reject(error)
        return
      }
      this.#resolve!(value)
    } else if (result === ATTEMPT) this.fire()
    else if (result === 0 || this.side.kind.isEnd(result)) this.settle(this.#sink!.end())
    else this.fail(stackless(() => systemError(-result, this.side.kind.socket ? 'recv' : 'read', this.registration.fd)))
  }

  /** Attempts it here: it was put off to a turn of its own, or the native side could not. */
  fire(): void {
    if (this.isOver()) return
    let result: unknown
    try {
      result = this.#sink!.attempt(this.#size)
    } catch (error) {
      this.fail(error)
      return
    }
    if (result !== WouldBlock) this.settle(result)
  }

  end(why: () => unknown): void {
    const instead = this.#sink!.whenClosed?.()
    if (instead === undefined) this.fail(why())
    else this.settle(instead)
  }
}
