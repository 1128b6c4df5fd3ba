/**
 * `Epoll`: the class of the `epoll` package, on the reactor.
 *
 * @module
 */
import { AsyncResource } from 'node:async_hooks'
import { constants as os } from 'node:os'
import { AsyncFdError, ErrorCode, invalidArgType, stateError } from '../errors.js'
import { constants } from '../sys/constants.js'
import { poll } from '../sys/poll.js'
import { Events, Watch, type Watcher } from './watch.js'

/**
 * Called when something happened: `err` is null, `events` a combination of the constants of {@link Epoll}.
 *
 * @example
 * const report: EpollCallback = (err, fd, events) => console.log(err, fd, events)
 * const epoll = new Epoll(report)
 * epoll.close()
 */
export type EpollCallback = (err: Error | null, fd: number, events: number) => void

/** The texts of the C library, by which the package's users know its errors. */
const TEXTS: Record<string, string> = {
  EBADF: 'Bad file descriptor',
  EEXIST: 'File exists',
  EINVAL: 'Invalid argument',
  ELOOP: 'Too many levels of symbolic links',
  ENOENT: 'No such file or directory',
  ENOMEM: 'Cannot allocate memory',
  ENOSPC: 'No space left on device',
  EPERM: 'Operation not permitted',
}

function failure(code: string, fd: number, cause?: unknown): AsyncFdError {
  const error = new AsyncFdError(TEXTS[code]!, code, cause === undefined ? undefined : { cause })
  error.errno = -os.errno[code as 'EBADF']
  error.syscall = 'epoll_ctl'
  error.fd = fd
  return error
}

/** Calls `step`; what the kernel refuses is thrown under the C library's text, with our own error as its `cause`. */
function underTheirText<R>(fd: number, step: () => R): R {
  try {
    return step()
  } catch (error) {
    const { code } = error as AsyncFdError
    throw TEXTS[code] === undefined ? error : failure(code, fd, error)
  }
}

/** The package's own words, and a code besides. */
function wrongArguments(method: string): TypeError {
  const error = invalidArgType('', '', undefined)
  error.message = `incorrect arguments passed to ${method}`
  return error
}

const isInt32 = (value: unknown): value is number => typeof value === 'number' && (value | 0) === value

/** Who watches which number: as the package has one epoll descriptor, a number can be added once, to one of all instances. */
const watches = new Map<number, Watch>()

/**
 * Tells which of the descriptors added to it are ready, level-triggered unless `EPOLLET` is given. It keeps the process alive while
 * descriptors are added and not removed. Close a descriptor after its `remove`.
 *
 * What `epoll` cannot: workers each have their own, other runtimes have it, and a descriptor may have an `AsyncFd` as well.
 *
 * @example
 * const epoll = new Epoll((err, fd, events) => {
 *   if (err === null && events & Epoll.EPOLLIN) sys.read(fd, buffer)
 *   epoll.remove(fd).close()
 * })
 * epoll.add(fd, Epoll.EPOLLIN)
 */
export class Epoll {
  /** There is something to read, or the end of it. */
  declare static readonly EPOLLIN: number
  /** There is room to write. */
  declare static readonly EPOLLOUT: number
  /** The peer writes no more. Linux only: never told elsewhere. */
  declare static readonly EPOLLRDHUP: number
  /** Something urgent, such as the edge of a GPIO's `value`. Linux only: never told elsewhere. */
  declare static readonly EPOLLPRI: number
  /** An error. Told unasked. */
  declare static readonly EPOLLERR: number
  /** Closed in both directions. Told unasked. */
  declare static readonly EPOLLHUP: number
  /** Tell once per change, not for as long as it is so. */
  declare static readonly EPOLLET: number
  /** Tell once, and not again before {@link modify}. */
  declare static readonly EPOLLONESHOT: number

  static {
    for (const [name, value] of Object.entries(Events)) Object.defineProperty(Epoll, name, { value, enumerable: true })
  }

