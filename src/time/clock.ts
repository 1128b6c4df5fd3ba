/**
 * The clock: monotonic milliseconds, which tests can stop and move.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises'
import { invalidState } from '../errors.js'
import { theReactor } from '../reactor.js'
import { checkDuration } from './check.js'

/**
 * Milliseconds on a monotonic clock: that of `performance.now()` until it is first paused. The instants of this module are of it.
 *
 * @example
 * const begun = now()
 * await sleep(0.5)
 * console.log(now() - begun) // 0.5 or a little more
 */
export function now(): number {
  return theReactor().now()
}

/**
 * Stops time, for tests: `now()` stands still, and nothing of asyncfd that waits for a time ends until {@link advance} moves
 * it: sleeps, intervals, `asyncfd/timers`, and the timeouts of waits.
 *
 * @example
 * clock.pause()
 * const slept = sleep(60_000)
 * await clock.advance(60_000)
 * await slept
 * clock.resume()
 */
export const clock = {
  /** Stops time where it is. @throws `ERR_INVALID_STATE` if it is stopped already */
  pause(): void {
    const reactor = theReactor()
    if (reactor.isPaused) throw invalidState('the clock is paused already')
    reactor.pauseClock(wholeTick(reactor.now()))
  },

  /**
   * Moves stopped time forward by `ms`, in steps of 1/16 ms, stopping at each instant at which something is due, in order: what that causes runs
   * (microtasks and one iteration of the event loop) before time moves on. Resolves when all is done.
   *
   * @throws `ERR_INVALID_STATE` unless the clock is paused; `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  advance(ms: number): Promise<void> {
    checkDuration('ms', ms)
    const reactor = theReactor()
    if (!reactor.isPaused) throw invalidState('the clock runs; call clock.pause() first')
    return step(wholeTick(reactor.now() + ms))
  },

  /** Lets time run on from where it stands. @throws `ERR_INVALID_STATE` unless it is paused */
  resume(): void {
    const reactor = theReactor()
    if (!reactor.isPaused) throw invalidState('the clock is not paused')
    reactor.pauseClock(null)
  },
}

/** Of the wheel, see crates/core/src/wheel. */
const TICKS_PER_MS = 16

/** The first instant from here on at which a tick of the wheel begins: stopped time is only ever there. */
function wholeTick(instant: number): number {
  return Math.ceil(instant * TICKS_PER_MS) / TICKS_PER_MS
}

/** Rounds in which time stands still, at most: after them what is always due again moves it by a tick each. */
const STILL_ROUNDS = 1000

async function step(target: number): Promise<void> {
  const reactor = theReactor()
  for (let still = 0; ; ) {
    const from = reactor.now()
    const next = reactor.nextTimer()
    let instant = Math.max(Math.min(next ?? target, target), from)
    if (instant === from && still++ > STILL_ROUNDS) instant = Math.min(from + 1 / TICKS_PER_MS, target)
    // Asked before the time is set: the look's turn is that of what is due as well.
    let told = reactor.grace.look()
    reactor.pauseClock(instant)
    for (;;) {
      await told
      await setImmediate()
      if (!reactor.grace.isRunning) break
      told = reactor.grace.look()
    }
    if (instant < target) continue
    const later = reactor.nextTimer()
    if (later === null || later > target || still > STILL_ROUNDS) return
  }
}
