/**
 * The reactor of this JavaScript environment: it owns the board, starts the driver at the first registration, and
 * dispatches what a turn woke. Every wait goes through here.
 *
 * @module
 */
// Imported, as the globals of these names are getters and cost more than what they get.
import { setImmediate } from 'node:timers'
import * as board from './board.js'
import { Board } from './board.js'
import { later } from './builtins.js'
import { isTracing, trace } from './diagnostics.js'
import { outsideDomains } from './domains.js'
import { chooseDriver, chooseOneshot, type DriverName, ON_DENO, ON_NODE } from './driver.js'
import { ErrorCode, errnoName, stateError, systemError } from './errors.js'
import { Grace } from './grace.js'
import { type NativeFunctions, type NativeReactor, native } from './native.js'
import { type Entry, type Parked, Registration } from './registration.js'
import { AHEAD, TimerQueue } from './timer-queue.js'

/** Waits that may resolve at once in one iteration of the event loop; further ones wait for the next turn. */
const IMMEDIATE_PER_ITERATION = 128
/** Milliseconds of listeners' time after which dispatch gives the event loop its turn. */
const DISPATCH_BUDGET_MS = 5
/** Dispatches of the threaded driver after which the event loop has its turn. */
const DISPATCHES_PER_BREATH = 32
/** Milliseconds that the native clock may be behind, if that can be had by so many attempts. */
const CLOCK_GAP_MS = 0.02
const CLOCK_ATTEMPTS = 5
/** Entries dispatched between two looks at the clock. */
const ENTRIES_PER_LOOK = 32

/**
 * What the reactor did since it started, and what it holds. All are plain counts.
 *
 * @example
 * const { registered, refs, parked }: ReactorMetrics = reactor.metrics()
 * console.log(`${registered} descriptors, ${refs} pending, ${parked} signs of a spin`)
 */
export interface ReactorMetrics {
  /** Turns run: times the driver looked for events. */
  turns: number
  /** Calls from native code into JavaScript. */
  dispatches: number
  /** Events the kernel handed over. */
  events: number
  /** Events somebody waited for. */
  wakeups: number
  /** Events nobody waited for; their readiness was noted. */
  unwanted: number
  /** Events of registrations that had ended already; they woke nobody. */
  stale: number
  /** Registrations found to have lost their descriptor to a `close` elsewhere. */
  lost: number
  /** Waits on what was ready that were put off to the next turn so that the event loop could breathe: a spin. */
  parked: number
  /** Pauses that listeners made since descriptors or memory had run out. */
  acceptPauses: number
  /** Registrations open now. */
  registered: number
  /** Timers pending now. */
  timers: number
  /** Waits, subscriptions, wakers and timers that keep the process alive now. */
  refs: number
}

export { bindingPath } from './native.js'

/** The system call that registers. */
const CONTROL_CALL = process.platform === 'linux' ? 'epoll_ctl' : 'kevent'

const ADVICE: Record<string, string> = {
  EPERM: 'regular files, directories and devices like /dev/null are always ready and cannot be waited for; use node:fs for them',
  EBADF: 'this is not an open descriptor of this process',
  EEXIST: 'this descriptor is registered already; share its AsyncFd, or wait on a dup() of it',
  EINVAL: 'this open file is watched through too many duplicates already; share one AsyncFd of it',
  ENOSPC: 'the limit of watches is reached; raise fs.epoll.max_user_watches',
  ENOMEM: 'the kernel has no memory for another registration',
}

/** What is thrown for a native error at the start: of a system call its code is the errno, and its message the call. */
function notStarted(error: NodeJS.ErrnoException): Error {
  const errno = Number(error.code)
  if (!(errno > 0)) return error
  const advice = errnoName(errno) === 'EMFILE' ? ': it takes five descriptors; close some, or raise `ulimit -n`' : ''
  return systemError(errno, error.message, undefined, `the reactor was not started; the next call tries again${advice}`)
}

