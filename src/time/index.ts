/**
 * Time with sub-millisecond precision: tokio's `time` and async-io's `Timer`, on a clock that tests can stop.
 *
 * @module asyncfd/time
 */
export { CallbackTimer, type CallbackTimerOptions } from './callback-timer.js'
export { clock, now } from './clock.js'
export { Deadline, deadline } from './deadline.js'
export { Interval, type IntervalOptions, interval, type MissedTickBehavior } from './interval.js'
export { Sleep, type SleepOptions, sleep, sleepUntil } from './sleep.js'
export { timeout, timeoutAt, type Work } from './timeout.js'
export { Timer } from './timer.js'
