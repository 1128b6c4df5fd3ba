/**
 * `setTimeout` and `setInterval` with Node's whole contract, on asyncfd's wheel: faster to start, refresh and cancel, and
 * precise below a millisecond.
 *
 * @module asyncfd/timers
 */
// Imported, as the global is a getter and costs more than what it gets.
import { clearTimeout as clearPlatforms } from 'node:timers'
import { promisify } from 'node:util'
import { onAbort } from '../abort.js'
import { type Context, captureContext, runInContext } from '../context.js'
import { invalidArgType } from '../errors.js'
import { theReactor } from '../reactor.js'
import { checkSleepOptions } from '../time/check.js'
import { isFresh as isTimerFresh, type TimerQueue, type WheelTimer } from '../timer-queue.js'

/** As a constant of this module: compiled code knows what it is, while what is imported is looked up at each use. */
const isFresh = isTimerFresh

/** The longest duration, as in Node; anything longer is 1. */
const LONGEST_MS = 0x7fffffff

/** Starts the reactor at the first timer. */
function timers(): TimerQueue {
  return theReactor().timers
}

type Callback<A extends unknown[]> = (...args: A) => void

/** By the number that a timer becomes when it is coerced to one. */
const byNumber = new Map<number, Timeout>()
let lastNumber = 0

/** Node's tick queue and the microtasks, which run between two timers. */
const { _tickCallback: ticks } = process as { _tickCallback?: () => void }
/** With `--pending-deprecation` that warns, and inherits from what does not; else it does so from what functions inherit from, of whatever realm. */
const inherited = ticks && (Object.getPrototypeOf(ticks) as () => void)
const runTicks = inherited && !Object.hasOwn(inherited, 'call') ? inherited : ticks

/** What only few timers have. */
interface Rare {
  readonly context: Context
  readonly args: unknown[] | null
  readonly repeats: boolean
  /** 0 until it is asked for. */
  readonly number: number
}
const NOTHING_RARE: Rare = Object.freeze({ context: null, args: null, repeats: false, number: 0 })

/**
 * What {@link setTimeout} and {@link setInterval} return: Node's `Timeout`.
 *
 * @example
 * const timer: Timeout = setTimeout(hangUp, 30_000)
 * timer.refresh().unref()
 * console.log(timer.hasRef())
 */
export class Timeout implements WheelTimer, Disposable {
  // In the order of their use: what a refresh reads lies beside the object's own head.
  /** @internal */
  drain = -1
  /** @internal */
  id = -1
  #callback: Callback<unknown[]> | null
  #rare: Rare
  #ms: number
  /** @internal */
  refd = true

  /** @internal No more than this, so that V8 makes it in place. */
  constructor(callback: Callback<unknown[]>, ms: number, rare: Rare) {
    this.#callback = callback
    this.#rare = rare
    this.#ms = ms
  }

  /** @internal Faster than `instanceof`, and blind to what only looks like one. */
  static is(value: unknown): value is Timeout {
    return typeof value === 'object' && value !== null && #callback in value
  }

  /** @internal */
  touch(): number {
    return this.drain + this.#rare.number
  }

