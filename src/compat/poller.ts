/**
 * `Poller`: what `@serialport/bindings-cpp` waits with, on the reactor.
 *
 * @module
 */
import { EventEmitter } from 'node:events'
import { constants } from 'node:os'
import { AsyncFdError, ErrorCode, invalidArgType, stateError, systemError } from '../errors.js'
import { watchForLeak } from '../leak.js'
import { isNonblocking, setNonblocking } from '../sys/descriptor.js'
import { Events, Watch, type Watcher } from './watch.js'

const { EPOLLIN, EPOLLPRI, EPOLLOUT, EPOLLERR, EPOLLRDHUP, EPOLLET } = Events

/** The flags of libuv, which the original's `EVENTS` are. */
const UV_READABLE = 1
const UV_WRITABLE = 2
const UV_DISCONNECT = 4

const KINDS = [
  { name: 'readable', flag: UV_READABLE, event: EPOLLIN },
  { name: 'writable', flag: UV_WRITABLE, event: EPOLLOUT },
  { name: 'disconnect', flag: UV_DISCONNECT, event: EPOLLRDHUP },
] as const

/**
 * `'readable'`, `'writable'` or `'disconnect'`.
 *
 * @example
 * const poller = new Poller(fd)
 * const event: PollerEvent = 'writable'
 * poller.once(event, () => poller.destroy())
 */
export type PollerEvent = (typeof KINDS)[number]['name']

/** The kernel's bits for a set of flags. */
function eventsOf(flags: number): number {
  return KINDS.reduce((events, { flag, event }) => ((flags & flag) === 0 ? events : events | event), 0)
}

/** How a wait that was stopped ends: `canceled` is true. */
function canceled(): AsyncFdError & { canceled: true } {
  return Object.assign(new AsyncFdError('Canceled', 'ECANCELED'), { canceled: true as const })
}

/**
 * Emits `readable`, `writable` and `disconnect` once for each time it was asked to, with null; or with an error, to all three, when it
 * was stopped or the descriptor failed. It keeps the process alive while something that was asked for has not come.
 *
 * The descriptor is made non-blocking and stays its owner's: `destroy()` the Poller before closing it.
 *
 * @example
 * const poller = new Poller(fd)
 * poller.once('readable', (error) => {
 *   if (error === null) drain(fd)
 *   poller.destroy()
 * })
 */
export class Poller extends EventEmitter {
  readonly #watch: Watch
  /** The flags that were asked for and have not come. */
  #asked = 0
  #destroyed = false

  /** @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; AsyncFdError `EPERM` (a regular file), `EBADF` */
  constructor(fd: number) {
    super()
    if (typeof fd !== 'number') throw invalidArgType('fd', 'of type number', fd)
    if (!isNonblocking(fd)) setNonblocking(fd, true)
    const watcher: Watcher = {
      happened: (_, events) => this.#happened(events),
      lost: (_, error) => this.#tellAll(error),
    }
    this.#watch = new Watch(fd, 0, true, watcher)
    watchForLeak(this, this.#watch.registration)
  }

  /** Adds a listener for one event and asks for it. Throws as {@link poll}. */
  override once(event: PollerEvent, listener: (error: Error | null) => void): this
  override once(event: string | symbol, listener: (...args: never[]) => void): this
  override once(event: string | symbol, listener: (...args: never[]) => void): this {
    const kind = KINDS.find(({ name }) => name === event)
    if (kind !== undefined && typeof listener === 'function') this.poll(kind.flag)
    return super.once(event, listener as (...args: unknown[]) => void)
  }

  /**
   * Asks for events, besides those asked for already: 1 readable, 2 writable, 4 disconnect.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; AsyncFdError `ERR_ASYNCFD_CLOSED` after `destroy()`, `EBADF`, `ENOENT`
   */
  poll(eventFlag = 0): void {
    if (typeof eventFlag !== 'number') throw invalidArgType('eventFlag', 'of type number', eventFlag)
    if (this.#destroyed) throw stateError(ErrorCode.CLOSED, 'the Poller was destroyed; make a new one to wait again')
    this.#ask(this.#asked | (eventFlag & (UV_READABLE | UV_WRITABLE | UV_DISCONNECT)))
  }

  #ask(flags: number): void {
    if (flags === 0) {
      this.#asked = 0
      return this.#watch.stop()
    }
    // What is so already comes anew by this, so that edges are enough, and spare a call.
    this.#watch.modify(eventsOf(flags) | EPOLLET)
    this.#asked = flags
    this.#watch.start()
  }

  /** Asks for nothing any more; whoever waits is told so by an error whose `canceled` is true. */
  stop(): void {
    this.#tellAll(canceled())
  }

  /** Stops, and lets go of the descriptor. */
  destroy(): void {
    if (!this.#destroyed) {
      this.#destroyed = true
      this.#watch.close(() => stateError(ErrorCode.CLOSED, 'the Poller was destroyed', this.#watch.fd))
    }
    this.#tellAll(canceled())
  }

  /** Tells whoever waits that it is over, and stops nothing. */
  emitCanceled(): void {
    this.#emitAll(canceled())
  }

  #tellAll(error: unknown): void {
    this.#ask(0)
    this.#emitAll(error)
  }

  #emitAll(error: unknown): void {
    for (const { name } of KINDS) this.emit(name, error)
  }

  #happened(events: number): void {
    // As in libuv: an error without anything urgent ends it. A read of a tty that was hung up would find the end for ever.
    if ((events & EPOLLERR) !== 0 && (events & EPOLLPRI) === 0) {
      const error = systemError(constants.errno.EBADF, 'poll', this.#watch.fd, 'the device was hung up or removed')
      return this.#tellAll(error)
    }
    const seen = KINDS.filter(({ event }) => (events & event) !== 0)
    // And a hang-up alone is all that was asked for.
    const asked = KINDS.filter(({ flag }) => (this.#asked & flag) !== 0)
    const told = seen.length === 0 ? asked : seen
    try {
      this.#ask(told.reduce((flags, { flag }) => flags & ~flag, this.#asked))
    } catch (error) {
      return this.#tellAll(error) // The descriptor was closed elsewhere: what else was asked for will not come.
    }
    for (const { name } of told) this.emit(name, null)
  }
}
