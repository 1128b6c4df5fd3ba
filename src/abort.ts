/**
 * One listener per AbortSignal, however many waits it is to end: a signal for the shutdown of a program is given to
 * thousands, and Node warns of a leak at eleven.
 *
 * @module
 */
import { invalidArgType } from './errors.js'
import { checkOptions } from './sys/result.js'

/** Whether it can be listened to as an AbortSignal: they come from other realms, and from packages. */
function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>
  return typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
}

/** Checks options with a signal. @throws `ERR_INVALID_ARG_TYPE` */
export function checkSignal(options: { readonly signal?: AbortSignal | undefined }): void {
  checkOptions(options)
  const { signal } = options
  if (signal !== undefined && !isSignal(signal)) throw invalidArgType('options.signal', 'an AbortSignal', signal)
}

const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `call` when `signal`, which is not aborted yet, is. Returns what takes that back. `call` must not throw. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const calls = waiting.get(signal) ?? listen(signal)
  calls.add(call)
  return () => {
    calls.delete(call)
    if (calls.size > 0 || waiting.get(signal) !== calls) return
    waiting.delete(signal)
    signal.removeEventListener('abort', run)
  }
}

function listen(signal: AbortSignal): Set<() => void> {
  const calls = new Set<() => void>()
  signal.addEventListener('abort', run, { once: true })
  waiting.set(signal, calls)
  return calls
}

function run(this: AbortSignal): void {
  const calls = waiting.get(this)
  waiting.delete(this)
  // One that is taken back by another before its turn is not called.
  for (const call of calls ?? []) call()
}