  /** @internal */
  fire(): void {
    const callback = this.#callback
    if (callback === null) return
    try {
      const { context, args } = this.#rare
      runInContext(context, callback, this, args)
    } finally {
      if (this.#rare !== NOTHING_RARE && this.#callback !== null && this.id === -1) {
        if (this.#rare.repeats) timers().after(this, this.#ms)
        else forget(this.#rare)
      }
    }
    try {
      runTicks?.call(process)
    } catch (error) {
      theReactor().reportInTurn(error)
      throw error
    }
  }

  /** @internal */
  clear(): void {
    this.#callback = null
    forget(this.#rare)
    timers().cancel(this)
  }

  /** Starts its duration afresh. One that has fired starts again. */
  refresh(): this {
    if (isFresh(this) || this.#callback === null) return this
    if (this.id === -1) timers().after(this, this.#ms)
    else timers().refresh(this)
    return this
  }

  /** It keeps the process alive. The default. */
  ref(): this {
    timers().setRef(this, true)
    return this
  }

  /** It does not keep the process alive. */
  unref(): this {
    timers().setRef(this, false)
    return this
  }

  /** Whether it keeps the process alive. */
  hasRef(): boolean {
    return this.refd
  }

  /** As `clearTimeout`. */
  close(): this {
    this.clear()
    return this
  }

  /** A number that `clearTimeout` and `clearInterval` take. */
  [Symbol.toPrimitive](): number {
    if (this.#rare.number === 0) {
      this.#rare = { ...this.#rare, number: ++lastNumber }
      if (this.#callback !== null && this.id !== -1) byNumber.set(lastNumber, this)
    }
    return this.#rare.number
  }

  /** As `clearTimeout`. */
  [Symbol.dispose](): void {
    this.clear()
  }
}

/** Its number is nobody's any more. (A private method would be one property more in every timer.) */
function forget({ number }: Rare): void {
  if (number !== 0) byNumber.delete(number)
}

/** Node 24 and later also tell of these, each kind once. */
const unwarned = { negative: warnsOfAll(), nan: warnsOfAll() }

function warnsOfAll(): boolean {
  return !(Number.parseInt(process.versions.node, 10) < 24)
}

/** Coerces as Node does, with Node's warnings. Throws for a BigInt or a symbol, as Node does. */
function duration(ms: unknown): number {
  const coerced = ms === undefined ? 1 : (ms as number) * 1
  if (coerced >= 1 && coerced <= LONGEST_MS) {
    // Whole ones as small integers: another number would be an object of its own in each timer.
    const whole = coerced | 0
    return whole === coerced ? whole : coerced
  }
  if (coerced > LONGEST_MS) {
    warn(`${coerced} does not fit into a 32-bit signed integer.`, 'TimeoutOverflowWarning')
  } else if (coerced < 0 && unwarned.negative) {
    unwarned.negative = false
    warn(`${coerced} is a negative number.`, 'TimeoutNegativeWarning')
  } else if (Number.isNaN(coerced) && unwarned.nan) {
    unwarned.nan = false
    warn(`${coerced} is not a number.`, 'TimeoutNaNWarning')
  }
  return 1
}

function warn(what: string, type: string): void {
  process.emitWarning(`${what}\nTimeout duration was set to 1.`, type)
}

function start(callback: unknown, ms: unknown, args: unknown[] | null, repeats: boolean): Timeout {
  if (typeof callback !== 'function') throw invalidArgType('callback', 'of type function', callback)
  const context = captureContext('Timeout')
  const rare = context === null && args === null && !repeats ? NOTHING_RARE : { context, args, repeats, number: 0 }
  const span = duration(ms)
  const timer = new Timeout(callback as Callback<unknown[]>, span, rare)
  timers().after(timer, span)
  return timer
}

/** The arguments after the first two; null for none, which makes no array. */
function rest(all: IArguments): unknown[] | null {
  return all.length > 2 ? Array.prototype.slice.call(all, 2) : null
}

/**
 * Calls `callback` once, `ms` milliseconds from now: never earlier.
 *
 * @throws `ERR_INVALID_ARG_TYPE` if `callback` is no function
 * @example
 * const timer = setTimeout(hangUp, 30_000)
 * socket.on('data', () => timer.refresh())
 */
export function setTimeout<A extends unknown[]>(callback: Callback<A>, ms?: number, ...args: A): Timeout
export function setTimeout(callback: unknown, ms?: number): Timeout {
  // biome-ignore lint/complexity/noArguments: a rest parameter makes an array for every call
  return start(callback, ms, rest(arguments), false)
}

/**
 * Calls `callback` every `ms` milliseconds, each time that long after the last call.
 *
 * @throws `ERR_INVALID_ARG_TYPE`
 * @example
 * let left = 3
 * const timer = setInterval(() => --left || clearInterval(timer), 2.5)
 */
export function setInterval<A extends unknown[]>(callback: Callback<A>, ms?: number, ...args: A): Timeout
export function setInterval(callback: unknown, ms?: number): Timeout {
  // biome-ignore lint/complexity/noArguments: as above
  return start(callback, ms, rest(arguments), true)
}

/**
 * Ends a timer of this module, given as such or as its number; or one of the platform's own, given as such, as programs have both: a
 * library makes some, or they are older than ours. Anything else is ignored, as in Node.
 *
 * @example
 * const timer = setTimeout(hangUp, 30_000)
 * clearTimeout(timer) // or its number, +timer
 */
export function clearTimeout(timer?: Timeout | NodeJS.Timeout | number | string | null): void {
  if (Timeout.is(timer)) timer.clear()
  else if (typeof timer === 'object') clearPlatforms(timer as NodeJS.Timeout)
  // A number that is not ours may be that of another timer by now.
  else if (typeof timer === 'number' || typeof timer === 'string') byNumber.get(Number(timer))?.clear()
}

/**
 * The same as {@link clearTimeout}.
 *
 * @example
 * const timer = setInterval(hangUp, 1000)
 * clearInterval(timer)
 */
export const clearInterval: typeof clearTimeout = clearTimeout

interface PromiseOptions {
  signal?: AbortSignal | undefined
  ref?: boolean | undefined
}

/** `util.promisify(setTimeout)`: resolves with `value`. As Node's it rejects where others throw. */
function setTimeoutPromise<V>(ms?: number, value?: V, options: PromiseOptions = {}): Promise<V> {
  try {
    if (ms !== undefined && typeof ms !== 'number') throw invalidArgType('delay', 'of type number', ms)
    checkSleepOptions(options)
  } catch (error) {
    return Promise.reject(error)
  }
  const { signal, ref = true } = options
  if (signal?.aborted) return Promise.reject(abortError(signal))
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      off?.()
      resolve(value as V)
    }, ms)
    if (!ref) timer.unref()
    const off =
      signal &&
      onAbort(signal, () => {
        timer.clear()
        reject(abortError(signal))
      })
  })
}

/** Node's AbortError. */
function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  return Object.assign(error, { code: 'ABORT_ERR' })
}

Object.defineProperty(setTimeout, promisify.custom, { enumerable: true, get: () => setTimeoutPromise })
