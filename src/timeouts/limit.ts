/**
 * One limit of a phase. When its time has come nothing is said of the peer before the kernel was asked: what lies there while our
 * own loop was blocked is not the peer's fault.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { theReactor } from '../reactor.js'
import { instantOf, type Stamp, stamp } from '../stamp.js'
import { BaseTimer } from '../timer-queue.js'
import type { Phase } from './phases.js'
import { afterPollPhase } from './poll-phase.js'
import {
  type Answer,
  accepted,
  type Counters,
  counters,
  handed,
  hasInput,
  hasRoom,
  isEncrypted,
  isQueued,
  isReading,
  isSending,
  lastCame,
  received,
  sentAgo,
} from './traffic.js'

/** Part of a limit after which it looks whether anything has moved: so late it may be, and never early. Promised is a tenth. */
const LATE = 0.08

const NOTHING: Counters = Object.freeze({ received: 0, accepted: 0, sending: false })

/** Whose limits these are. */
export interface Limited {
  /** Brings up to date which limits run; what ends on the way is stopped. */
  sync(): void
  /** Something came that nobody was told of. */
  hearPackets?(): void
  /** Whether a limit has to be told of every write has changed. */
  hearWrites?(): void
  /** The limit was exceeded. */
  exceeded(limit: Limit, elapsed: number, loopDelay: number): void
}

/** One limit. It does not keep the process alive, unless it is told to. */
export abstract class Limit extends BaseTimer {
  readonly phase: Phase
  readonly ms: number
  protected readonly owner: Limited
  /** From when it counts. */
  protected since = 0
  /** When it was set to look. */
  #due = 0
  running = false

  constructor(owner: Limited, phase: Phase, ms: number, refd = false) {
    super(refd)
    this.owner = owner
    this.phase = phase
    this.ms = ms
  }

  /** Begins to count, from `since`. */
  start(since: number = theReactor().now()): void {
    this.running = true
    this.since = since
    this.begin()
  }

  stop(): void {
    this.running = false
    theReactor().timers.cancel(this)
  }

  /** Notes the counters of the socket: what has moved by now is no news later. */
  look(): void {}

  /** Starts the timer, if it has to run from the beginning on. */
  protected begin(): void {
    this.arm(this.since + this.ms - theReactor().now())
  }

  /** Looks in `ms` milliseconds. */
  protected arm(ms: number): void {
    this.#due = theReactor().now() + ms
    // By the instant: a duration would be counted from the next turn of the loop, which may be blocked until then.
    theReactor().timers.at(this, this.#due)
  }

  /** Milliseconds until the next look; 0 or less if the limit is exceeded, `Infinity` if there is nothing to look for now. */
  protected left(now: number): number {
    return this.since + this.ms - now
  }

  /** Whether the peer did its part, and our loop is behind. */
  protected abstract isAnswered(): Answer

  /** Starts afresh, as the peer did its part; or does not. */
  protected afresh(): boolean {
    return false
  }

  fire(): void {
    const late = Math.max(0, theReactor().now() - this.#due)
    this.owner.sync()
    if (!this.running) return
    const now = theReactor().now()
    const left = this.left(now)
    if (left > 0) {
      this.#wait(left)
      return
    }
    const answer = this.isAnswered()
    if (answer === false) this.#exceeded(late)
    else afterPollPhase(() => this.#again(late, answer), late)
  }

  #wait(left: number): void {
    if (left < Infinity) this.arm(left)
  }

  /** The loop had its poll phase. */
  #again(late: number, answer: Answer): void {
    if (this.running) this.owner.sync()
    if (!this.running || (answer === true && this.afresh())) return
    // Where the kernel could not be asked, what was read by now is all there is to know.
    const left = this.left(theReactor().now())
    if (left > 0) this.#wait(left)
    else this.#exceeded(late)
  }

  #exceeded(late: number): void {
    const elapsed = Math.max(this.ms, theReactor().now() - this.since)
    this.stop()
    this.owner.exceeded(this, elapsed, late)
  }
}

/** A span of the connection's life: it begins, and has to end. A peer that drips gets no more than one poll phase. */
export class Span extends Limit {
  readonly #isAnswered: () => Answer

