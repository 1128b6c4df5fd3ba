/**
 * Sockets of Node's with limits: all of `asyncfd/timeouts`, on connections to loopback, to ports that others of the fuzzer listen on, and
 * to nobody.
 *
 * @module
 */
import net from 'node:net'
import tls from 'node:tls'
import { inspect } from 'node:util'
import * as timeouts from 'asyncfd/timeouts'
import { Thrown } from './coverage.js'
import type { Callable, Op } from './op.js'
import { below, chance, pick } from './random.js'
import { inetAddress, junk, LOOPBACK, odd } from './values.js'
import { follow, hold, signal } from './waiting.js'

const MOST = 30
const sockets: net.Socket[] = []
const guards: timeouts.TimeoutGuard[] = []

function keep(made: unknown): void {
  if (!(made instanceof net.Socket)) return
  made.on('error', () => {})
  if (sockets.length < MOST) sockets.push(made)
  else {
    const at = below(MOST)
    sockets[at]!.destroy()
    sockets[at] = made
  }
}

const PHASES = ['lookup', 'connect', 'secureConnect', 'idle', 'socket', 'response', 'read', 'write', 'total']
const limit = () => (chance(0.85) ? pick([0, 0.1, 1, 3, 20, 1e9, Infinity, undefined]) : chance(0.5) ? odd() : junk())

function phases(): unknown {
  if (chance(0.03)) return junk()
  const some = PHASES.filter(() => chance(0.4)).map((name) => [name, limit()])
  return Object.fromEntries(chance(0.03) ? [...some, [pick(['', 'idel', '__proto__', 'constructor']), 1]] : some)
}

/** Limits of what somebody awaits: they end soon, as the process lives for them. */
function soon(): unknown {
  const some = phases()
  try {
    return chance(0.97) ? { ...(some as object), total: pick([0.5, 2, 10]) } : {}
  } catch {
    return some
  }
}

const lookup = (_: unknown, __: unknown, done: unknown): void => {
  const answer = pick<unknown[]>([
    [null, LOOPBACK, 4],
    [null, [{ address: LOOPBACK, family: 4 }, { address: '::1' }]],
    [new Thrown('a lookup')],
  ])
  if (chance(0.1)) throw new Thrown('a lookup')
  if (chance(0.2)) answer[1] = junk()
  setImmediate(() => {
    try {
      ;(done as Callable)(...answer)
    } catch (error) {
      // A connect of Node's own throws at its caller when an address is a symbol.
      if (!/^\s+at emitLookup/m.test((error as Error).stack ?? '')) throw error
    }
  })
}

function target(): Record<string, unknown> {
  const { address, port } = inetAddress()
  const host = chance(0.6) ? (net.isIP(address) === 0 ? LOOPBACK : address) : 'name.invalid'
  return {
    host: chance(0.95) ? host : junk(),
    port: chance(0.95) ? port : junk(),
    // No name is asked of a name server.
    lookup: chance(0.97) ? lookup : lookup.name,
    ...(chance(0.2) && { signal: chance(0.9) ? signal() : junk() }),
    ...(chance(0.1) && { path: chance(0.5) ? '/nowhere/at/all' : junk() }),
    ...(chance(0.1) && { [pick(['family', 'hints', 'localAddress', 'noDelay', 'allowHalfOpen', 'rejectUnauthorized'])]: junk() }),
  }
}

const hang = (): void => {}
const aSocket = (): unknown => (sockets.length > 0 && chance(0.97) ? pick(sockets) : junk())
const made = (name: string) => (result: unknown) => follow(name, result, keep)