export class Reactor {
  /** Loaded with the reactor, not at import: it takes 2 ms. */
  readonly #clock = later.performance()
  readonly board = new Board()
  readonly timers = new TimerQueue(this)
  readonly grace = new Grace(this, () => this.#native.flush())
  /** The instant at which the clock stands still, or null while it runs. */
  #pausedAt: number | null = null
  /** Milliseconds that the clock has ahead of `performance.now()`, or less than 0, since it was stopped. */
  #ahead = 0
  readonly driver: DriverName
  /** Events are told once per change; otherwise once, until the readiness is cleared. */
  readonly edge: boolean
  /** What async hooks are shown. Those who look for what keeps a process alive ask it, as they ask handles of Node's. */
  readonly #resource = { hasRef: (): boolean => this.#refs > 0 }
  readonly #native: NativeReactor
  readonly #functions: NativeFunctions
  readonly #probe: (fd: number, interest: number, timeoutMs: number) => number
  readonly #registrations: (Registration | undefined)[] = []
  /** Entries to fire that a throwing listener kept from their turn, or that were put off to it, and what for. */
  #queue: Parked[] = []
  #queueBits: number[] = []
  #queueAt = 0
  #asking: Entry[] = []
  #parked = new Set<Parked>()
  #iteration = 0
  #immediate = 0
  #parkedCount = 0
  #acceptPauses = 0
  #flushScheduled = false

  constructor(driver: DriverName, oneshot: boolean) {
    const binding = native()
    const layout = Object.entries(binding.boardLayout())
    if (layout.length !== Object.keys(board.LAYOUT).length || layout.some(([name, value]) => value !== board.LAYOUT[name])) {
      throw stateError(ErrorCode.BINDING, 'the native binding is of another version of asyncfd; reinstall the package')
    }
    this.driver = driver
    this.#probe = binding.probeFd
    const { control, timers } = this.board
    const memory = [control.buffer, board.slots.buffer, timers.buffer] as const
    const call = () => this.#call()
    const threaded = driver === 'threaded'
    try {
      this.#native = outsideDomains(
        () => new binding.NativeReactor(threaded, oneshot, ...memory, this.#clock.now(), call, this.#resource),
      )
    } catch (error) {
      throw notStarted(error as NodeJS.ErrnoException)
    }
    this.behind = this.#together()
    this.#functions = this.#native.functions()
    this.edge = this.#native.isEdge
    Object.defineProperty(Registration.prototype, 'reactor', { value: this })
    if (isTracing) trace('reactor: %s driver, %s', driver, this.edge ? 'edge' : 'oneshot')
  }

  /** Told of the end of each registration just before it, whoever brings it about. */
  whenEnded: ((registration: Registration) => void) | null = null

  /** What is registered now. */
  registrations(): Registration[] {
    return this.#registrations.filter((registration) => registration !== undefined)
  }

  /** Registers `fd`. Nothing is kept when it throws. `owned` numbers are closed when the environment ends. */
  register(fd: number, interest: number, level: boolean, owned: boolean): Registration {
    const own = owned ? 1 : 0
    let slot = this.#functions.register(fd, interest, own)
    if (slot < 0 && this.#live === this.board.capacity) {
      this.#native.growSlots(this.board.growSlots())
      slot = this.#functions.register(fd, interest, own)
    }
    if (slot < 0) {
      const error = systemError(-slot, CONTROL_CALL, fd)
      if (ADVICE[error.code] !== undefined) error.message += `: ${ADVICE[error.code]}`
      throw error
    }
    this.#live++
    const lost = this.board.control[board.SUPERSEDED]!
    const registration = new Registration(fd, slot, interest, level, owned)
    this.#registrations[slot] = registration
    if (isTracing) trace('fd %d registered for %d', fd, interest)
    if (lost !== 0) this.#lose(lost - 1)
    return registration
  }

  #live = 0

  /** A descriptor was closed elsewhere and its number registered anew: whoever waits on the old one is told. */
  #lose(slot: number): void {
    const registration = this.#registrations[slot]
    if (registration === undefined) return
    const { fd } = registration
    const message = `fd ${fd} was closed while registered, and its number belongs to another file now; close the AsyncFd before its descriptor`
    this.deregister(registration, stateError(ErrorCode.FD_REUSED, message, fd))
  }

  /**
   * Ends a registration and everything that waits on it with `error`, a function if its user closed it. True if the number was still
   * the registration's own, so that closing it closes nobody else's file.
   */
  deregister(registration: Registration, error: Error | (() => Error)): boolean {
    if (registration.isEnded) return false
    const { slot, generation } = registration
    this.whenEnded?.(registration)
    registration.ended = error
    if (isTracing) trace('fd %d deregistered', registration.fd)
    const own = this.#functions.deregister(slot, generation) === 1
    this.#registrations[slot] = undefined
    this.#live--
    const why = () => registration.ended
    for (const entry of registration.matching(-1)) {
      registration.unlink(entry)
      entry.end(why)
    }
    registration.reading?.end(why)
    return own
  }