  readonly #callback: EpollCallback
  readonly #context = new AsyncResource('ASYNCFD_EPOLL')
  readonly #watches = new Map<number, Watch>()
  #closed = false

  /** @throws TypeError `ERR_INVALID_ARG_TYPE` */
  constructor(callback: EpollCallback) {
    if (typeof callback !== 'function') throw invalidArgType('callback', 'of type function', callback)
    this.#callback = callback
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closed
  }

  #checkOpen(method: string): void {
    if (this.#closed) throw stateError(ErrorCode.CLOSED, `${method} can't be called after calling close`)
  }

  readonly #watcher: Watcher = {
    happened: ({ fd }, events) => this.#context.runInAsyncScope(this.#callback, undefined, null, fd, events),
    lost: (watch) => this.#forget(watch),
  }

  #forget({ fd }: Watch): void {
    this.#watches.delete(fd)
    watches.delete(fd)
  }

  /**
   * Watches `fd` for `events`.
   *
   * @throws AsyncFdError `EEXIST` (added already, here or to another instance), `EBADF`, `EPERM` (a regular file), `ERR_ASYNCFD_CLOSED`;
   *   TypeError
   */
  add(fd: number, events: number): this {
    this.#checkOpen('add')
    if (!isInt32(fd) || typeof events !== 'number') throw wrongArguments('add(int fd, int events)')
    const known = watches.get(fd)
    if (known?.isCopy) throw failure('EEXIST', fd)
    // That of a closed descriptor is found lost by this, as the kernel takes the number again.
    const watch = underTheirText(fd, () => new Watch(fd, events, known === undefined, this.#watcher))
    this.#watches.set(fd, watch)
    watches.set(fd, watch)
    watch.start()
    return this
  }

  /**
   * Watches `fd` for other events; arms a oneshot again.
   *
   * @throws AsyncFdError `ENOENT` (not added to this instance), `EBADF`, `ERR_ASYNCFD_CLOSED`; TypeError
   */
  modify(fd: number, events: number): this {
    this.#checkOpen('modify')
    if (!isInt32(fd) || typeof events !== 'number') throw wrongArguments('modify(int fd, int events)')
    const watch = this.#find(fd)
    underTheirText(fd, () => watch.modify(events))
    return this
  }

  /**
   * Watches `fd` no more. After this returned the callback is not called for it, even where its event had been collected.
   *
   * @throws AsyncFdError `ENOENT` (not added to this instance), `EBADF` (closed before), `ERR_ASYNCFD_CLOSED`; TypeError
   */
  remove(fd: number): this {
    this.#checkOpen('remove')
    if (!isInt32(fd)) throw wrongArguments('remove(int fd)')
    const watch = this.#find(fd)
    this.#forget(watch)
    if (!this.#end(watch)) throw this.#unknown(fd)
    return this
  }

  /** Removes all and frees what it held. @throws AsyncFdError `ERR_ASYNCFD_CLOSED` */
  close(): null {
    if (this.#closed) throw stateError(ErrorCode.CLOSED, "close can't be called more than once")
    this.#closed = true
    for (const watch of [...this.#watches.values()]) {
      this.#forget(watch)
      this.#end(watch)
    }
    return null
  }

  #end(watch: Watch): boolean {
    return watch.close(() => stateError(ErrorCode.CLOSED, 'the descriptor was removed from its Epoll', watch.fd))
  }

  #find(fd: number): Watch {
    const watch = this.#watches.get(fd)
    if (watch === undefined) throw this.#unknown(fd)
    return watch
  }

  /** What the kernel says of a number that it does not watch. */
  #unknown(fd: number): AsyncFdError {
    const open = fd >= 0 && (poll([{ fd, events: 0 }], 0)[0]!.revents & constants.POLLNVAL) === 0
    return failure(open ? 'ENOENT' : 'EBADF', fd)
  }
}
