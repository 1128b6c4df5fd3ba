/**
 * The asynchronous context of a callback: what `AsyncLocalStorage` gave where it was set. An `AsyncResource` carries it, and
 * keeping one costs as much as a timer, running in one more than many a callback; so it is kept only where it carries something.
 *
 * Node tells whether anything listens to async hooks: then, and only then, it refuses a resource with an empty type.
 * (Before Node 24 `AsyncLocalStorage` is such a listener.) Where contexts are frames instead, the resource shows its own.
 *
 * @module
 */
import { AsyncResource, executionAsyncResource } from 'node:async_hooks'
import { ON_NODE } from './driver.js'
import { theReactor } from './reactor.js'

/** What {@link captureContext} found: a resource to run in, or null for no context at all. */
export type Context = AsyncResource | null

const PROBE = ''
const TYPE = 'Timeout'

const major = Number.parseInt(process.versions.node, 10)
/** Where a resource has its frame; undefined where there are none. */
const probe = new AsyncResource(TYPE)
const FRAME = Object.getOwnPropertySymbols(probe).find(({ description }) => description === 'context_frame')
probe.emitDestroy()
const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`
/** Whether contexts are frames, which a resource gives for the time of a call, or stores that resources have. */
const framed =
  FRAME !== undefined &&
  (major >= 24 ? !flags.includes('--no-async-context-frame') : flags.includes('--experimental-async-context-frame'))

/** A probe is never run in, so nobody asks what triggered it; a number is read faster than options, or none. */
const TRIGGER = 0

/** Async hooks have been seen in use, which they mostly go on to be; or whether they are cannot be told. */
let hooked = !ON_NODE || (major >= 24 && FRAME === undefined)
/** A resource that carries nothing, once one was seen. */
let bare: AsyncResource | undefined

/** Whether the caller has a context to keep. */
function isInContext(): boolean {
  if (hooked) return true
  try {
    const resource = new AsyncResource(PROBE, TRIGGER) as unknown as Record<symbol, unknown>
    return FRAME !== undefined && resource[FRAME] !== undefined
  } catch {
    hooked = true
    return true
  }
}

/** The context of the caller; `type` is what async hooks are told. */
export function captureContext(type: string): Context {
  if (isInContext()) return new AsyncResource(type)
  bare ??= new AsyncResource(TYPE)
  return null
}

/**
 * What a callback without a context entered, by `enterWith`: the keys it set on the resource of the turn, where contexts are
 * stores. It is meant for that callback alone, and for what comes of it, which has copied it already.
 */
const entered: PropertyKey[] = []
/** The resource of the turn: all callbacks without a context run in it. */
let turn: object | undefined

/** What the resource of the turn inherits from: a set of what it does not have comes by here. */
const watched = new Proxy(Object.prototype, {
  set(_, key, value, resource) {
    entered.push(key)
    return Reflect.defineProperty(resource, key, { value, writable: true, enumerable: true, configurable: true })
  },
})

function leave(): void {
  for (const key of entered) Reflect.deleteProperty(turn as object, key)
  entered.length = 0
}

type Callback = (...args: unknown[]) => void

/** Calls on something, without arguments. */
const callOn = Function.prototype.call.bind(Function.prototype.call) as (callback: Callback, self: unknown) => void

/** Calls `callback`. What it throws is reported while its context is still that of the call: handlers of `uncaughtException` ask for it. */
function call(callback: Callback, self: unknown, args: unknown[] | null): void {
  try {
    // Not by a method of the callback's: it may be a proxy, or have one of its own.
    if (args === null) callOn(callback, self)
    else Reflect.apply(callback, self, args)
  } catch (error) {
    theReactor().reportInTurn(error)
    throw error
  }
}

/** Calls `callback` in its context, from a turn of the reactor. */
export function runInContext(context: Context, callback: Callback, self: unknown, args: unknown[] | null): void {
  const resource = context ?? (framed ? (bare as AsyncResource) : null)
  if (resource !== null) {
    resource.runInAsyncScope(call, undefined, callback, self, args)
    return
  }
  turn ??= Object.setPrototypeOf(executionAsyncResource(), watched) as object
  try {
    call(callback, self, args)
  } finally {
    if (entered.length !== 0) leave()
  }
}

/** As {@link runInContext}, from anywhere: what the callback enters by `enterWith` is its own resource's. */
export function runElsewhere(context: Context, callback: Callback, args: unknown[]): void {
  const resource = context ?? (bare as AsyncResource).runInAsyncScope(() => new AsyncResource(TYPE))
  resource.runInAsyncScope(() => {
    try {
      callback(...args)
    } catch (error) {
      theReactor().report(error)
    }
  })
}