  setInterest(registration: Registration, interest: number): void {
    const errno = this.#native.setInterest(registration.slot, registration.generation, interest)
    if (errno < 0) throw systemError(-errno, CONTROL_CALL, registration.fd)
    registration.interest = interest
  }

  /** Asks the kernel, now: the ready bits of `fd`. Closed states and errors are told whatever is asked. */
  probe(fd: number, interest: number, timeoutMs = 0): number {
    const bits = this.#probe(fd, interest, timeoutMs)
    if (bits < 0) throw systemError(-bits, 'poll', fd)
    return bits
  }

  /** Has the kernel asked again at the next drain: what is ready then brings a new event. */
  rearm(registration: Registration): void {
    const { control } = this.board
    if (control[board.SUBMIT_COUNT] === board.SUBMIT_CAPACITY) this.#native.flush()
    const at = board.SUBMIT + control[board.SUBMIT_COUNT]! * board.SUBMIT_STRIDE
    control[at] = registration.slot
    control[at + 1] = registration.generation
    control[board.SUBMIT_COUNT]!++
    this.submitted()
  }

  /** Drains now what was submitted. */
  flush(): void {
    this.#native.flush()
  }

  /** Has reads performed in the turn, into the blocks of `pool`. */
  usePool(pool: ArrayBuffer): void {
    const { control } = this.board
    for (let number = 0; number < board.BLOCKS; number++) control[board.FREE + number] = board.BLOCKS - 1 - number
    control[board.FREE_COUNT] = board.BLOCKS
    this.#native.usePool(pool)
  }

  /** Takes a block of the pool: its number, or `NO_BLOCK`. */
  takeBlock(): number {
    const { control } = this.board
    const count = control[board.FREE_COUNT]!
    if (count === 0) return board.NO_BLOCK
    control[board.FREE_COUNT] = count - 1
    return control[board.FREE + count - 1]!
  }

  /** Gives a block back to the pool; no effect for `NO_BLOCK`. */
  giveBack(number: number): void {
    if (number === board.NO_BLOCK) return
    const { control } = this.board
    const count = control[board.FREE_COUNT]!
    control[board.FREE + count] = number
    control[board.FREE_COUNT] = count + 1
  }

  growTimers(): void {
    this.#native.growTimers(this.board.growTimers())
  }

  /** Something was submitted. The embedded driver drains before the loop blocks; elsewhere one microtask does. */
  submitted(): void {
    if (this.driver === 'embedded' || this.#flushScheduled) return
    this.#flushScheduled = true
    queueMicrotask(() => {
      this.#flushScheduled = false
      this.#native.flush()
    })
  }

  /** Pending things that keep the process alive; the board only says whether there are any. */
  #refs = 0

  /** `count` more pending things keep the process alive. Crosses over at once if nothing did: libuv asks before a turn. */
  hold(count: number): void {
    const before = this.#refs
    this.#refs = before + count
    if (before === 0) this.#tellHeld()
  }

  #tellHeld(): void {
    const { control } = this.board
    control[board.REFS] = 1
    if (control[board.REFD] === 0) this.#native.flush()
  }