  constructor(owner: Limited, phase: Phase, ms: number, isAnswered: () => Answer, refd = false) {
    super(owner, phase, ms, refd)
    this.#isAnswered = isAnswered
  }

  protected override isAnswered(): Answer {
    return this.#isAnswered()
  }
}

/** A limit of traffic: what moves starts it afresh. */
abstract class TrafficLimit extends Limit {
  constructor(
    owner: Limited,
    phase: Phase,
    ms: number,
    protected readonly socket: Socket,
  ) {
    super(owner, phase, ms)
  }

  protected override afresh(): boolean {
    this.start()
    return true
  }

  /** Looks again after a part of the limit. */
  protected sooner(left: number): number {
    return left > 0 ? Math.min(left, this.ms * LATE) : left
  }
}

/** A limit that goes by all of the socket's counters. */
abstract class Counted extends TrafficLimit {
  /** What they were at the last look. */
  protected seen: Counters = NOTHING

  override look(): void {
    this.seen = counters(this.socket)
  }
}

/**
 * No byte either way. It costs nothing per packet: it looks now and then whether the socket's counters have moved. Where the loop was
 * blocked meanwhile, it asks the kernel when; where that does not know, it is told of writes.
 */
export class Idle extends Counted {
  #wrote = false
  #looked = 0

  protected override begin(): void {
    this.look()
    this.arm(this.ms * LATE)
  }

  /** Bytes were written, or queued. */
  wrote(): void {
    if (!this.running) return
    this.#wrote = true
    this.since = theReactor().now()
  }

  override look(): void {
    super.look()
    this.#wrote = false
    this.#looked = theReactor().now()
  }

  /** Notes when something moved last. */
  #update(now: number): boolean {
    const [before, wrote, looked] = [this.seen, this.#wrote, this.#looked]
    this.look()
    const hasCome = before.received !== this.seen.received
    if (!hasCome && before.accepted === this.seen.accepted) return false
    const isLate = now - looked > this.ms * LATE * 2
    // What we wrote ourselves, and nothing of it is queued: it went when we wrote it.
    const atOnce = !hasCome && !before.sending && !this.seen.sending
    if (atOnce && wrote) return true
    const ago = atOnce && isLate ? sentAgo(this.socket) : null
    this.since = ago === null ? now : Math.max(this.since, looked, now - ago)
    return true
  }

  protected override left(now: number): number {
    this.#update(now)
    return this.sooner(super.left(now))
  }

  protected override isAnswered(): Answer {
    const input = hasInput(this.socket)
    return input === false && isSending(this.socket) ? hasRoom(this.socket) : input
  }

  /** What is queued and does not go, though there is room, waits for something else: for a handshake that the peer does not answer. */
  protected override afresh(): boolean {
    return (this.#update(theReactor().now()) || hasInput(this.socket) === true) && super.afresh()
  }
}

/**
 * The kernel takes nothing. The first write starts the timer, and that looks now and then whether anything is queued, until nothing more
 * has been written for a while. One that no other follows counts from when it was written, others from the next look.
 */
export class Write extends TrafficLimit {
  /** At the last look, or at the write that started the timer. */
  #sending = false
  #accepted = 0
  #rests = true

  /** Whether it has to be told of the next write. */
  get rests(): boolean {
    return this.#rests
  }

  protected override begin(): void {
    this.#note(isSending(this.socket))
    if (this.#sending) this.arm(this.ms * LATE)
    this.#setRests(!this.#sending)
  }

  #note(sending: boolean): void {
    this.#sending = sending
    this.#accepted = accepted(this.socket)
  }

  #wake(): void {
    this.arm(this.ms * LATE)
    this.#setRests(false)
  }

  #setRests(rests: boolean): void {
    if (this.#rests === rests) return
    this.#rests = rests
    this.owner.hearWrites?.()
  }

  override look(): void {
    this.#hasMoved()
  }

  /** Looks, and tells whether anything went since the last time. */
  #hasMoved(): boolean {
    const [before, wasSending] = [this.#accepted, this.#sending]
    this.#note(isSending(this.socket))
    const moved = before !== this.#accepted
    // A write of Node's begins when the one before is over: something went, or nothing was queued.
    if (moved || !wasSending) this.since = theReactor().now()
    return moved
  }

