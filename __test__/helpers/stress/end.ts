/**
 * One descriptor under test, the other end of it, and what the model knows of both. The other end is worked by plain
 * system calls, so every byte on its way is known, and every event that the kernel owes.
 *
 * Times are numbers of a clock that moves with every thing that is done. An event is owed until it was cleared by a
 * guard that is younger than it: a clear by an older one must not lose it.
 */
import { AsyncFd, type AsyncFdReadyGuard, Interest, Ready, TimeoutError } from 'asyncfd'
import * as sys from 'asyncfd/sys'

const { POLLERR, POLLHUP, POLLIN, POLLOUT } = sys.constants as Record<string, number> as {
  POLLERR: number
  POLLHUP: number
  POLLIN: number
  POLLOUT: number
}
const READ_BITS = Ready.READABLE | Ready.READ_CLOSED | Ready.ERROR
const WRITE_BITS = Ready.WRITABLE | Ready.WRITE_CLOSED | Ready.ERROR
const CHUNK = Buffer.alloc(16_384)
const scratch = Buffer.alloc(65_536)
const GUARDS_KEPT = 4

/** What all ends share. */
export interface Model {
  clock: number
  /** Turns of the event loop so far. */
  turn: number
  /** Wake-ups delivered: waits that resolved, calls of listeners and of wakers. */
  wakeups: number
  /** Whether a turn delivers all that it collected, so that nothing old is on its way after some turns. */
  readonly exact: boolean
  /** An event comes only for what is not known ready. */
  readonly oneshot: boolean
  report(problem: string): void
}

/** A wait or a waker that has not been called yet. */
export interface Pending {
  readonly what: string
  readonly interest: number
  readonly controller: AbortController | undefined
  /** It must end with this error, since that turn. */
  ending: { code: string; turn: number } | undefined
  /** Aborted by us. */
  aborted: boolean
}

export interface Listening {
  readonly interest: number
  readonly born: number
  lastCall: number
  /** It may hear of its end, and then of nothing else. */
  ending: boolean
  over: boolean
  handle: Disposable | undefined
}

export interface Held {
  guard: AsyncFdReadyGuard
  at: number
}

export type Kind = 'pipe reader' | 'pipe writer' | 'socket'

/** A file to be waited on, and its other end. */
export interface Files {
  kind: Kind
  a: number
  /** -1 once closed. */
  b: number
  /** Bytes on their way to `a`, and from it. */
  inBytes: number
  outBytes: number
  halfClosed: boolean
}

export function newFiles(kind: Kind): Files {
  const common = { kind, inBytes: 0, outBytes: 0, halfClosed: false }
  if (kind === 'socket') {
    const [a, b] = sys.socketpair(sys.constants.AF_UNIX!, sys.constants.SOCK_STREAM!)
    return { ...common, a, b }
  }
  const [reader, writer] = sys.pipe()
  return kind === 'pipe reader' ? { ...common, a: reader, b: writer } : { ...common, a: writer, b: reader }
}

const code = (error: unknown) => (error as { code?: string } | undefined)?.code

export class End {
  readonly fd: AsyncFd
  readonly pending = new Set<Pending>()
  readonly listening = new Set<Listening>()
  readonly held: Held[] = []
  state: 'open' | 'lost' | 'closed' = 'open'
  interest: number
  /** When the kernel last had news of each direction, up to when that was cleared, and when it was seen to be quiet. */
  readonly read = { last: 0, killed: 0, quiet: 0 }
  readonly write = { last: 0, killed: 0, quiet: 0 }
  /** The kernel takes no more; the reader has to make room. */
  full = false
  #readWaker: Pending | undefined
  #writeWaker: Pending | undefined

  constructor(
    readonly model: Model,
    readonly files: Files,
    readonly level: boolean,
  ) {
    const all = {
      'pipe reader': Interest.READABLE,
      'pipe writer': Interest.WRITABLE,
      socket: Interest.READABLE | Interest.WRITABLE,
    }
    this.interest = all[files.kind]
    this.fd = new AsyncFd(files.a, { interest: this.interest, trigger: level ? 'level' : 'edge' })
    const kernel = this.kernel()
    if ((kernel & (POLLIN | POLLHUP | POLLERR)) !== 0) this.read.last = this.now()
    else this.read.quiet = this.now()
    if ((kernel & (POLLOUT | POLLHUP | POLLERR)) !== 0) this.write.last = this.now()
    else {
      this.write.quiet = this.now()
      this.full = true
    }
  }

