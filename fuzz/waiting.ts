/**
 * What calls that wait are given, and what becomes of them.
 *
 * @module
 */
import * as asyncfd from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { called, succeeded, Thrown, threw } from './coverage.js'
import type { Callable, Op } from './op.js'
import { below, chance, pick } from './random.js'
import { changeMemory, disturbed, junk, odd } from './values.js'

const { WouldBlock } = asyncfd

const MOST_HELD = 24

export function hold<T>(into: T[], value: T, most = MOST_HELD): void {
  if (into.length < most) into.push(value)
  else into[below(most)] = value
}

/** Ends one at random where there are too many. */
export function keep<T>(made: T[], one: T, end: (one: T) => void): void {
  const before = [...made]
  hold(made, one)
  for (const other of before) if (!made.includes(other)) quietly(() => end(other))
}

/** What a listener throws by itself is not this call's. */
function quietly(end: () => void): void {
  try {
    end()
  } catch (error) {
    if (!(error instanceof Thrown)) throw error
  }
}

export const aborts: AbortController[] = []

export function signal(): AbortSignal {
  if (aborts.length === 0 || chance(0.2)) hold(aborts, new AbortController())
  return pick(aborts).signal
}

/** Options of a wait: always with an end, so that nothing is left when the child ends. */
export function waitOptions(forEver = true): Record<string, unknown> {
  if (forEver && chance(0.03)) return junk() as Record<string, unknown>
  return {
    timeout: !forEver || chance(0.95) ? pick([0, 0, 0.5, 1, 5, 20]) : odd(),
    ...(chance(0.2) && { signal: chance(0.9) ? signal() : junk() }),
  }
}

const fail = (what: string): never => {
  throw new Thrown(what)
}

/** What a callback leaves to be run after it, which fails. */
export function failLater(): void {
  if (chance(0.03)) process.nextTick(fail, 'a tick')
  if (chance(0.03)) queueMicrotask(() => fail('a microtask'))
  if (chance(0.03)) Promise.reject(new Thrown('a promise'))
}

/** A callback of which nothing is expected. */
export const callback = () => (): void => {
  if (chance(0.3)) disturbed()
  failLater()
  if (chance(0.03)) fail('a callback')
}

/** Closures, listeners, wakers: they do other things, fail, return what they must not. */
export function closure(): unknown {
  if (chance(0.02)) return junk()
  return (inner: unknown) => {
    if (chance(0.3)) disturbed()
    if (chance(0.1)) changeMemory()
    failLater()
    if (chance(0.05)) throw new Thrown('a closure')
    if (chance(0.03)) throw Object.assign(new Error('would block'), { code: 'EAGAIN' })
    if (chance(0.03)) return Promise.reject(new Thrown('a promise'))
    if (chance(0.3) || typeof inner !== 'number') return WouldBlock
    return chance(0.5) ? sys.read(inner, new Uint8Array(16)) : 1
  }
}

/** Follows a promise: its end is counted with the call that made it. */
export function follow(name: string, promise: unknown, look?: (value: unknown) => void): void {
  if (!(promise instanceof Promise)) return
  promise.then(
    (value: unknown) => {
      called(`${name} (settled)`)
      succeeded(`${name} (settled)`)
      look?.(value)
      if (chance(0.2)) disturbed()
    },
    (error: unknown) => {
      called(`${name} (settled)`)
      // An abort's reason is the user's own.
      threw(`${name} (settled)`, error)
    },
  )
}

/** A method of one of those that were made. */
export function methodOf<T extends object>(made: T[], name: keyof T, args: () => unknown[] = () => []): Op {
  return {
    args,
    call: (...given) => {
      if (made.length === 0) return
      const one = pick(made)
      return Reflect.apply(one[name] as Callable, one, given)
    },
  }
}
