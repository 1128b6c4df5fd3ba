/**
 * Timers: those of `asyncfd/timers`, and what of `asyncfd/time` ends by itself or holds nothing.
 *
 * @module
 */
import * as time from 'asyncfd/time'
import * as timers from 'asyncfd/timers'
import { Thrown } from './coverage.js'
import type { Callable, Op } from './op.js'
import { chance, pick } from './random.js'
import { aTimeout, junk, odd } from './values.js'
import { callback, follow, hold, keep, methodOf, signal } from './waiting.js'

const pending: timers.Timeout[] = []
const deadlines: time.Deadline[] = []
const callbacks: time.CallbackTimer[] = []

const duration = () => (chance(0.8) ? aTimeout() : chance(0.5) ? odd() : junk())
const aTimer = () => (pending.length > 0 && chance(0.9) ? pick(pending) : undefined)
/** How a timer can be named to those who clear it. */
const named = () => pick<() => unknown>([aTimer, () => Number(aTimer()), () => String(Number(aTimer())), junk])()

/** As Node's they coerce, and what that throws is the value's own. */
const coercing =
  (make: Callable): Callable =>
  (...args) => {
    try {
      return make(...args)
    } catch (error) {
      throw error instanceof TypeError && !('code' in error) ? new Thrown('a conversion') : error
    }
  }

const start = (make: Callable): Op => ({
  args: () => [chance(0.97) ? callback() : junk(), duration(), ...(chance(0.3) ? [junk(), junk()] : [])],
  call: coercing(make),
  // One that is kept no longer would go on for ever.
  after: (made) => keep(pending, made as timers.Timeout, timers.clearTimeout),
})

export const times: Record<string, Op> = {
  'timers.setTimeout': { ...start(timers.setTimeout as Callable), weight: 3 },
  'timers.setInterval': start(timers.setInterval as Callable),
  'timers.clearTimeout': { args: () => [named()], call: timers.clearTimeout as Callable },
  'timers.clearInterval': { args: () => [named()], call: timers.clearInterval as Callable },
  'timers.Timeout.refresh': methodOf(pending, 'refresh'),
  'timers.Timeout.ref': methodOf(pending, 'ref'),
  'timers.Timeout.unref': methodOf(pending, 'unref'),
  'timers.Timeout.hasRef': methodOf(pending, 'hasRef'),
  'timers.Timeout.close': methodOf(pending, 'close'),
  'time.sleep': {
    args: () => [chance(0.9) ? aTimeout() : odd(), { ref: false, ...(chance(0.3) && { signal: signal() }) }],
    // A long one without its options would hold the process.
    exact: true,
    call: time.sleep as Callable,
    after: (promise) => follow('time.sleep', promise),
  },
  'time.deadline': {
    args: () => [chance(0.9) ? aTimeout() : odd()],
    call: time.deadline as Callable,
    after: (made) => hold(deadlines, made as time.Deadline),
  },
  'time.Deadline.refresh': methodOf(deadlines, 'refresh', () => (chance(0.5) ? [] : [chance(0.8) ? aTimeout() : odd()])),
  'time.Deadline.cancel': methodOf(deadlines, 'cancel'),
  'time.Deadline.signal': { args: () => [], call: () => deadlines.length > 0 && pick(deadlines).signal },
  'time.CallbackTimer': {
    args: () => [chance(0.97) ? callback() : junk(), ...(chance(0.5) ? [{ ref: chance(0.9) ? chance(0.5) : junk() }] : [])],
    call: (...args) => new time.CallbackTimer(...(args as [() => void])),
    after: (made) => keep(callbacks, made as time.CallbackTimer, (timer) => timer.cancel()),
  },
  'time.CallbackTimer.start': { ...methodOf(callbacks, 'start', () => [duration()]), weight: 3 },
  'time.CallbackTimer.refresh': methodOf(callbacks, 'refresh'),
  'time.CallbackTimer.cancel': methodOf(callbacks, 'cancel'),
  'time.CallbackTimer.ref': methodOf(callbacks, 'ref'),
  'time.CallbackTimer.unref': methodOf(callbacks, 'unref'),
  'time.timeout': {
    args: () => [
      aTimeout(),
      pick<() => unknown>([() => Promise.resolve(1), () => new Promise(() => {}), () => callback(), junk])(),
    ],
    exact: true,
    call: time.timeout as Callable,
    after: (promise) => follow('time.timeout', promise),
  },
}

/** Functions of `asyncfd/timers` that are not called. */
export const uncoveredTimers = Object.entries(timers)
  .filter(([name, value]) => typeof value === 'function' && name !== 'Timeout' && !(`timers.${name}` in times))
  .map(([name]) => name)

/** Ends all that would hold the process. */
export function endTimes(): void {
  for (const timer of pending) timers.clearTimeout(timer)
  for (const deadline of deadlines) deadline.cancel()
  for (const timer of callbacks) timer.cancel()
}
