/** A small generator of random numbers that a seed repeats: xorshift32, of which only the spread matters here. */
export class Random {
  #state: number

  constructor(readonly seed: number) {
    // Seeds that differ in one bit must not begin alike.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) || 1
    for (let i = 0; i < 8; i++) this.next()
  }

  /** 32 random bits. */
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** An integer from 0 to `bound - 1`. */
  below(bound: number): number {
    return this.next() % bound
  }

  /** One of them. */
  pick<E>(items: readonly E[]): E {
    return items[this.below(items.length)]!
  }
}

/** `ASYNCFD_SEED` if it is set, to repeat a run; else another each time. */
export function chooseSeed(): number {
  const given = process.env.ASYNCFD_SEED
  return given === undefined || given === '' ? Date.now() >>> 0 : Number(given) | 0
}
