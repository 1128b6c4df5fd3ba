/**
 * The asynchronous context of a callback: what `AsyncLocalStorage` gave where it was set. An `AsyncResource` carries it, and
 * keeping one for every timer costs more than the timer; so it is kept only where it carries something.
 *
 * Node tells whether anything listens to async hooks: then, and only then, it refuses a resource with an empty type.
 * (Before Node 24 `AsyncLocalStorage` is such a listener.) Where contexts are frames instead, the resource shows its own.
 *
 * @module
 */
import { AsyncResource } from 'node:async_hooks'
import process from 'node:process'

/** What {@link captureContext} found: a resource to run in, or null for no context at all. */
export type Context = AsyncResource | null

const OPTIONS = { requireManualDestroy: true }
const PROBE = ''
const TYPE = 'Timeout'

const sample = new AsyncResource(TYPE, OPTIONS)
/** Where a resource has its frame; undefined where there are none. */
const FRAME = Object.getOwnPropertySymbols(sample).find(({ description }) => description === 'context_frame')

const onNode = process.versions.bun === undefined && !('Deno' in globalThis)
/** Whether the absence of a context can be told. Frames came with Node 22; a Node that hides them is not understood. */
const tells = onNode && (FRAME !== undefined || Number.parseInt(process.versions.node, 10) < 22)
/** Async hooks have been seen in use; they are mostly there to stay. */
let hooked = !tells

/** A resource without a context, once one was seen. */
let empty: AsyncResource | undefined

/** The context of the caller. */
export function captureContext(): Context {
  if (!hooked) {
    try {
      const resource = new AsyncResource(PROBE, OPTIONS)
      if (FRAME !== undefined && (resource as unknown as Record<symbol, unknown>)[FRAME] !== undefined) return resource
      empty ??= resource
      return null
    } catch {
      hooked = true
    }
  }
  return new AsyncResource(TYPE, OPTIONS)
}

/** Calls `callback` in its context. */
export function runInContext(
  context: Context,
  callback: (...args: unknown[]) => void,
  self: unknown,
  args: unknown[] | null,
): void {
  const resource = context ?? (empty as AsyncResource)
  if (args === null) resource.runInAsyncScope(callback, self)
  else resource.runInAsyncScope(callback, self, ...args)
}
