/**
 * Which runtime this is, and which driver waits for the kernel there.
 *
 * @module
 */
import { invalidArgValue } from './errors.js'

export const ON_DENO = 'Deno' in globalThis
export const ON_NODE = process.versions.bun === undefined && !ON_DENO

/** `'embedded'`: inside Node's event loop. `'threaded'`: a thread waits. */
export type DriverName = 'embedded' | 'threaded'

/** Where the kernel is waited for: inside libuv's loop, or on a thread. Decided by the runtime, never by what it exports. */
export function chooseDriver(): DriverName {
  const forced = process.env.ASYNCFD_DRIVER
  if (forced === undefined || forced === '') return ON_NODE ? 'embedded' : 'threaded'
  if (forced === 'threaded' || (forced === 'embedded' && ON_NODE)) return forced
  throw invalidArgValue(
    'ASYNCFD_DRIVER',
    ON_NODE ? "must be 'embedded' or 'threaded'" : "must be 'threaded' on this runtime",
    forced,
  )
}

/** Whether events are to be told once, until the readiness is cleared: for tests of what other platforms do. */
export function chooseOneshot(): boolean {
  const forced = process.env.ASYNCFD_POLLING
  if (forced === undefined || forced === '' || forced === 'edge') return false
  if (forced === 'oneshot') return true
  throw invalidArgValue('ASYNCFD_POLLING', "must be 'edge' or 'oneshot'", forced)
}
