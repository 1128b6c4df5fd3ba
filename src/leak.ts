/**
 * `AsyncFd`s that are garbage before they were closed: they are deregistered, and the first is reported.
 *
 * What a `FinalizationRegistry` keeps of an `AsyncFd` is larger than that is, and takes as long as to register it. So nothing is watched
 * before a garbage collection found it with nothing pending: until then its registration keeps it.
 *
 * @module
 */
import { ErrorCode, stateError } from './errors.js'
import { theReactor } from './reactor.js'
import type { Registration } from './registration.js'
import { close } from './sys/descriptor.js'

let warned = false
/** Whether the next collection is waited for. */
let waiting = false

/** What a leaked one leaves behind for its end is its registration: one object for both, as there are many. Null tells of a collection. */
const leaks = new FinalizationRegistry<Registration | null>((registration) => {
  if (registration === null) look()
  else if (!registration.isEnded) end(registration)
})

function end(registration: Registration): void {
  const { fd, owned, reactor } = registration
  const own = reactor.deregister(registration, () => stateError(ErrorCode.CLOSED, `the AsyncFd of fd ${fd} was collected`, fd))
  if (own && owned) close(fd)
  if (warned) return
  warned = true
  process.emitWarning(
    `An AsyncFd (fd ${fd}) was garbage collected without close(). It was deregistered; further ones will not be reported`,
    { type: 'AsyncFdLeakWarning', code: 'ASYNCFD_LEAK' },
  )
}

function waitForCollection(): void {
  if (waiting) return
  waiting = true
  leaks.register({}, null)
}

/** Lets go of those that have nothing pending, and watches them. */
function look(): void {
  waiting = false
  for (const registration of theReactor().registrations()) {
    const { keeps } = registration
    if (keeps == null) continue
    if (registration.pending > 0) {
      waitForCollection()
    } else {
      registration.keeps = null
      leaks.register(keeps, registration, registration)
    }
  }
}

/** Has `registration` end when `asyncFd` is collected. */
export function watchForLeak(asyncFd: object, registration: Registration): void {
  registration.keeps = asyncFd
  registration.reactor.whenEnded = watchNoMore
  waitForCollection()
}

/** Also for one that lost its number: V8 takes long over registrations whose object is gone. */
function watchNoMore(registration: Registration): void {
  if (registration.keeps === null) leaks.unregister(registration)
}
