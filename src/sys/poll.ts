/**
 * poll(2), which blocks this thread.
 *
 * @module
 */
import { invalidArgType, outOfRange } from '../errors.js'
import { native } from '../native.js'
import { type FdSource, fdOf } from './fd-source.js'
import { integer, orThrow } from './result.js'

/**
 * What to ask: `POLLIN`, `POLLOUT`, ... from `constants`.
 *
 * @example
 * const requests: sys.PollRequest[] = [fd, listener].map((fd) => ({ fd, events: sys.constants.POLLIN }))
 * console.log(sys.poll(requests, 0).length)
 */
export interface PollRequest {
  /** The descriptor to ask about. */
  fd: FdSource
  /** What to ask: `POLLIN`, `POLLOUT`, `POLLPRI`, `POLLRDHUP`, combined with `|`. */
  events: number
}

/**
 * What the kernel said; `POLLERR`, `POLLHUP` and `POLLNVAL` come unasked.
 *
 * @example
 * const gone = ({ revents }: sys.PollResult) => (revents & sys.constants.POLLHUP) !== 0
 * console.log(sys.poll([{ fd, events: 0 }], 0).some(gone))
 */
export interface PollResult<F extends FdSource = FdSource> extends PollRequest {
  /** The descriptor as it was given. */
  fd: F
  /** What holds of it, as such bits; 0 if nothing does. */
  revents: number
}

/**
 * Asks which descriptors are ready, by ppoll(2), and blocks the whole thread until one is: meant for scripts, and with
 * `timeout` 0 for asking. A signal does not end it, and its listener runs only afterwards.
 *
 * @param timeout milliseconds, fractions count; 0 asks once, undefined or Infinity waits for ever
 * @returns one result for each request, in their order; all `revents` are 0 if the time ran out
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; {@link AsyncFdError} with EINVAL (too many), ENOMEM. A descriptor that is not
 *   open is no error but POLLNVAL.
 * @example
 * const [result] = sys.poll([{ fd, events: sys.constants.POLLIN }], 100)
 * if (result.revents & sys.constants.POLLIN) sys.read(fd, buffer)
 */
export function poll<R extends PollRequest>(fds: readonly R[], timeout?: number): PollResult<R['fd']>[] {
  if (!Array.isArray(fds)) throw invalidArgType('fds', 'an array of { fd, events }', fds)
  const limit = timeoutOf(timeout)
  const numbers = new Int32Array(fds.length * 3)
  fds.forEach((request, i) => {
    if (typeof request !== 'object' || request === null) throw invalidArgType(`fds[${i}]`, 'an object { fd, events }', request)
    numbers[i * 3] = fdOf(request.fd)
    numbers[i * 3 + 1] = integer(`fds[${i}].events`, request.events, -0x8000, 0xffff)
  })
  orThrow(native().sysPoll(numbers, limit), 'poll')
  return fds.map(({ fd, events }, i) => ({ fd, events, revents: numbers[i * 3 + 2]! }))
}

function timeoutOf(timeout: number | undefined): number {
  if (timeout === undefined) return -1
  if (typeof timeout !== 'number') throw invalidArgType('timeout', 'of type number', timeout)
  if (!(timeout >= 0)) throw outOfRange('timeout', '>= 0', timeout)
  return timeout
}