/** What is called on a socket in between. */
const DEEDS: ((socket: net.Socket) => unknown)[] = [
  (socket) => socket.write(Buffer.alloc(below(100))),
  (socket) => socket.write(Buffer.alloc(pick([1, 1000, 3_000_000]))),
  (socket) => socket.resume(),
  (socket) => socket.pause(),
  (socket) => socket.read(),
  (socket) => socket.cork(),
  (socket) => socket.uncork(),
  (socket) => socket.setTimeout(below(3)),
  (socket) => socket.removeAllListeners().on('error', () => {}),
  (socket) => (chance(0.2) ? socket.end() : undefined),
  (socket) => (chance(0.2) ? socket.destroy(chance(0.5) ? new Thrown('a destroy') : undefined) : undefined),
  (socket) => (chance(0.2) ? keep(tls.connect({ socket, rejectUnauthorized: false })) : undefined),
]

export const limits: Record<string, Op> = {
  'new Socket': {
    args: () => [],
    call: () => (chance(0.3) ? new net.Socket() : net.connect({ ...inetAddress(), host: LOOPBACK } as net.NetConnectOpts)),
    after: keep,
  },
  'Socket in use': { weight: 4, args: () => [], call: () => (sockets.length === 0 ? undefined : pick(DEEDS)(pick(sockets))) },
  withTimeouts: {
    weight: 3,
    args: () => [aSocket(), phases()],
    call: timeouts.withTimeouts as Callable,
    after: (guard) => hold(guards, guard as timeouts.TimeoutGuard),
  },
  'TimeoutGuard.update': {
    args: () => [phases()],
    call: (...args) => (guards.length === 0 ? undefined : (pick(guards).update as Callable).apply(pick(guards), args)),
  },
  'TimeoutGuard in use': {
    args: () => [],
    call: () => {
      if (guards.length === 0) return undefined
      const guard = pick(guards)
      if (chance(0.3)) guard[Symbol.dispose]()
      return chance(0.5) ? guard.phases : inspect(guard)
    },
  },
  connect: { weight: 2, args: () => [target(), soon()], call: timeouts.connect as Callable, after: made('connect') },
  connectTls: {
    args: () => [{ ...target(), ...(chance(0.3) && { socket: aSocket() }) }, soon()],
    call: timeouts.connectTls as Callable,
    after: made('connectTls'),
  },
  createConnection: {
    args: () => [phases()],
    call: (...args) => {
      const create = Reflect.apply(timeouts.createConnection, undefined, args as [timeouts.Phases])
      // What it hands on to Node is Node's to refuse.
      const { address: host, port } = inetAddress()
      const sane = { host, port, lookup: hang }
      return Reflect.apply(create, chance(0.1) ? junk() : undefined, [
        chance(0.95) ? sane : pick([null, undefined, 1, 'x']),
        chance(0.5) ? () => {} : undefined,
      ])
    },
    after: keep,
  },
  undiciConnector: {
    args: () => [soon(), ...(chance(0.3) ? [chance(0.8) ? { lookup, allowH2: chance(0.5) } : junk()] : [{ lookup }])],
    call: (...args) => {
      const connector = Reflect.apply(timeouts.undiciConnector, undefined, args as [timeouts.Phases])
      const { port } = inetAddress()
      const to = { hostname: LOOPBACK, protocol: pick(['http:', 'https:']), port: String(port) }
      connector(to, (_, socket) => keep(socket))
    },
  },
  pgStream: {
    args: () => [phases()],
    call: (...args) =>
      Reflect.apply(Reflect.apply(timeouts.pgStream, undefined, args as [timeouts.Phases]), chance(0.2) ? junk() : undefined, []),
    after: keep,
  },
  setUserTimeout: { args: () => [aSocket(), chance(0.7) ? below(100_000) : odd()], call: timeouts.setUserTimeout as Callable },
}

/** Functions of `asyncfd/timeouts` that are not called. */
export const uncoveredFunctions = Object.entries(timeouts)
  .filter(([name, value]) => typeof value === 'function' && !/^[A-Z]/.test(name) && !(name in limits))
  .map(([name]) => name)

/** Ends everything that waits. */
export function endLimits(): void {
  for (const socket of sockets) socket.destroy()
}
