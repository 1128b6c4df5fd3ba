/**
 * A descriptor with an owner.
 *
 * @module
 */
import * as util from 'node:util'
import { ErrorCode, stateError } from '../errors.js'
import { native } from '../native.js'
import { fdOf } from './fd-source.js'
import { orThrow } from './result.js'

/**
 * Holds a descriptor and closes it once: by `close()`, by `using`, or not at all if it was taken out.
 *
 * Nothing closes it at garbage collection: who drops an OwnedFd leaks the descriptor, and no number is closed under somebody's hands.
 *
 * @example
 * using timer = new sys.OwnedFd(sys.timerfd())
 * sys.setTimerfd(timer, { value: 100 })
 */
export class OwnedFd implements Disposable {
  #fd: number

  /** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` if it is no descriptor number */
  constructor(fd: number) {
    this.#fd = fdOf(fd)
  }

  /** The number; -1 once closed or taken, which every function here refuses. */
  get fd(): number {
    return this.#fd
  }

  /** Whether it was closed or taken. */
  get closed(): boolean {
    return this.#fd === -1
  }

  /** Closes the descriptor; does nothing the second time. @throws as `close` in this module; it is closed even then */
  close(): void {
    const fd = this.#fd
    if (fd === -1) return
    this.#fd = -1
    orThrow(native().sysClose(fd), 'close', fd)
  }

  /** Gives the descriptor away: the caller closes it. @throws `ERR_ASYNCFD_CLOSED` if it was closed or taken before */
  take(): number {
    const fd = this.#fd
    if (fd === -1) throw stateError(ErrorCode.CLOSED, 'the OwnedFd holds no descriptor any more: it was closed or taken')
    this.#fd = -1
    return fd
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** What `console.log` shows. */
  [util.inspect.custom](): string {
    return this.#fd === -1 ? 'OwnedFd { closed }' : `OwnedFd { fd: ${this.#fd} }`
  }
}