  /** Bytes were written, or queued. */
  wrote(): void {
    if (!this.running || !this.#rests) return
    this.since = theReactor().now()
    this.#note(isQueued(this.socket))
    this.#wake()
  }

  /** A socket that encrypts on top of this one is about to write, or reads. */
  mayHaveWritten(): void {
    if (this.running && this.#rests) this.#wake()
  }

  protected override left(now: number): number {
    const moved = this.#hasMoved()
    if (this.#sending) return this.sooner(super.left(now))
    if (moved) return this.ms * LATE
    this.#setRests(true)
    return Infinity
  }

  protected override isAnswered(): Answer {
    return hasRoom(this.socket)
  }
}

/** No byte comes, though somebody reads. */
export class Read extends TrafficLimit {
  #received = 0
  /** When somebody told of something last, since the last look. */
  #told: Stamp | null = null
  /** What the socket had noted at the last look. */
  #noted: Stamp | null = null

  protected override begin(): void {
    this.#received = received(this.socket)
    super.begin()
  }

  /** Something came. */
  came(): void {
    if (this.running) this.#told = stamp()
  }

  /** Somebody reads again: that is no packet, and the clock may be read for it. */
  resumed(): void {
    if (this.running) this.#told = { at: theReactor().now() }
  }

  protected override left(now: number): number {
    const [count, came, told] = [received(this.socket), lastCame(this.socket), this.#told]
    const at = Math.max(came === null ? 0 : instantOf(came), told === null ? 0 : instantOf(told))
    // What came after the last look, but in the same iteration of the loop, has the same stamp: of a later instant by now.
    if (told !== null || came !== this.#noted || at > this.since) this.since = Math.max(this.since, at)
    else if (count !== this.#received) {
      // A part of an encrypted record, or somebody reads in another way.
      this.since = now
      this.owner.hearPackets?.()
    }
    if (!isReading(this.socket)) this.since = now
    this.#received = count
    this.#noted = came
    this.#told = null
    return super.left(now)
  }

  protected override isAnswered(): Answer {
    return hasInput(this.socket)
  }
}

/** No byte answers a write. */
export class Response extends Counted {
  #waiting = false
  /** What had been handed to the kernel when {@link mayHaveWritten} was called; -1 since something came. */
  #handed = -1

  /** It waits for a write. What is queued now counts as one. */
  protected override begin(): void {
    this.came()
    if (isSending(this.socket)) this.#await(true)
  }

  /** Bytes were written, or queued. */
  wrote(): void {
    if (this.running && !this.#waiting) this.#await(isQueued(this.socket))
  }

  #await(sending: boolean): void {
    this.#waiting = true
    this.since = theReactor().now()
    this.seen = counters(this.socket, sending)
    if (this.id === -1) this.arm(this.ms * LATE)
  }

  /** Something came: nothing is waited for until the next write. The timer runs on, and finds that out. */
  came(): void {
    this.#waiting = false
    this.#handed = -1
  }

  /**
   * A socket that encrypts on top of this one is about to write; or it takes another part of what came before. If it writes, more will
   * have been handed to the kernel than now.
   */
  mayHaveWritten(): void {
    if (!this.running || this.#waiting || this.#hasWritten()) return
    this.#handed = handed(this.socket)
    this.since = theReactor().now()
    if (this.id === -1) this.arm(this.ms * LATE)
  }

  #hasWritten(): boolean {
    if (this.#handed === -1 || handed(this.socket) === this.#handed) return false
    const { since } = this
    this.#await(isSending(this.socket))
    this.since = since
    return true
  }

  protected override left(now: number): number {
    if (!this.#waiting && !this.#hasWritten()) return Infinity
    const before = this.seen
    this.look()
    const { received, accepted, sending } = this.seen
    if (before.received !== received && !isEncrypted(this.socket)) {
      this.came() // Somebody who encrypts on top of this socket has read it.
      return Infinity
    }
    // A part of an encrypted record; or a large request on its way, which nobody can answer yet.
    if (before.received !== received || ((before.sending || sending) && before.accepted !== accepted)) this.since = now
    const left = super.left(now)
    return sending ? this.sooner(left) : left
  }

  protected override isAnswered(): Answer {
    return hasInput(this.socket)
  }

  protected override afresh(): boolean {
    this.since = theReactor().now()
    if (this.#waiting) this.arm(this.ms)
    return true
  }
}
