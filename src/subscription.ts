/**
 * The tiers that call back: a subscription (every event) and a waker (one event, for the `poll...` methods). Both keep
 * the AsyncLocalStorage context they were made in, and are never called from the call that makes or ends them.
 *
 * @module
 */
import { onAbort } from './abort.js'
import type { AsyncFd } from './async-fd.js'
import { type Context, captureContext, runElsewhere, runInContext } from './context.js'
import { Ready } from './interest.js'
import { AsyncFdReadyGuard } from './ready-guard.js'
import { Entry, type Registration } from './registration.js'

/** A listener with the context it was made in, where that carries something. */
class InContext<L> {
  constructor(
    readonly listener: L,
    readonly context: Context,
  ) {}
}

/** How those few that a signal may end let go of it. */
const detachSignal = new WeakMap<object, () => void>()

type Listener<T> = (guard: AsyncFdReadyGuard<T> | null) => void

/** Calls `listener` when ready, then once per event, and with `null` when the registration ends. */
export class Subscription<T> extends Entry implements Disposable {
  /** Null once it is disposed of. */
  #listener: Listener<T> | InContext<Listener<T>> | null

  constructor(
    registration: Registration,
    mask: number,
    listener: Listener<T>,
    override readonly owner: AsyncFd<T>,
    signal: AbortSignal | undefined,
  ) {
    super(registration, mask, owner)
    const context = captureContext('ASYNCFD_SUBSCRIPTION')
    this.#listener = context === null ? listener : new InContext(listener, context)
    if (signal?.aborted) return
    if (signal !== undefined)
      detachSignal.set(
        this,
        onAbort(signal, () => this[Symbol.dispose]()),
      )
    registration.link(this)
    // With a level trigger the kernel tells what is ready by a new event.
    if (registration.level) this.askAgain()
    else if (registration.ready(mask) !== 0) registration.reactor.park(this)
  }

  private get context(): Context {
    return this.#listener instanceof InContext ? this.#listener.context : null
  }

  private get callback(): Listener<T> | null {
    return this.#listener instanceof InContext ? this.#listener.listener : this.#listener
  }

  override fire(bits: number): void {
    const { registration } = this
    if (registration.level) registration.confirm(this.mask)
    const ready = ((registration.level ? 0 : bits) | registration.ready(this.mask)) & this.mask
    if (ready === 0) return
    const guard = new AsyncFdReadyGuard(this.owner, registration, ready)
    try {
      runInContext(this.context, this.callback as (guard: unknown) => void, undefined, [guard])
    } finally {
      if (this.linked && (registration.level || !registration.reactor.edge)) registration.reactor.askAfterBatch(this)
    }
  }

  /** What an edge does by itself has to be asked for elsewhere. */
  override askAgain(): void {
    const { registration } = this
    const { reactor } = registration
    if (registration.level && reactor.edge) {
      reactor.rearm(registration)
    } else if (registration.level) {
      // What is ready still brings no event, and clearing it would hide it from others who wait.
      try {
        registration.refresh()
      } catch {
        return // The descriptor was closed elsewhere: nothing more comes of it.
      }
      if (registration.ready(this.mask) !== 0) reactor.park(this)
    } else if (!reactor.edge) {
      // A oneshot registration is armed only for what is not known ready, and what the kernel denies is not any more.
      let kernel: number
      try {
        kernel = reactor.probe(registration.fd, registration.interest)
      } catch {
        return // The descriptor is gone, perhaps by the listener itself: no event comes. The next call that uses it says so.
      }
      const over = ~kernel & (Ready.READABLE | Ready.PRIORITY | Ready.WRITABLE | Ready.ERROR)
      registration.clear(over, registration.readTick, registration.writeTick)
      // What the listener left unread stays known, so that no event can tell of more: it is called again until the end of
      // the file. An idle writable descriptor has no more to tell.
      const unread = kernel & this.mask & (Ready.READABLE | Ready.PRIORITY)
      if (unread !== 0 && registration.ready(Ready.READ_CLOSED) === 0) {
        registration.learnClosed(kernel)
        reactor.park(this)
      }
    }
  }

  override end(): void {
    detachSignal.get(this)?.()
    queueMicrotask(() => {
      if (this.#listener !== null) runElsewhere(this.context, this.callback as (guard: unknown) => void, [null])
    })
  }

  /** Ends the subscription; the listener is not called again. */
  [Symbol.dispose](): void {
    this.#listener = null
    detachSignal.get(this)?.()
    this.registration.unlink(this)
  }
}

/** Calls `waker` once: when ready, or when the registration ends. */
export class Waker extends Entry {
  readonly #waker: () => void
  readonly #context = captureContext('ASYNCFD_WAKER')

  constructor(registration: Registration, mask: number, owner: unknown, waker: () => void) {
    super(registration, mask, owner)
    this.#waker = waker
    registration.link(this)
  }

  override fire(): void {
    if (this.registration.ready(this.mask) === 0) return
    this.registration.unlink(this)
    runInContext(this.#context, this.#waker, undefined, null)
  }

  override end(): void {
    queueMicrotask(() => runElsewhere(this.#context, this.#waker, []))
  }
}
