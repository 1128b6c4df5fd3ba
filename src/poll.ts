/**
 * One wait, without keeping a registration.
 *
 * @module
 */
import { AsyncFd } from './async-fd.js'
import { AsyncFdError } from './errors.js'
import { close, dup } from './sys/descriptor.js'
import { type FdSource, fdOf } from './sys/fd-source.js'
import type { WaitOptions } from './wait.js'

/**
 * Waits once for any of `interest` on a descriptor and resolves with its `Ready` bits. The kernel is asked, so what is ready
 * already resolves at once. A descriptor that has an `AsyncFd` can be polled too.
 *
 * @throws as the constructor of `AsyncFd`
 * @returns rejects with `TimeoutError` or `signal.reason`
 * @example
 * const bits = await poll(fd, Interest.READABLE | Interest.PRIORITY, { timeout: 100 })
 */
export function poll(source: FdSource, interest: number, options?: WaitOptions): Promise<number> {
  let once: AsyncFd
  try {
    once = new AsyncFd(fdOf(source), { interest })
  } catch (error) {
    if (!(error instanceof AsyncFdError) || error.code !== 'EEXIST') throw error
    const copy = dup(source)
    try {
      once = new AsyncFd(copy, { interest, owned: true })
    } catch (error) {
      close(copy)
      throw error
    }
  }
  try {
    return once.ready(interest, options).then(
      (guard) => {
        once.close()
        return guard.ready
      },
      (error) => {
        once.close()
        throw error
      },
    )
  } catch (error) {
    once.close()
    throw error
  }
}