  now(): number {
    return ++this.model.clock
  }

  get canRead(): boolean {
    return this.files.kind !== 'pipe writer'
  }

  get canWrite(): boolean {
    return this.files.kind !== 'pipe reader'
  }

  #problem(text: string): void {
    const { kind, a, b, inBytes, outBytes } = this.files
    const { read, write, state, interest, level } = this
    const known = JSON.stringify({ kind, a, b, inBytes, outBytes, read, write, state, interest, level })
    this.model.report(`${text}; ${known}, kernel ${state === 'open' ? this.kernel() : '-'}, ${String(this.model.clock)}`)
  }

  /** What the kernel says at this moment. */
  kernel(): number {
    return sys.poll([{ fd: this.files.a, events: POLLIN | POLLOUT }], 0)[0]!.revents
  }

  #kernelReady(interest: number): boolean {
    const revents = this.kernel()
    if ((revents & (POLLHUP | POLLERR)) !== 0) return true
    return (
      ((interest & Interest.READABLE) !== 0 && (revents & POLLIN) !== 0) ||
      ((interest & Interest.WRITABLE) !== 0 && (revents & POLLOUT) !== 0)
    )
  }

  // The other end.

  peerWrite(count: number): void {
    const { files } = this
    if (files.b === -1 || files.halfClosed || !this.canRead) return
    const taken = sys.write(files.b, CHUNK, 0, count)
    if (taken === sys.WouldBlock) return
    files.inBytes += taken
    if ((this.interest & Interest.READABLE) !== 0) this.read.last = this.now()
  }

  peerRead(count: number): void {
    const { files } = this
    if (files.b === -1 || !this.canWrite) return
    for (let left = count; left > 0; ) {
      const taken = sys.read(files.b, scratch, 0, Math.min(left, scratch.length))
      if (taken === sys.WouldBlock) {
        if (files.outBytes !== 0) this.#problem('the model lost count of the bytes')
        break
      }
      files.outBytes -= taken
      left -= taken
    }
    if (this.state === 'open' && this.full && (this.kernel() & POLLOUT) !== 0) {
      this.full = false
      if ((this.interest & Interest.WRITABLE) !== 0) this.write.last = this.now()
    }
  }

  peerClose(): void {
    const { files } = this
    if (files.b === -1) return
    sys.close(files.b)
    files.b = -1
    // A closed state that is known already is no news to a registration that is not armed for it.
    if (this.model.oneshot && files.halfClosed) this.read.quiet = this.write.quiet = -1
    else this.read.last = this.write.last = this.now()
  }

  peerHalfClose(): void {
    const { files } = this
    if (files.b === -1 || files.kind !== 'socket' || files.halfClosed) return
    sys.shutdown(files.b, sys.constants.SHUT_WR!)
    files.halfClosed = true
    this.read.last = this.now()
  }

  // The I/O of the user.

  /** Reads once. */
  readOnce = (inner: number, length = scratch.length): number | typeof sys.WouldBlock => {
    const { files } = this
    let count: number | typeof sys.WouldBlock
    try {
      count = sys.read(inner, scratch, 0, length)
    } catch (error) {
      // A socket whose peer went away with bytes unread says so, once.
      if (code(error) !== 'ECONNRESET') throw error
      files.inBytes = 0
      return 0
    }
    if (count === sys.WouldBlock ? files.inBytes !== 0 : count > files.inBytes) this.#problem('the model lost count of the bytes')
    if (count === 0 && (files.inBytes !== 0 || (files.b !== -1 && !files.halfClosed))) this.#problem('an early end of file')
    if (count !== sys.WouldBlock) files.inBytes -= count
    return count
  }

  /** Writes once. */
  writeOnce = (inner: number, length = CHUNK.length): number | typeof sys.WouldBlock => {
    try {
      const count = sys.write(inner, CHUNK, 0, length)
      if (count === sys.WouldBlock) this.full = true
      else this.files.outBytes += count
      return count
    } catch (error) {
      if (code(error) !== 'EPIPE' && code(error) !== 'ECONNRESET') throw error
      return 0
    }
  }

  drain(): void {
    if (this.state !== 'open' || !this.canRead) return
    for (let count: number | symbol = 1; count !== sys.WouldBlock && count !== 0; ) count = this.readOnce(this.files.a)
  }

  readSome(length: number): void {
    if (this.state === 'open' && this.canRead) this.readOnce(this.files.a, length)
  }

  fill(): void {
    if (this.state !== 'open' || !this.canWrite || this.files.b === -1) return
    for (let count: number | symbol = 1; count !== sys.WouldBlock && count !== 0; ) count = this.writeOnce(this.files.a)
    // Behind the back of a oneshot registration it would not learn that there is something to wait for.
    // Where a large piece finds no room a small one may: the last page of a pipe takes it.
    for (let pieces = 0; this.model.oneshot && pieces < 100 && !this.tryIo(Interest.WRITABLE); pieces++);
  }

  /** Through `fd.tryIo`, which may not call. Whether it said WouldBlock, so that nothing is known ready. */
  tryIo(interest: number): boolean {
    if (this.state !== 'open' || (interest & this.interest) !== interest) return false
    let called = false
    const result = this.fd.tryIo(interest, (inner) => {
      called = true
      return interest === Interest.READABLE ? this.readOnce(inner) : this.writeOnce(inner, 100)
    })
    if (called && result === sys.WouldBlock) this.#side(interest).killed = this.now()
    return result === sys.WouldBlock
  }

  #side(interest: number): { last: number; killed: number; quiet: number } {
    return interest === Interest.READABLE ? this.read : this.write
  }

  // Waiting.

  #hold(guard: AsyncFdReadyGuard): void {
    if (this.held.length === GUARDS_KEPT) this.held.shift()
    this.held.push({ guard, at: this.now() })
  }

  /** What every wake-up with a guard must be. */
  #woken(what: string, guard: AsyncFdReadyGuard, interest: number): void {
    this.model.wakeups++
    const { ready } = guard
    if (guard.asyncFd !== this.fd) this.#problem(`foreign: ${what} got the guard of another AsyncFd`)
    if (ready === 0 || guard.isEmpty) this.#problem(`${what} got an empty guard`)
    const mask = ((interest & Interest.READABLE) === 0 ? 0 : READ_BITS) | ((interest & Interest.WRITABLE) === 0 ? 0 : WRITE_BITS)
    if ((ready & ~mask) !== 0) this.#problem(`${what} for ${interest} got ${ready}`)
    if (this.state === 'lost') return
    if ((ready & Ready.READABLE) !== 0 && this.read.last <= this.read.quiet) this.#problem(`foreign: ${what} woke for reading`)
    if ((ready & Ready.WRITABLE) !== 0 && this.write.last <= this.write.quiet) this.#problem(`foreign: ${what} woke for writing`)
  }

  /** Starts a wait. `then` runs with the guard if it comes. */
  wait(interest: number, how: 'for ever' | 'abortable' | number, then: (guard: AsyncFdReadyGuard) => void): Pending | null {
    if (this.state === 'closed' || (interest & this.interest) !== interest) return null
    const controller = how === 'abortable' ? new AbortController() : undefined
    const what = `wait for ${interest} (${how})`
    const pending: Pending = { what, interest, controller, ending: undefined, aborted: false }
    const must = how === 0 && this.state === 'open' && this.#kernelReady(interest)
    const born = this.model.clock
    this.pending.add(pending)
    const options = typeof how === 'number' ? { timeout: how } : controller && { signal: controller.signal }
    this.fd.ready(interest, options).then(
      (guard) => {
        this.#settle(pending)
        const { ending } = pending
        // What resolved before the end came may be told after it, but not in a later turn.
        if (ending !== undefined && this.model.turn > ending.turn + 1) this.#problem(`${what} resolved after ${ending.code}`)
        this.#woken(what, guard, interest)
        this.#hold(guard)
        if (this.state === 'open') then(guard)
      },
      (error: unknown) => {
        this.#settle(pending)
        if (error instanceof TimeoutError) {
          if (typeof how !== 'number') this.#problem(`${what} expired`)
          if (must) this.#problem(`${what} expired at once although it was ready`)
          const owed = this.read.last < born && this.write.last < born && this.state === 'open' && this.#kernelReady(interest)
          if (owed && this.#unread(born)) this.#problem(`${what} expired although it was ready all the time`)
        } else if (error === 'aborted') {
          if (!pending.aborted) this.#problem(`${what} was aborted by somebody else`)
        } else if (pending.ending === undefined || pending.ending.code !== code(error)) {
          this.#problem(`${what} rejected with ${String(error)} instead of ${pending.ending?.code}`)
        }
      },
    )
    return pending
  }

  /** Whether nothing was read or written since, as far as we know: only then an expiry can be held against anybody. */
  #unread(born: number): boolean {
    return this.model.clock === born
  }

  #settle(pending: Pending): void {
    if (!this.pending.delete(pending)) this.#problem(`${pending.what} settled twice`)
  }

  abortOne(index: number): void {
    const abortable = [...this.pending].filter((pending) => pending.controller !== undefined && !pending.aborted)
    const chosen = abortable[index % Math.max(1, abortable.length)]
    if (chosen === undefined) return
    chosen.aborted = true
    chosen.controller!.abort('aborted')
  }

  poll(interest: number): void {
    if (this.state !== 'open' || (interest & this.interest) !== interest) return
    const reading = interest === Interest.READABLE
    const what = `waker for ${interest}`
    const waker: Pending = { what, interest, controller: undefined, ending: undefined, aborted: false }
    const replaced = reading ? this.#readWaker : this.#writeWaker
    const call = () => {
      this.model.wakeups++
      if (!this.pending.has(waker)) return this.#problem(`${what} was called although another had replaced it, or twice`)
      this.#settle(waker)
    }
    const guard = reading ? this.fd.pollReadReady(call) : this.fd.pollWriteReady(call)
    if (replaced !== undefined) this.pending.delete(replaced)
    if (guard === null) this.pending.add(waker)
    else {
      this.#woken(what, guard, interest)
      this.#hold(guard)
    }
    if (reading) this.#readWaker = guard === null ? waker : undefined
    else this.#writeWaker = guard === null ? waker : undefined
  }

  /** A listener that does `then` with each guard. */
  subscribe(interest: number, then: (guard: AsyncFdReadyGuard) => void): void {
    if (this.state !== 'open' || (interest & this.interest) !== interest) return
    const listening: Listening = { interest, born: this.now(), lastCall: 0, ending: false, over: false, handle: undefined }
    this.listening.add(listening)
    listening.handle = this.fd.subscribe(interest, (guard) => {
      if (listening.over) this.#problem('a listener was called after its end')
      listening.lastCall = this.now()
      if (guard === null) {
        if (!listening.ending && this.state === 'open') this.#problem('a listener was told of an end that was none')
        listening.over = true
        this.listening.delete(listening)
        return
      }
      if (listening.ending) this.#problem('a listener outlived the interest it was for')
      if (this.state === 'closed') this.#problem('a listener was called after close()')
      this.#woken('listener', guard, interest)
      this.#hold(guard)
      if (this.state === 'open') then(guard)
    })
  }

  unsubscribe(): void {
    for (const listening of this.listening) {
      if (this.state === 'closed') return
      listening.over = true
      this.listening.delete(listening)
      listening.handle![Symbol.dispose]()
      return
    }
  }

  /** Drains through the guard, as users do. */
  drainGuard = (guard: AsyncFdReadyGuard): void => {
    if (!guard.isReadable || !this.canRead) return
    const at = this.model.clock
    for (;;) {
      const count = guard.tryIo((inner) => this.readOnce(inner))
      if (count === sys.WouldBlock) this.read.killed = Math.max(this.read.killed, at)
      if (count === sys.WouldBlock || count === 0) return
    }
  }

  /** Clears in one of the ways there are. */
  clear(index: number, how: number): void {
    const held = this.held[index % Math.max(1, this.held.length)]
    if (held === undefined || this.state === 'lost') return
    const { guard, at } = held
    const before = guard.ready
    const killed = (bits: number) => {
      if ((bits & READ_BITS) !== 0) this.read.killed = Math.max(this.read.killed, at)
      if ((bits & WRITE_BITS) !== 0) this.write.killed = Math.max(this.write.killed, at)
    }
    switch (how % 5) {
      case 0:
        guard.clearReady()
        killed(before)
        break
      case 1: {
        const bits = how & Ready.ALL
        guard.clearReadyMatching(bits)
        killed(bits & before)
        break
      }
      case 2:
        guard.retainReady()
        if (guard.ready !== before) this.#problem('retainReady() changed the guard')
        break
      case 3:
        // Asks the kernel, so it loses nothing that is there.
        if (this.state === 'open') guard.recheck()
        break
      case 4: {
        if (this.state !== 'open') break
        const reading = this.canRead && (guard.ready & READ_BITS) !== 0
        if (!reading && !this.canWrite) break
        const result = guard.tryIo((inner) => (reading ? this.readOnce(inner) : this.writeOnce(inner, 100)))
        if (result === sys.WouldBlock) killed(before)
        break
      }
    }
  }

  setInterest(interest: number): void {
    if (this.state !== 'open' || this.files.kind !== 'socket') return
    const before = this.interest
    const dropped = before & ~interest
    for (const pending of this.pending) {
      if ((pending.interest & interest) === 0) pending.ending = { code: 'ERR_ASYNCFD_INTEREST', turn: this.model.turn }
    }
    for (const listening of this.listening) if ((listening.interest & interest) === 0) listening.ending = true
    this.interest = interest
    this.fd.setInterest(interest)
    const kernel = this.kernel()
    if ((dropped & Interest.READABLE) !== 0) this.read.killed = this.now()
    if ((dropped & Interest.WRITABLE) !== 0) this.write.killed = this.now()
    // The kernel is asked anew, and what is ready is news; but oneshot it is not asked for what is known.
    const { halfClosed, b } = this.files
    const asked = this.model.oneshot ? (halfClosed || b === -1 ? 0 : interest & ~before) : interest
    if ((asked & Interest.READABLE) !== 0 && (kernel & (POLLIN | POLLHUP | POLLERR)) !== 0) this.read.last = this.now()
    if ((asked & Interest.WRITABLE) !== 0 && (kernel & (POLLOUT | POLLHUP | POLLERR)) !== 0) this.write.last = this.now()
    if (asked !== interest) this.read.quiet = this.write.quiet = -1
    if ((kernel & POLLOUT) === 0) this.full = true
  }

  /** Marks everything that waits: it must end with this code. */
  expectEnd(code: string): void {
    for (const pending of this.pending) pending.ending ??= { code, turn: this.model.turn }
  }

  close(): void {
    if (this.state === 'closed') return
    this.expectEnd('ERR_ASYNCFD_CLOSED')
    this.state = 'closed'
    this.fd.close()
  }

  // What must hold.

  #news(wanted: number): boolean {
    const interest = wanted & this.interest // the rest was taken back by setInterest()
    const owed = (side: { last: number; killed: number }) => this.level || side.last > side.killed
    const kernel = this.kernel()
    const closed = (kernel & POLLHUP) !== 0
    return (
      ((interest & Interest.READABLE) !== 0 && (closed || ((kernel & POLLIN) !== 0 && owed(this.read)))) ||
      ((interest & Interest.WRITABLE) !== 0 && (kernel & POLLOUT) !== 0 && owed(this.write))
    )
  }

  /** What should have been woken by now and was not, or null. */
  missing(): string | null {
    for (const pending of this.pending) {
      const { ending, what } = pending
      if (ending !== undefined && this.model.turn > ending.turn + 1) return `${what} goes on after ${ending.code}`
      if (pending.aborted) return `${what} goes on after its abort`
    }
    if (this.state !== 'open') return null
    for (const { what, interest } of this.pending) if (this.#news(interest)) return `lost: ${what} goes on`
    for (const { interest: wanted, born, lastCall, ending } of this.listening) {
      if (ending) return 'a listener did not hear that its interest ended'
      for (const interest of [Interest.READABLE, Interest.WRITABLE] as const) {
        const { last } = this.#side(interest)
        if ((wanted & interest) === 0 || last === 0 || lastCall >= Math.max(last, born)) continue
        if (this.#news(interest)) return `lost: a listener was not called for ${interest}`
      }
    }
    for (const interest of [Interest.READABLE, Interest.WRITABLE] as const) {
      if ((interest & this.interest) === 0) continue
      let known = false
      this.fd.tryIo(interest, () => {
        known = true
        return 0
      })
      if (!known && this.#news(interest)) return `lost: readiness for ${interest} is not known`
    }
    return null
  }

  /** Nothing is on its way any more: what is owed must be known, and what is not must not be. */
  checkQuiet(): void {
    const wrong = this.missing()
    if (wrong !== null) this.#problem(wrong)
    if (this.state !== 'open') return
    for (const interest of [Interest.READABLE, Interest.WRITABLE] as const) {
      if ((interest & this.interest) === 0) continue
      // Once nothing is known, nothing can come without news.
      const nothing = this.tryIo(interest)
      const side = this.#side(interest)
      if (!nothing || !this.model.exact || this.#kernelReady(interest)) continue
      if (interest === Interest.WRITABLE) this.full = true
      side.quiet = this.now()
    }
  }
}
