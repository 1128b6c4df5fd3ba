/**
 * Real clients with limits, on stopped time: each works, and a peer that stalls in a phase is told with the phase's name.
 */

import dns from 'node:dns'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { reactor, TimeoutError } from 'asyncfd'
import type { Phases } from 'asyncfd/timeouts'
import type { ExecutionContext, TestFn } from 'ava'
import { onStoppedTime, pass, turns, watch } from './clock.js'
import test from './test.js'

type T = ExecutionContext<unknown>

/** The limit of whatever is to expire, in milliseconds of stopped time. */
export const LIMIT = 100
/** Time passes in steps of this, and a limit is found exceeded in one of them. */
const STEP = 2
/** Steps until a client has to be in the phase that stalls: connections and handshakes take turns of the loop, and no stopped time. */
const PATIENCE = 5000

/** The `TimeoutError` in an error of a client: itself, or what caused it. */
export function timeoutIn(error: unknown): TimeoutError | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof TimeoutError) return at
  return undefined
}

/**
 * Lets time pass until `work` has failed by the limit of `phase`, which is {@link LIMIT}, and not before. `each` is called at every
 * step, for peers that do something.
 *
 * @returns what the client made of it
 */
export async function expires(
  t: T,
  work: PromiseLike<unknown>,
  phase: keyof Phases,
  each: () => void = () => {},
): Promise<Error> {
  const watched = watch(work)
  const steps = (LIMIT - STEP) / STEP
  for (let step = 0; step < steps; step++) {
    each()
    await pass(STEP, STEP)
  }
  t.is(watched.state, 'pending', `${phase}: not before its time; ${watched.error}`)
  for (let step = 0; step < PATIENCE && watched.state === 'pending'; step++) {
    each()
    await pass(STEP, STEP)
  }
  t.is(watched.state, 'rejected', `${phase} has to expire`)
  const error = timeoutIn(watched.error)
  if (error === undefined) throw watched.error
  t.like(error, { name: 'TimeoutError', phase, timeout: LIMIT })
  // Some clients put their own code in its place.
  t.is((error as { originalCode?: string }).originalCode ?? error.code, 'ETIMEDOUT')
  t.true(error.elapsed >= LIMIT && error.elapsed <= LIMIT * 1.1 + 2 * STEP, `${phase}: ${error.elapsed}`)
  return watched.error as Error
}

/** `onStoppedTime`, or what skips and says why. */
export const onStoppedTimeUnless = (why: string | null): typeof onStoppedTime =>
  why === null ? onStoppedTime : (title) => test.skip(`${title} (${why})`, () => {})

const ON_DENO = 'deno' in process.versions

/** Whether a write waits until the kernel takes it: TLS of Deno's takes all at once, and no limit sees a peer that reads nothing. */
export const writesWait = (secure: boolean): boolean => !(secure && ON_DENO)

/** How often the runtime's http asks again by itself, on a new connection, when one that was kept alive fails. */
export const HTTP_RETRIES = ON_DENO ? 1 : 0

/**
 * A resolver that never answers, for clients that do not take one: as long as the test runs.
 *
 * @returns false where the runtime has one of its own, which nobody can replace
 */
export function silentResolver(t: T): boolean {
  if (ON_DENO) return false
  const { lookup } = dns
  dns.lookup = Object.assign(() => {}, lookup)
  t.teardown(() => {
    dns.lookup = lookup
  })
  return true
}

/** Lets ten limits go by in which nothing may happen. */
export const tenLimits = (): Promise<void> => pass(10 * LIMIT, 10)

/** Waits for something that takes turns of the loop and no stopped time. */
export async function until(what: () => unknown): Promise<void> {
  const limit = performance.now() + 30_000
  while (!what()) {
    if (performance.now() > limit) throw new Error(`did not come to be: ${what}`)
    await turns(1)
  }
}

/** What limits have to do with a socket that nobody else has. */
const EVENTS = ['lookup', 'connectionAttempt', 'connectionAttemptFailed']

/** How many limits still hear what a socket does, at its own methods. Those stay on a socket that is over, and tell nobody. */
function hearers(socket: Socket): number {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'asyncfd.heard')
  return key === undefined ? 0 : (Reflect.get(socket, key) as { hearers: unknown[] }).hearers.length
}

/** What limits have left on a socket: nothing, once they are over. */
const leftOn = (socket: Socket): string[] => [
  ...(hearers(socket) > 0 ? ['hearers'] : []),
  ...EVENTS.filter((name) => socket.listenerCount(name) > 0),
  ...(Object.getOwnPropertyDescriptor(socket, '_parent')?.get === undefined ? [] : ['_parent']),
]

/** Waits until a socket has closed, and sees that limits have left nothing on it. */
export async function gone(t: T, socket: Socket): Promise<void> {
  await until(() => socket.closed)
  await turns() // `closed` is true before 'close' is told
  t.deepEqual(leftOn(socket), [])
}

/** Fails the file if its clients leave sockets, timers or pending waits behind. */
export function nothingLeft(test: TestFn): void {
  // Deno counts sockets for longer than they live.
  const sockets = () =>
    (ON_DENO ? [] : (process.getActiveResourcesInfo?.() ?? [])).filter((name) => /^(TCP|Pipe|TLS).*Wrap$/.test(name)).length
  const before = sockets()
  test.after.always('no socket, no timer and no wait is left', async (t) => {
    await until(() => sockets() <= before && reactor.metrics().timers === 0)
    const { registered, refs, timers } = reactor.metrics()
    t.deepEqual({ registered, refs, timers }, { registered: 0, refs: 0, timers: 0 })
  })
}

/** A web server that reads no body of a request, goes silent half-way through its answer, or drips at `/drip`. */
export function halfWay(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'POST') {
    request.pause()
    return
  }
  response.writeHead(200, { 'content-length': 1000 })
  response.write('half')
  if (request.url !== '/drip') return
  const drip = setInterval(() => response.write('x'), 1)
  response.on('close', () => clearInterval(drip))
}
