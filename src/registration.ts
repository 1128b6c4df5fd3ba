/**
 * The JavaScript half of a registration: its readiness words on the board, and who waits on it. It does not refer to
 * the `AsyncFd` it belongs to, only its entries do: so pending waits keep an `AsyncFd` reachable, and nothing else does.
 *
 * @module
 */
import { GENERATION, READ, READ_BITS, READ_OP, READ_TICK, STRIDE, slots, WANTED, WRITE_BITS, WRITE_TICK } from './board.js'
import { type AsyncFdError, ErrorCode } from './errors.js'
import { Interest, Ready } from './interest.js'
import type { Reactor } from './reactor.js'

export const READ_SIDE = Ready.READABLE | Ready.READ_CLOSED | Ready.PRIORITY | Ready.ERROR
export const WRITE_SIDE = Ready.WRITABLE | Ready.WRITE_CLOSED | Ready.ERROR
export const CLOSED = Ready.READ_CLOSED | Ready.WRITE_CLOSED

/** The ready bits that satisfy an interest: closed states and errors end a wait for their direction. */
export function readyMask(interest: number): number {
  let mask = interest
  if ((interest & (Interest.READABLE | Interest.PRIORITY)) !== 0) mask |= Ready.READ_CLOSED | Ready.ERROR
  if ((interest & Interest.WRITABLE) !== 0) mask |= Ready.WRITE_CLOSED | Ready.ERROR
  return mask
}

/** What can be fired in the next turn. */
export interface Parked {
  readonly registration: Registration
  /** The ready bits that fire it. */
  readonly mask: number
  /** Whether it is pending. */
  readonly linked: boolean
  /** Something of the mask was seen. `bits` is what this event brought. May throw what a listener throws. */
  fire(bits: number): void
}

/** A read that the native side performs. */
export interface Reading {
  /** It came to `result` bytes in a block of the pool, to a negative errno, or to `ATTEMPT`. */
  complete(result: number, block: number): void
  /** The registration ended; an error is made only for who asks why, as it costs more than all else of a close. */
  end(why: () => unknown): void
}

/** Something that waits on a registration: a promise, a subscription or a waker. */
export abstract class Entry implements Parked {
  constructor(
    readonly registration: Registration,
    readonly mask: number,
    /** The AsyncFd, which thus stays reachable while something is pending. */
    readonly owner: unknown,
  ) {}

  get linked(): boolean {
    return this.registration.has(this)
  }

  abstract fire(bits: number): void

  /** What an entry that stays has to do for its next event. Throws nothing. */
  askAgain(): void {}

  /** As {@link Reading.end}. May throw what a listener throws. */
  abstract end(why: () => unknown): void
}

/** Beside the bits of an interest. */
const LEVEL = 1 << 8
const OWNED = 1 << 9
const UNREFD = 1 << 10
const IN_CLOSURE = 1 << 11
const ENDED = 1 << 12
const INTEREST = LEVEL - 1

/** The number that no registration is given, ever. */
const NO_GENERATION = 0xffffffff

/** There are as many as there are connections, so it is small: a word for all that is true or false. */
export class Registration {
  /** There is one. */
  declare readonly reactor: Reactor
  /** Who waits: nobody, one, or several in the order in which they were added. */
  #waiting: Entry | Set<Entry> | null = null
  /** The read that is asked for. */
  reading: Reading | null = null
  /** What {@link keeps} tells; once it ended, why. */
  #purpose: object | null | undefined
  #flags: number

  constructor(
    readonly fd: number,
    readonly slot: number,
    interest: number,
    level: boolean,
    owned: boolean,
  ) {
    this.#flags = interest | (level ? LEVEL : 0) | (owned ? OWNED : 0)
  }

  /** What the kernel is asked for. */
  get interest(): number {
    return this.#flags & INTEREST
  }

  set interest(interest: number) {
    this.#flags = (this.#flags & ~INTEREST) | interest
  }

