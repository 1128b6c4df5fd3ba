/**
 * The grace that a limit has when it has passed: what came in time may be known to the kernel alone, as the event loop, or the driver, was kept
 * from it.
 *
 * @module
 */
import { setImmediate } from 'node:timers'
import { LOOKED, LOOKS } from './board.js'
import type { Reactor } from './reactor.js'

export class Grace {
  readonly #reactor: Reactor
  readonly #flush: () => void
  /** Who awaits a look that is not over, in their order. */
  readonly #looks: (() => void)[] = []
  #running = 0

  /** `flush` has the native side do now what the board asks for. */
  constructor(reactor: Reactor, flush: () => void) {
    this.#reactor = reactor
    this.#flush = flush
  }

  /** Resolves once all that the kernel had ready at the time of the call has been told; until then it keeps the process alive. */
  look(): Promise<void> {
    return new Promise((resolve) => {
      this.#looks.push(resolve)
      this.#reactor.board.control[LOOKS]!++
      this.#reactor.hold(1)
      this.#flush()
    })
  }

  /** All that was collected has been told. */
  told(): void {
    if (this.#looks.length === 0) return
    const { control } = this.#reactor.board
    const pending = (control[LOOKS]! - control[LOOKED]!) >>> 0
    for (const resolve of this.#looks.splice(0, this.#looks.length - pending)) {
      this.#reactor.release(1)
      resolve()
    }
  }

  /** Calls `late`, of a limit that has passed, once all that came in time has had its turn to say so. */
  before(late: () => void): void {
    this.#running++
    const over = () => {
      this.#running--
      late()
    }
    void this.look().then(() => setImmediate(over))
  }

  /** Whether a limit has passed that nobody has been told of. */
  get isRunning(): boolean {
    return this.#running > 0
  }
}
