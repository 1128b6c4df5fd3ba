/**
 * Measuring inside a child: wake-ups, time and CPU between a warm-up and an end.
 *
 * @module
 */

/** What a child of the benchmark prints, as one line of JSON. All are numbers, so that rounds can be compared. */
export type Measured = Record<string, number>

/** Prints the result and ends the child: handles of the contender may still hold its loop. */
export function report(measured: Measured): never {
  process.stdout.write(`${JSON.stringify(measured)}\n`)
  process.exit(0)
}

/** How many wake-ups pass between two looks at the clock, which costs about as much as a tenth of a wake-up. */
const WAKEUPS_PER_LOOK = 16

/** A warm-up is at least this long, or what is measured on a busy machine is the compiler. */
const WARMUP_WAKEUPS = 20_000
/** Fewer say nothing. */
const LEAST_WAKEUPS = 5000
/** A warm-up and a measurement take no more than this many times their time. */
const PATIENCE = 20

/** Counts wake-ups for a while, after a warm-up of a third of it. */
export class Meter {
  #count = 0
  #from = performance.now()
  #cpu = process.cpuUsage()
  #warm = false
  /** Wake-ups of the warm-up. */
  warmup = 0

  constructor(readonly ms: number) {}

  /** Notes a wake-up. True once, when the time is up. */
  woken(): boolean {
    if (++this.#count % WAKEUPS_PER_LOOK !== 0) return false
    const elapsed = performance.now() - this.#from
    const enough = this.#count >= (this.#warm ? LEAST_WAKEUPS : WARMUP_WAKEUPS) || elapsed >= PATIENCE * this.ms
    if (this.#warm) return elapsed >= this.ms && enough
    if (elapsed >= this.ms / 3 && enough) this.#restart()
    return false
  }

  #restart(): void {
    this.#warm = true
    this.warmup = this.#count
    this.#count = 0
    this.#from = performance.now()
    this.#cpu = process.cpuUsage()
  }

  /** Wake-ups since the warm-up, and CPU (user and system, all threads of the process) of each. */
  result(): Measured {
    const seconds = (performance.now() - this.#from) / 1000
    const { user, system } = process.cpuUsage(this.#cpu)
    return { wakeups: this.#count, perSecond: this.#count / seconds, cpuUs: (user + system) / this.#count }
  }
}