  /** Readiness is asked of the kernel again, instead of waiting for an edge. */
  get level(): boolean {
    return (this.#flags & LEVEL) !== 0
  }

  /** Whether its end ends the descriptor, too. */
  get owned(): boolean {
    return (this.#flags & OWNED) !== 0
  }

  /** Whether pending entries keep the process alive. */
  get refd(): boolean {
    return (this.#flags & UNREFD) === 0
  }

  /** Whether a closure of `tryIo` or `asyncIo` runs now. */
  get isInClosure(): boolean {
    return (this.#flags & IN_CLOSURE) !== 0
  }

  set isInClosure(is: boolean) {
    this.#flags = is ? this.#flags | IN_CLOSURE : this.#flags & ~IN_CLOSURE
  }

  /** How many things are pending. */
  get pending(): number {
    const waiting = this.#waiting
    const entries = waiting instanceof Set ? waiting.size : waiting === null ? 0 : 1
    return entries + (this.reading === null ? 0 : 1)
  }

  /** Whether it ended. */
  get isEnded(): boolean {
    return (this.#flags & ENDED) !== 0
  }

  /** Whether it was ended by its user, and not lost. */
  get wasClosed(): boolean {
    if (!this.isEnded) return false
    const why = this.#purpose
    return typeof why === 'function' || (why as AsyncFdError).code === ErrorCode.CLOSED
  }

  /** Why it ended, once it has. That its user closed it is made an error when first asked for. */
  get ended(): Error | null {
    if (!this.isEnded) return null
    if (typeof this.#purpose === 'function') this.#purpose = this.#purpose() as Error
    return this.#purpose as Error
  }

  set ended(why: Error | (() => Error)) {
    this.#purpose = why
    this.#flags |= ENDED
  }

  /** What it is for, as long as that is kept reachable; null once it may be collected. Undefined if nobody watches for that, and once it ended. */
  get keeps(): object | null | undefined {
    return this.isEnded ? undefined : this.#purpose
  }

  set keeps(purpose: object | null) {
    this.#purpose = purpose
  }

  /** What is known ready, of the bits in `mask`. */
  ready(mask: number): number {
    const at = this.slot * STRIDE
    return (slots[at + READ_BITS]! | slots[at + WRITE_BITS]!) & mask
  }

  /** Tells it from others that have its slot before and after it. Of one that ended it is none that any has. */
  get generation(): number {
    return this.isEnded ? NO_GENERATION : slots[this.slot * STRIDE + GENERATION]!
  }

  get readTick(): number {
    return slots[this.slot * STRIDE + READ_TICK]!
  }

  get writeTick(): number {
    return slots[this.slot * STRIDE + WRITE_TICK]!
  }

  /**
   * Clears `bits`, in each direction only if no event came since its tick was taken. Closed states stay. A late event
   * of an ended registration has another generation, so the words of an ended one are never another's here:
   * callers check {@link isEnded} first.
   */
  clear(bits: number, readTick: number, writeTick: number): void {
    if (this.isEnded) return
    const at = this.slot * STRIDE
    if ((bits & READ_SIDE) !== 0 && slots[at + READ_TICK] === readTick) slots[at + READ_BITS]! &= ~(bits & READ_SIDE) | CLOSED
    if ((bits & WRITE_SIDE) !== 0 && slots[at + WRITE_TICK] === writeTick)
      slots[at + WRITE_BITS]! &= ~(bits & WRITE_SIDE) | CLOSED
    if (!this.reactor.edge) this.reactor.rearm(this)
  }

  /**
   * Drops those of `bits`, closed states too, that the kernel denies at this moment. What comes later brings an event of
   * its own, so the tick does not matter. Returns what is still ready of them. Throws what `poll(2)` fails with.
   */
  recheck(bits: number): number {
    if (this.isEnded) return 0
    const denied = bits & ~this.reactor.probe(this.fd, this.interest)
    const at = this.slot * STRIDE
    slots[at + READ_BITS]! &= ~denied
    slots[at + WRITE_BITS]! &= ~denied
    if (denied !== 0 && !this.reactor.edge) this.reactor.rearm(this)
    return this.ready(bits)
  }

  /** Replaces what is known by what the kernel says now: how a level-triggered descriptor is asked. */
  refresh(): void {
    const bits = this.reactor.probe(this.fd, this.interest)
    const at = this.slot * STRIDE
    const known = slots[at + READ_BITS]! | slots[at + WRITE_BITS]!
    slots[at + READ_BITS] = bits & READ_SIDE
    slots[at + WRITE_BITS] = bits & WRITE_SIDE
    if (this.reactor.edge) return
    this.reactor.rearm(this)
    this.tell(bits & ~known)
  }

  /** A oneshot registration is armed only for what is not known ready: what we learn ourselves brings no event any more. */
  private tell(news: number): void {
    const wanted = news & slots[this.slot * STRIDE + WANTED]!
    if (wanted !== 0) for (const entry of this.matching(wanted)) this.reactor.park(entry)
  }

  /** Asks the native side for a read: the most bytes, and how. */
  startRead(reading: Reading, read: number): void {
    const at = this.slot * STRIDE
    this.reading = reading
    slots[at + READ] = read
    slots[at + WANTED]! |= READ_OP
    if (this.refd) this.reactor.hold(1)
  }

  /** It is over, or not wanted any more. */
  endRead(): void {
    this.reading = null
    if (this.refd) this.reactor.release(1)
    if (!this.isEnded) slots[this.slot * STRIDE + WANTED]! &= ~READ_OP
  }

  /** Whether the read was performed, and its result is on the way. */
  get hasRead(): boolean {
    return slots[this.slot * STRIDE + READ] === 0
  }

  /** Adds closed states that were found by asking the kernel. */
  learnClosed(bits: number): void {
    const closed = bits & CLOSED & ~this.ready(CLOSED)
    if (closed === 0) return
    const at = this.slot * STRIDE
    slots[at + READ_BITS]! |= closed & READ_SIDE
    slots[at + WRITE_BITS]! |= closed & WRITE_SIDE
    this.tell(closed)
  }

  /** Asks the kernel about `mask` upon an event that is not to be believed as it is. */
  confirm(mask: number): void {
    try {
      if (this.level) this.refresh()
      else this.recheck(mask)
    } catch {
      // The descriptor is gone. The next call that uses it says so.
    }
  }

  /**
   * An attempt on the descriptor would have blocked: clears what the attempt was made for. With both directions, or a
   * closed state, among `bits` the attempt alone does not say what is over, so the kernel is asked. Returns what is left.
   */
  wouldBlock(bits: number, readTick: number, writeTick: number): number {
    const both = (bits & (Ready.READABLE | Ready.PRIORITY)) !== 0 && (bits & Ready.WRITABLE) !== 0
    if (both || (bits & CLOSED) !== 0) {
      try {
        return this.recheck(bits)
      } catch {
        // The descriptor is gone: nothing of it is ready. The next call that uses it says so.
      }
    }
    this.clear(bits, readTick, writeTick)
    return 0
  }

  /** Adds a waiting entry. One that comes after the end, since a getter of its options closed the AsyncFd, ends at once. */
  link(entry: Entry): void {
    if (this.isEnded) {
      entry.end(() => this.ended)
      return
    }
    const waiting = this.#waiting
    if (waiting === null) this.#waiting = entry
    else if (waiting instanceof Set) waiting.add(entry)
    else this.#waiting = new Set([waiting, entry])
    slots[this.slot * STRIDE + WANTED]! |= entry.mask
    if (this.refd) this.reactor.hold(1)
  }

  unlink(entry: Entry): void {
    const waiting = this.#waiting
    if (waiting === entry) this.#waiting = null
    else if (!(waiting instanceof Set && waiting.delete(entry))) return
    else if (waiting.size === 1) [this.#waiting] = waiting
    if (this.refd) this.reactor.release(1)
    if (this.isEnded) return
    const at = this.slot * STRIDE + WANTED
    let wanted = this.reading === null ? 0 : READ_OP
    const left = this.#waiting
    if (left instanceof Set) {
      for (const { mask } of left) {
        wanted |= mask
        if (wanted === slots[at]) return
      }
    } else if (left !== null) {
      wanted |= left.mask
    }
    slots[at] = wanted
  }

  /** The one entry there is, or null if there are none or several. */
  get only(): Entry | null {
    return this.#waiting instanceof Set ? null : this.#waiting
  }

  has(entry: Entry): boolean {
    const waiting = this.#waiting
    return waiting === entry || (waiting instanceof Set && waiting.has(entry))
  }

  /** All entries whose mask has something of `bits`. */
  matching(bits: number): Entry[] {
    const waiting = this.#waiting
    if (waiting === null) return []
    return (waiting instanceof Set ? [...waiting] : [waiting]).filter(({ mask }) => (mask & bits) !== 0)
  }

  setRef(refd: boolean): void {
    if (refd === this.refd) return
    this.#flags ^= UNREFD
    const { pending } = this
    if (pending === 0) return
    if (refd) this.reactor.hold(pending)
    else this.reactor.release(pending)
  }
}
