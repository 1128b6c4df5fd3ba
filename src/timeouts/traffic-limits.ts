/**
 * Limits of what goes over a connection: nothing either way, nothing taken, nothing read, nothing in answer.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { type Answer, Outflow } from '../kernel.js'
import { theReactor } from '../reactor.js'
import { instantOf, type Stamp, stamp } from '../stamp.js'
import { Limit, type Limited } from './limit.js'
import type { Phase } from './phases.js'
import {
  accepted,
  type Counters,
  counters,
  fdOf,
  handed,
  hasArrived,
  hasInput,
  hasRoom,
  isEncrypted,
  isQueued,
  isReading,
  isReadPast,
  isSending,
  lastCame,
  received,
  sentAgo,
  silentSince,
} from './traffic.js'

/** Part of a limit after which it looks whether anything has moved: so late it may be, and never early. Promised is a tenth. */
const LATE = 0.08

const NOTHING: Counters = Object.freeze({ received: 0, accepted: 0, sending: false })

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

  #outflow: Outflow | null = null
  /** From when it counted when the outflow was looked at: unless it does so still, something was written. */
  #watched = -1

  /** As {@link left}. What is taken starts it afresh, and when the time has come the kernel is asked whether it went on sending meanwhile. */
  protected leftOfSending(now: number): number {
    this.#watch(now)
    if (super.left(now) <= 0) this.since = silentSince(this.socket, this.since, now)
    const left = super.left(now)
    return this.#outflow === null ? left : this.sooner(left)
  }

  #watch(now: number): void {
    if (this.since !== this.#watched) this.#outflow = Outflow.of(fdOf(this.socket))
    else if (this.#outflow?.look(fdOf(this.socket))) this.since = now
    if (this.#outflow?.isOver) this.#outflow = null
    this.#watched = this.since
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
    return this.sooner(this.leftOfSending(now))
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
 * The kernel takes nothing, and the peer gets nothing. The first write starts the timer, and that looks now and then whether anything is
 * queued, until nothing more has been written for a while. One that no other follows counts from when it was written, others from
 * the next look.
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
    if (this.#sending) return this.sooner(this.leftOfSending(now))
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
  /** Whether somebody read at the last look. */
  #read = false

  /** Soon it looks whether anything does; somebody may be about to set that up. */
  protected override begin(): void {
    this.#received = received(this.socket)
    this.#read = isReading(this.socket)
    this.arm(this.sooner(super.left(theReactor().now())))
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
    const [before, reads] = [this.#read, isReading(this.socket)]
    // Of who begins to read past the socket nothing tells.
    if (!reads || (!before && told === null)) this.since = now
    this.#read = reads
    this.#received = count
    this.#noted = came
    this.#told = null
    const left = super.left(now)
    return isReadPast(this.socket) ? this.sooner(left) : left
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
  /** What had been handed to the kernel with what is to be answered; -1 before the first look. */
  #asked = -1
  /** Whether the peer did not have all of that yet, at the last look. */
  #arriving = false

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
    this.#asked = -1
    this.#arriving = false
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
    const all = handed(this.socket)
    if (this.#asked === -1 || sending) this.#asked = all
    const wasArriving = this.#arriving
    this.#arriving = !hasArrived(this.socket, this.#asked)
    // What was written later is not what is to be answered.
    const counts = all === this.#asked || wasArriving || this.#arriving
    const left = counts ? this.leftOfSending(now) : super.left(now)
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