  /** `count` fewer. The native side lets go of the loop when it looks next. */
  release(count: number): void {
    this.#refs -= count
    if (this.#refs !== 0) return
    this.board.control[board.REFS] = 0
    this.submitted()
  }

  /** Changes at least once per iteration of the event loop. */
  get iteration(): number {
    return this.board.control[board.ITERATION]!
  }

  /** Whether another wait may resolve without leaving the microtasks. False: {@link park} it. */
  mayResolveAtOnce(): boolean {
    const { iteration } = this
    if (iteration !== this.#iteration) {
      this.#iteration = iteration
      this.#immediate = 0
    }
    return this.#immediate++ < IMMEDIATE_PER_ITERATION
  }

  /** Fires what is pending in the next turn, once. */
  park(entry: Parked): void {
    this.#parked.add(entry)
    const { control } = this.board
    if (control[board.PARKED] !== 0) return
    control[board.PARKED] = 1
    this.#native.flush()
  }

  /** Counts a pause of a listener. */
  countAcceptPause(): void {
    this.#acceptPauses++
  }

  /** Counts a wait that was put off since too many had resolved at once. */
  countParked(): void {
    this.#parkedCount++
  }

  /**
   * Called by the native side: dispatches the batch on the board. Whatever is begun is marked so before it runs: if it
   * throws, the native side reports that and calls again, and the rest follows.
   */
  #dispatch(): void {
    const { control } = this.board
    this.#fireQueue()
    if (control[board.PARKED] !== 0) {
      control[board.PARKED] = 0
      this.#queue = [...this.#parked]
      this.#queueBits = []
      this.#parked.clear()
      this.#fireQueue()
    }
    for (;;) {
      this.#until = 0
      if (!this.#dispatchWoken()) return
      this.grace.told()
      if (!this.#dispatchExpired() || control[board.EAGER] === 0) return
      this.#functions.collectAgain()
      if (control[board.WOKEN_CURSOR] === control[board.WOKEN_COUNT]) return
    }
  }

  /** Until when listeners may run in this dispatch; 0 before the first look at the clock. */
  #until = 0

  /** Looks at the clock now and then: whether the event loop should have its turn. */
  #isLate(begun: number): boolean {
    if (begun % ENTRIES_PER_LOOK !== ENTRIES_PER_LOOK - 1) return false
    const now = this.#clock.now()
    if (this.#until === 0) this.#until = now + DISPATCH_BUDGET_MS
    return now > this.#until
  }

  #dispatchWoken(): boolean {
    const { control } = this.board
    const count = control[board.WOKEN_COUNT]!
    for (let cursor = control[board.WOKEN_CURSOR]!; cursor < count; cursor++) {
      if (this.#isLate(cursor)) return false
      control[board.WOKEN_CURSOR] = cursor + 1
      const at = board.WOKEN + cursor * board.WOKEN_STRIDE
      const registration = this.#registrations[control[at]!]
      const bits = control[at + 2]!
      if (bits === board.READ_OP) {
        const reading = registration?.generation === control[at + 1] ? registration!.reading : null
        if (reading !== null) reading.complete(control[at + 3]! | 0, control[at + 4]!)
        else this.giveBack(control[at + 4]!)
        continue
      }
      if (registration === undefined || registration.generation !== control[at + 1]) continue
      const only = registration.only
      if (only !== null) {
        if ((only.mask & bits) !== 0) only.fire(bits)
        continue
      }
      this.#queue = registration.matching(bits)
      this.#queueBits = this.#queue.map(() => bits)
      this.#fireQueue()
    }
    return true
  }

  #dispatchExpired(): boolean {
    const { control } = this.board
    const count = control[board.EXPIRED_COUNT]!
    for (let cursor = control[board.EXPIRED_CURSOR]!; cursor < count; cursor++) {
      if (this.#isLate(cursor)) return false
      if (cursor % AHEAD === 0) this.timers.lookAhead(cursor, Math.min(cursor + AHEAD, count))
      control[board.EXPIRED_CURSOR] = cursor + 1
      const id = control[board.EXPIRED + cursor]!
      this.timers.take(id)?.fire(id)
    }
    return true
  }

  /** Milliseconds on a monotonic clock: that of `performance.now()` until it is first paused. */
  now(): number {
    return this.#pausedAt ?? this.#clock.now() + this.#ahead
  }

  get isPaused(): boolean {
    return this.#pausedAt !== null
  }

  /** Stops time at `instant`, or moves stopped time to it; null lets it run on from there. */
  pauseClock(instant: number | null): void {
    // Read before the native side reads its own: what it finds due is due here as well.
    if (instant === null && this.#pausedAt !== null) this.#ahead = this.#pausedAt - this.#clock.now()
    this.#pausedAt = instant
    this.#native.pauseClock(instant)
    this.behind = this.#behind()
    this.#native.flush()
  }

  /** Milliseconds, at most, that the native side's clock is behind {@link now}. */
  behind: number

  /** Sets the native clock, which was told the time a while ago if this thread lost its processor then. Returns {@link behind}. */
  #together(): number {
    let behind = this.#behind()
    for (let i = 0; i < CLOCK_ATTEMPTS && behind > CLOCK_GAP_MS; i++) {
      this.#native.pauseClock(this.#clock.now())
      this.#native.pauseClock(null)
      behind = this.#behind()
    }
    return behind
  }

  /** The least of some: whatever comes between the two clocks adds to one of them, and would make all that is stamped late. */
  #behind(): number {
    let least = Infinity
    for (let i = 0; i < 10; i++) {
      const native = this.#native.now()
      least = Math.min(least, this.now() - native)
    }
    return least
  }

  /** When timers next need a turn; null without any. */
  nextTimer(): number | null {
    const { control } = this.board
    if (control[board.EXPIRED_CURSOR]! < control[board.EXPIRED_COUNT]!) return this.now()
    this.#native.flush()
    return this.#native.nextTimer()
  }

  /**
   * What the native side calls. What a listener throws is uncaught: it is reported by the native side, which then calls
   * again. Deno answers every call after such a report with the same exception, or traps, so there a microtask throws.
   */
  #call(): void {
    if (this.driver === 'threaded') this.#breathe()
    for (;;) {
      try {
        this.#dispatch()
        this.#askAgain()
        this.board.control[board.OUTCOME] = board.RETURNED
        return
      } catch (error) {
        if (!ON_DENO) {
          this.board.control[board.OUTCOME] ||= board.THREW
          throw error
        }
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  /**
   * Reports what is uncaught where it was thrown: whoever handles it sees the context of who threw it. Only Node can be told in the midst of
   * a call; elsewhere it is thrown on.
   */
  report(error: unknown): void {
    if (!ON_NODE) throw error
    this.#native.report(error)
  }

  /**
   * As {@link report}, of what is thrown on to end a call of {@link Reactor.#call}. (A tick that throws in the midst of a turn has to be reported
   * there: Node takes it from its stack of asynchronous contexts when it is, and aborts the process if the turn ends before.)
   */
  reportInTurn(error: unknown): void {
    if (!ON_NODE) return
    this.#native.report(error)
    this.board.control[board.OUTCOME] = board.REPORTED
  }

  #dispatches = 0

  /**
   * Runtimes run what a thread asks for one after the other while it is quick to ask, and nothing else of the loop gets
   * its time. So now and then it may not ask before an immediate has run.
   */
  #breathe(): void {
    if (this.#held) return
    if (this.#dispatches++ === 0) this.#breathed = this.#clock.now()
    else if (this.#dispatches < DISPATCHES_PER_BREATH && this.#clock.now() - this.#breathed < DISPATCH_BUDGET_MS) return
    else this.#holdBack()
  }

  #held = false
  #breathed = 0

  #holdBack(): void {
    this.#held = true
    this.#native.holdBack(true)
    setImmediate(() => {
      this.#held = false
      this.#dispatches = 0
      this.#native.holdBack(false)
    })
  }

  /** Has `entry` asked again after the batch: what it clears then, others of the batch have been told. */
  askAfterBatch(entry: Entry): void {
    this.#asking.push(entry)
  }

  #askAgain(): void {
    if (this.#asking.length === 0) return
    for (const entry of this.#asking) if (entry.linked) entry.askAgain()
    this.#asking = []
  }

  #fireQueue(): void {
    while (this.#queueAt < this.#queue.length) {
      const at = this.#queueAt++
      const entry = this.#queue[at]!
      if (entry.linked) entry.fire(this.#queueBits[at] ?? entry.registration.ready(entry.mask))
    }
    this.#queueAt = 0
    if (this.#queue.length > 0) this.#queue = []
  }

  metrics(): ReactorMetrics {
    return { ...this.#native.metrics(), parked: this.#parkedCount, acceptPauses: this.#acceptPauses, refs: this.#refs }
  }
}

let current: Reactor | undefined

/** The reactor of this environment, started at the first call. */
export function theReactor(): Reactor {
  current ??= new Reactor(chooseDriver(), chooseOneshot())
  return current
}

/**
 * What drives waits in this environment, and what has happened. Reading it starts nothing.
 *
 * @example
 * console.log(reactor.driver, reactor.backend, reactor.metrics().wakeups)
 */
export const reactor = {
  /** `'embedded'`: inside Node's event loop. `'threaded'`: a thread waits (Bun, Deno, or `ASYNCFD_DRIVER=threaded`). */
  get driver(): 'embedded' | 'threaded' {
    return current?.driver ?? chooseDriver()
  },
  /** The kernel's interface in use. */
  get backend(): string {
    return process.platform === 'linux' ? 'epoll' : 'kqueue'
  },
  /** Counts since the first use; all zero before it. */
  metrics(): ReactorMetrics {
    if (current !== undefined) return current.metrics()
    return {
      turns: 0,
      dispatches: 0,
      events: 0,
      wakeups: 0,
      unwanted: 0,
      stale: 0,
      lost: 0,
      parked: 0,
      acceptPauses: 0,
      registered: 0,
      timers: 0,
      refs: 0,
    }
  },
}
