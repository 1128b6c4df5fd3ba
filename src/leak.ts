/**
 * `AsyncFd`s that are garbage before they were closed: they are deregistered, and the first is reported.
 *
 * @module
 */
import { ErrorCode, stateError } from './errors.js'
import type { Registration } from './registration.js'
import { close } from './sys/descriptor.js'

let warned = false

/** What a leaked one leaves behind for its end is its registration: one object for both, as there are many. */
const leaks = new FinalizationRegistry<Registration>((registration) => {
  const { fd, owned, reactor } = registration
  if (registration.isEnded) return
  const own = reactor.deregister(registration, () => stateError(ErrorCode.CLOSED, `the AsyncFd of fd ${fd} was collected`, fd))
  if (own && owned) close(fd)
  if (warned) return
  warned = true
  process.emitWarning(
    `An AsyncFd (fd ${fd}) was garbage collected without close(). It was deregistered; further ones will not be reported`,
    { type: 'AsyncFdLeakWarning', code: 'ASYNCFD_LEAK' },
  )
})

/** Has `registration` end when `asyncFd` is collected. */
export function watchForLeak(asyncFd: object, registration: Registration): void {
  leaks.register(asyncFd, registration, registration)
  registration.reactor.whenEnded = watchNoMore
}

/** Also for one that lost its number: V8 takes long over registrations whose object is gone. */
function watchNoMore(registration: Registration): void {
  leaks.unregister(registration)
}
