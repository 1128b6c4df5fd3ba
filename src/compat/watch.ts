/**
 * One descriptor, watched for the kernel's own event bits: what the drop-ins have in common. The reactor says that something
 * happened, the kernel is asked what, as `epoll_wait` does.
 *
 * @module
 */
import type { AsyncFdError } from '../errors.js'
import { Interest, Ready } from '../interest.js'
import { theReactor } from '../reactor.js'
import { Entry, type Registration } from '../registration.js'
import { close, dup } from '../sys/descriptor.js'
import { poll } from '../sys/poll.js'

/** Linux's numbers, which those of poll(2) equal, so that programs which wrote them out mean the same everywhere. */
export const Events = {
  EPOLLIN: 0x1,
  EPOLLPRI: 0x2,
  EPOLLOUT: 0x4,
  EPOLLERR: 0x8,
  EPOLLHUP: 0x10,
  EPOLLRDHUP: 0x2000,
  EPOLLONESHOT: 0x40000000,
  EPOLLET: 0x80000000,
} as const

const { EPOLLIN, EPOLLPRI, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLONESHOT, EPOLLET } = Events

/** What poll(2) can be asked for; elsewhere than on Linux the bit of RDHUP is another's. */
const ASKED = EPOLLIN | EPOLLPRI | EPOLLOUT | (process.platform === 'linux' ? EPOLLRDHUP : 0)
/** What it may answer: errors and hang-ups come unasked. */
const TOLD = ASKED | EPOLLERR | EPOLLHUP

/** Errors and closed states are always told, so an interest in nothing else is one in errors. */
function interestOf(events: number): number {
  const read = (events & EPOLLIN) !== 0 ? Interest.READABLE : 0
  const write = (events & EPOLLOUT) !== 0 ? Interest.WRITABLE : 0
  const urgent = (events & EPOLLPRI) !== 0 ? Interest.PRIORITY : 0
  return read | write | urgent || Interest.ERROR
}

/** Registers `fd`, or a duplicate of it where an `AsyncFd` has the number already and `share` says so. */
function register(fd: number, interest: number, share: boolean): Registration {
  const reactor = theReactor()
  try {
    return reactor.register(fd, interest, false, false)
  } catch (error) {
    if (!share || (error as AsyncFdError).code !== 'EEXIST') throw error
    const copy = dup(fd)
    try {
      return reactor.register(copy, interest, false, true)
    } catch (error) {
      close(copy)
      throw error
    }
  }
}

/** What is told of a watch. */
export interface Watcher {
  /** Something of what was asked for is so now. */
  happened(watch: Watch, events: number): void
  /** The descriptor was closed elsewhere, and its number registered anew. */
  lost(watch: Watch, error: unknown): void
}

export class Watch extends Entry {
  #events: number
  /** False between an event of a oneshot watch and the next {@link modify}. */
  #armed = true
  readonly #watcher: Watcher

  /** Registers at once, and tells nothing before {@link start}. @throws AsyncFdError `EBADF`, `EPERM`, `EEXIST` unless `share`, ... */
  constructor(
    /** The number it was given, which may stand for a duplicate. */
    readonly fd: number,
    events: number,
    share: boolean,
    watcher: Watcher,
  ) {
    super(register(fd, interestOf(events), share), Ready.ALL, watcher)
    this.#events = events
    this.#watcher = watcher
  }

  /** Whether it watches a duplicate. */
  get isCopy(): boolean {
    return this.registration.owned
  }

  /** Tells of events, and keeps the process alive, from now on. */
  start(): void {
    if (!this.linked) this.registration.link(this)
  }

  /** Ends that. */
  stop(): void {
    this.registration.unlink(this)
  }

  /** Asks for something else; what is so already is told anew. @throws AsyncFdError `EBADF`, `ENOENT`: the number is no longer its own */
  modify(events: number): void {
    const { registration } = this
    registration.reactor.setInterest(registration, interestOf(events))
    this.#events = events
    this.#armed = true
    if (!registration.reactor.edge) this.askAgain()
  }

  /** Deregisters. False if the number was no longer its own. */
  close(error: Error | (() => Error)): boolean {
    this.stop()
    const { registration } = this
    const own = registration.reactor.deregister(registration, error)
    if (own && registration.owned) close(registration.fd)
    return own
  }

  /** What the kernel says now. */
  #look(): number {
    const [answer] = poll([{ fd: this.registration.fd, events: this.#events & ASKED }], 0)
    return answer!.revents & TOLD
  }

  override fire(): void {
    if (!this.#armed) return
    const { reactor } = this.registration
    const events = this.#look()
    if ((this.#events & EPOLLONESHOT) !== 0 && events !== 0) this.#armed = false
    try {
      if (events !== 0) this.#watcher.happened(this, events)
    } finally {
      // With edges, only a level that was told may go on without news. Without, the kernel has to be asked for everything.
      const again = reactor.edge ? (this.#events & EPOLLET) === 0 && events !== 0 : true
      if (again && this.linked && this.#armed) reactor.askAfterBatch(this)
    }
  }

  override askAgain(): void {
    const { registration } = this
    const { reactor } = registration
    if (reactor.edge) return reactor.rearm(registration)
    try {
      registration.refresh()
    } catch {
      return // The descriptor was closed elsewhere: nothing more comes of it.
    }
    // Such a backend knows no edges, so there EPOLLET is told more than once.
    if (this.#look() !== 0) reactor.park(this)
  }

  override end(why: () => unknown): void {
    this.#watcher.lost(this, why())
  }
}
