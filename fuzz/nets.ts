/**
 * `Async`, its iterators and streams, and all of `asyncfd/net`. Nothing leaves this host: addresses are of loopback, the folder, or
 * abstract names.
 *
 * @module
 */
import { closeSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { inspect } from 'node:util'
import * as asyncfd from 'asyncfd'
import * as net from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { Thrown } from './coverage.js'
import { forget, isOwn, own } from './fds.js'
import type { Callable, Op } from './op.js'
import { below, chance, pick } from './random.js'
import {
  aView,
  disturbed,
  fd,
  fdSource,
  inetAddress,
  junk,
  knowPort,
  LOOPBACK,
  num,
  odd,
  only,
  rawAddress,
  unixName,
} from './values.js'
import { closure, follow, hold, signal, waitOptions } from './waiting.js'

type Made = Record<string, Callable> & { readonly fd: number; readonly closed: boolean; destroy(): void }

// What is held. An object that has no place any more is ended; whatever waits for it ends with it.

const MOST = 40
const objects: Made[] = []
const halves: Record<string, Callable>[] = []
const iterators: AsyncIterator<unknown>[] = []
const streams: Duplex[] = []
const webs: unknown[] = []
/** Those that were closed: Node 20 asserts that nobody writes to such a one. A stream gives its own again. */
const over = new WeakSet<object>()
/** What listens or is bound, and can be connected or sent to. */
const addresses: unknown[] = []

function keep(made: unknown): void {
  if (typeof made !== 'object' || made === null || !('destroy' in made)) return
  const one = made as Made
  if (objects.length < MOST) objects.push(one)
  else {
    const at = below(MOST)
    objects[at]!.destroy()
    objects[at] = one
  }
  if (chance(0.3)) noteAddress(one)
}

function noteAddress(one: Made): void {
  try {
    const address = (one as unknown as { localAddress: { port?: number } }).localAddress
    if (address.port !== undefined) knowPort(address.port)
    hold(addresses, address)
  } catch {
    // An Async has none, what is closed neither.
  }
}

function keepStream(stream: unknown): void {
  const made = stream as Duplex
  made.on('error', () => {})
  if (streams.length < MOST) streams.push(made)
  else {
    const at = below(MOST)
    streams[at]!.destroy()
    streams[at] = made
  }
}

// Arguments

/** Options of a wait, or none at all: what it waits for is held, and ended in the end. */
const limits = (): unknown[] => (chance(0.4) ? [] : [waitOptions()])

const choose = <T>(...given: T[]): T => pick(given)
const yes = () => (chance(0.9) ? chance(0.5) : junk())

function inet(): unknown {
  if (addresses.length > 0 && chance(0.4)) return pick(addresses)
  const { address, port } = inetAddress()
  return pick<() => unknown>([
    () => ({ address, port }),
    () => ({ host: address, port }),
    () => ({ address, port, family: choose(4, 6, 'IPv4', 'IPv6', 5, junk()) }),
    () => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`),
    () => ({ host: 'localhost', port: chance(0.9) ? port : odd() }),
    () => ({
      get address() {
        disturbed()
        return address
      },
      port,
    }),
    () => choose<unknown>('', ':', '::1:80', '[::1]', '127.0.0.1', '127.0.0.1:99999', '[x]:1', '127.0.0.1:-1', 'x'.repeat(300)),
    junk,
  ])()
}

function unix(): unknown {
  return pick<() => unknown>([
    unixName,
    unixName,
    () => ({ path: unixName() }),
    () => (addresses.length > 0 ? pick(addresses) : ''),
    () => `${unixName()}\0x`,
    junk,
  ])()
}

/** Names are looked up by this, or by Node's own where they are `localhost`. */
function lookup(): unknown {
  if (chance(0.1)) return junk()
  return (_host: string, _options: unknown, callback: (error: unknown, found?: unknown) => void) => {
    if (chance(0.1)) throw new Thrown('a lookup')
    const answer = () => {
      if (chance(0.1)) callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))
      else if (below(10) === 0) callback(new Thrown('a lookup'))
      else
        callback(
          null,
          Array.from({ length: 1 + below(3) }, () => ({
            address: choose(LOOPBACK, '::1', '127.0.0.2'),
            family: 4 + 2 * below(2),
          })),
        )
    }
    if (chance(0.5)) answer()
    else setImmediate(answer)
  }
}

/** Always with an end: what connects is not held yet. */
const ending = () => ({ ...waitOptions(false), timeout: choose(0, 1, 20) })

const streamOptions = () =>
  choose(
    [],
    [{ autoClose: chance(0.9) ? chance(0.7) : junk() }],
    [{ highWaterMark: num(0, 1, 16, 65536), signal: chance(0.8) ? signal() : junk() }],
    [{ encoding: choose('utf8', 'latin1', 'x', '') }],
    [choose<unknown>(null, 1, 'x', [], {})], // Node's own streams look at the rest
  )

const buffer = () => (chance(0.95) ? aView() : junk())
const transfer = () => [buffer(), ...limits()]

// Operations

interface Method {
  weight?: number
  args?: () => unknown[]
  /** Looks at what it returned. */
  keep?: (result: unknown) => void
  /** Looks at what its promise resolved with. */
  resolved?: (value: unknown) => void
  exact?: boolean
}

const received = (value: unknown): void => {
  for (const number of (value as { fds?: number[] }).fds ?? []) own(number, 'other')
}
const given = (inner: unknown): void => {
  if (typeof inner === 'number') own(inner, 'other')
}
const both = (made: unknown): void => {
  for (const one of made as unknown[]) keep(one)
}

/** All that can be asked of an object of this layer, by the name of the method. */
const methods: Record<string, Method> = {
  read: { weight: 4, args: transfer },
  write: { weight: 4, args: transfer },
  writeAll: { weight: 3, args: transfer },
  readable: { args: limits },
  writable: { args: limits },
  readWith: { args: () => [closure(), ...limits()] },
  writeWith: { args: () => [closure(), ...limits()] },
  peek: { args: transfer },
  chunks: {
    weight: 2,
    args: () =>
      choose([], [{ size: num(1, 100, 65536), lend: yes(), ...(waitOptions(false) as object) }], [{ lend: true }], [junk()]),
    keep: (made) => hold(iterators, made as AsyncIterator<unknown>, MOST),
  },
  lines: {
    args: () =>
      choose<unknown[]>(
        [],
        [
          {
            delimiter: choose<unknown>('\n', '\r\n', 'x', '', '\0\0', junk()),
            maxLength: num(1, 100),
            encoding: choose<unknown>('utf8', 'latin1', 'hex', 'klingon', junk()),
            ...(waitOptions(false) as object),
          },
        ],
        [junk()],
      ),
    keep: (made) => hold(iterators, made as AsyncIterator<unknown>, MOST),
  },
  toReadable: { exact: true, args: streamOptions, keep: keepStream },
  toWritable: { exact: true, args: streamOptions, keep: keepStream },
  toDuplex: { exact: true, args: streamOptions, keep: keepStream },
  setTimeouts: {
    args: () => [
      chance(0.9)
        ? { [choose('read', 'write', 'idle', 'total', 'tea')]: num(0, 1, 50, Infinity), idle: choose(undefined, 20, 1000) }
        : junk(),
    ],
  },
  intoInner: { weight: 0.3, keep: given },
  close: { weight: 0.5 },
  destroy: { weight: 0.5 },
  ref: { weight: 0.5 },
  unref: { weight: 0.5 },
  hasRef: { weight: 0.5 },
  split: {
    keep: (pair) => {
      for (const half of pair as Record<string, Callable>[]) hold(halves, half)
    },
  },
  shutdown: { weight: 0.5, args: () => choose([], [choose<unknown>('read', 'write', 'both', 'x', 0, junk())]) },
  setNoDelay: { args: () => choose([], [yes()]) },
  setKeepAlive: { args: () => choose([], [yes(), num(0, 1000)]) },
  // Closing would wait for so long.
  setLinger: { exact: true, args: () => [only(0, 0, Number.NaN, -1) || choose(null, 0)] },
  setUserTimeout: { args: () => [num(0, 1000)] },
  setTtl: { args: () => [num(1, 64, 255)] },
  takeError: {},
  intoSocket: { weight: 0.3, keep: keepStream },
  accept: { weight: 3, args: limits, resolved: keep },
  incoming: { args: limits, keep: (made) => hold(iterators, made as AsyncIterator<unknown>, MOST) },
  // Binding and connecting of datagram sockets.
  connect: { args: () => [chance(0.5) ? inet() : unix(), ...limits()] },
  send: { weight: 3, args: transfer },
  recv: { weight: 3, args: transfer },
  sendTo: { weight: 3, args: () => [buffer(), pick([inet, unix, rawAddress, junk])(), ...limits()] },
  recvFrom: { weight: 2, args: transfer },
  peekFrom: { args: transfer },
  recvMany: { weight: 2, args: () => choose<unknown[]>([], [{ ...waitOptions(false), max: num(1, 8, 64) }], [junk()]) },
  sendMany: {
    weight: 2,
    args: () => [
      chance(0.95) ? Array.from({ length: below(100) }, () => ({ data: buffer(), address: choose(undefined, inet()) })) : junk(),
      ...limits(),
    ],
  },
  setBroadcast: { args: () => choose([], [yes()]) },
  setMulticastTtl: { args: () => [num(0, 1)] },
  setMulticastLoop: { args: () => choose([], [yes()]) },
  joinMulticast: {
    exact: true,
    args: () => [choose('239.255.0.1', '127.0.0.1', 'x', ''), choose('127.0.0.1', '127.0.0.9', 'x')],
  },
  leaveMulticast: { args: () => [choose('239.255.0.1', '127.0.0.1', 'x', ''), choose('127.0.0.1', 'x', junk())] },
  peerCredentials: {},
  sendFds: {
    weight: 2,
    args: () => [chance(0.9) ? Array.from({ length: below(5) }, () => fdSource()) : junk(), ...choose([], transfer())],
  },
  recvFds: {
    weight: 2,
    args: () => [buffer(), ...choose<unknown[]>([], [{ ...waitOptions(false), maxFds: num(0, 1, 253) }], [junk()])],
    resolved: received,
  },
}

/** The classes whose objects have them, and their names in the coverage. */
const classes: Record<string, { readonly prototype: object }> = {
  Async: asyncfd.Async,
  TcpStream: net.TcpStream,
  TcpListener: net.TcpListener,
  UdpSocket: net.UdpSocket,
  UnixStream: net.UnixStream,
  UnixListener: net.UnixListener,
  UnixDatagram: net.UnixDatagram,
  UnixSeqpacket: net.UnixSeqpacket,
  UnixSeqpacketListener: net.UnixSeqpacketListener,
}

/** Names of what a class has of its own or inherits, but from Object. */
function membersOf(prototype: object, isGetter: boolean): string[] {
  const names = new Set<string>()
  for (let at = prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (name !== 'constructor' && (get !== undefined) === isGetter) names.add(name)
    }
  }
  return [...names]
}

/** Internal to the package: not for users. */
const INTERNAL = new Set(['open', 'take', 'port'])

/** What a class has that no op asks for: a test keeps this empty. */
export const uncoveredMethods = [
  ...Object.entries(classes),
  ['ReadHalf', halfOf(0)] as const,
  ['WriteHalf', halfOf(1)] as const,
].flatMap(([name, { prototype }]) =>
  membersOf(prototype, false)
    .filter((method) => !Object.hasOwn(methods, method) && !INTERNAL.has(method))
    .map((method) => `${name}.${method}`),
)

function halfOf(index: 0 | 1): { prototype: object } {
  const [a, b] = net.UnixStream.pair()
  const half = a.split()[index]
  a.destroy()
  b.destroy()
  return { prototype: Object.getPrototypeOf(half) as object }
}

let self: unknown

/** Mostly one that is open, of those that have the method. */
function anObject(method: string): unknown {
  for (let i = 0; i < 8; i++) {
    const one = objects.length === 0 ? undefined : pick(objects)
    if (one !== undefined && method in one && (!one.closed || chance(0.1))) return one
  }
  return undefined
}

function nameOf(object: unknown): string {
  return Object.entries(classes).find(([, { prototype }]) => Object.getPrototypeOf(object) === prototype)?.[0] ?? 'Half'
}

function call(name: string, method: Method): Op {
  return {
    weight: method.weight ?? 1,
    ...(method.exact === true && { exact: true }),
    args: () => {
      const half = halves.length > 0 && chance(0.1) ? pick(halves) : undefined
      self = half !== undefined && name in half ? half : anObject(name)
      return method.args?.() ?? []
    },
    call: (...given) => {
      const one = self as Record<string, Callable> | undefined
      if (one === undefined) return undefined
      const own = (one as Record<string, Callable>)[name]!
      return Reflect.apply(own, one, given)
    },
    after: (result) => {
      if (result === undefined) return
      if (result instanceof Promise) follow(`Net.${name}`, result, method.resolved)
      else method.keep?.(result)
    },
  }
}

// What makes objects

const bindOptions = () =>
  choose<unknown[]>(
    [],
    [{ backlog: num(0, 1, 16), reuseAddress: yes(), reusePort: yes(), ipv6Only: yes(), mode: num(0o600), unlink: yes() }],
    [{ reusePort: true }],
    [junk()],
  )
const connectOptions = () => [
  {
    ...ending(),
    ...(chance(0.3) && { lookup: lookup() }),
    ...(chance(0.2) && { localAddress: inet() }),
    ...(chance(0.3) && { noDelay: yes(), keepAlive: choose<unknown>(true, 1000, -1, junk()) }),
  },
]

/** A number for an object that owns it from now on: mostly a new one. */
function handed(): unknown {
  const number = fd('stream', 'tcp', 'udp', 'dgram', 'seqpacket', 'listener')
  // 0 is not to be closed.
  return chance(0.9) && number > 2 && isOwn(number)
    ? number
    : choose<unknown>(-1, 1_000_000, 2 ** 31, 0.5, Number.NaN, null, 'x', {})
}

/** Streams leave a descriptor that they cannot take over to the caller, the others close it. */
const closesWhatFails = (name: string): boolean => !(classes[name]!.prototype instanceof asyncfd.Async)

const constructed = (name: string): [string, Op] => [
  `new ${name}`,
  {
    weight: 0.5,
    exact: true,
    args: () => [handed()],
    call: (number) => {
      // Whether it is made or not, the number is not the fuzzer's any more: some constructors that fail close it.
      const mine = typeof number === 'number' && isOwn(number)
      if (mine) forget(number)
      try {
        return Reflect.construct(classes[name] as never, [number]) as unknown
      } catch (error) {
        if (mine && !closesWhatFails(name)) closeSync(number)
        throw error
      }
    },
    after: keep,
  },
]

const made = (name: string, of: object, args: () => unknown[], exact = true): [string, Op] => {
  const [, method] = name.split('.') as [string, string]
  return [
    name,
    {
      exact,
      args,
      call: (...given) => Reflect.apply((of as Record<string, Callable>)[method]!, of, given),
      after: (result) => {
        if (result instanceof Promise) follow(name, result, keep)
        else if (Array.isArray(result)) both(result)
        else keep(result)
      },
    },
  ]
}

/** A duplicate that the fuzzer knows nothing of: closed behind the back of an Async, its number would soon be another's, of Node's even. */
function duplicate(): number {
  try {
    return sys.dup(fd('reader', 'writer', 'stream', 'eventfd', 'master', 'slave', 'tcp', 'dgram'))
  } catch {
    return -1
  }
}

const asyncs: [string, Op] = [
  'new Async',
  {
    weight: 3,
    exact: true,
    args: () => {
      const number = duplicate()
      const inner = pick<() => unknown>([
        () => number,
        () => number,
        () => number,
        () => ({ fd: number, close: () => closeSync(number) }),
        () => ({ fd: number, [Symbol.asyncDispose]: async () => closeSync(number) }),
      ])()
      return [inner, { owned: true, nonblocking: choose<unknown>(undefined, 'set', 'set', 'already', 'x') }, number]
    },
    call: (inner, options, number) => {
      try {
        return Reflect.construct(asyncfd.Async, [inner, options])
      } catch (error) {
        // Nobody took it over.
        if (number !== -1) closeSync(number as number)
        throw error
      }
    },
    after: keep,
  },
]

const badAsyncs: [string, Op] = [
  'new Async of junk',
  {
    weight: 0.3,
    exact: true,
    args: () => [choose<unknown>(junk(), -1, 1_000_000, { fd: junk() }), choose<unknown>(junk(), { owned: junk(), fd: -1 })],
    call: (...args) => Reflect.construct(asyncfd.Async, args),
    after: keep,
  },
]

const something = <T>(from: readonly T[], use: (one: T) => unknown): unknown => (from.length === 0 ? undefined : use(pick(from)))

function pipe(from: Duplex, to: Duplex): unknown {
  return from.readable && to.writable ? from.pipe(to, { end: chance(0.2) }) : undefined
}

export const nets: Record<string, Op> = {
  ...Object.fromEntries(Object.entries(methods).map(([name, method]) => [`Net.${name}`, call(name, method)])),
  ...Object.fromEntries([
    asyncs,
    badAsyncs,
    ...Object.keys(classes)
      .filter((name) => name !== 'Async')
      .map(constructed),
    made('TcpListener.bind', net.TcpListener, () => [inet(), ...bindOptions()]),
    made('TcpStream.connect', net.TcpStream, () => [inet(), ...connectOptions()]),
    made('UdpSocket.bind', net.UdpSocket, () => [inet(), ...bindOptions()]),
    made('UnixListener.bind', net.UnixListener, () => [unix(), ...bindOptions()]),
    made('UnixStream.connect', net.UnixStream, () => [unix(), ending()]),
    made('UnixStream.pair', net.UnixStream, () => []),
    made('UnixDatagram.bind', net.UnixDatagram, () => [unix(), ...bindOptions()]),
    made('UnixDatagram.unbound', net.UnixDatagram, () => []),
    made('UnixDatagram.pair', net.UnixDatagram, () => []),
    made('UnixSeqpacket.connect', net.UnixSeqpacket, () => [unix(), ending()]),
    made('UnixSeqpacket.pair', net.UnixSeqpacket, () => []),
    made('UnixSeqpacketListener.bind', net.UnixSeqpacketListener, () => [unix(), ...bindOptions()]),
  ]),
  lookupHost: {
    weight: 0.2,
    exact: true,
    args: () => [inet()],
    call: net.lookupHost as Callable,
    after: (result) => follow('lookupHost', result),
  },
  'Net getters': {
    args: () => [],
    call: () =>
      something(objects, (one) => {
        const { prototype } = classes[nameOf(one)] ?? { prototype: {} }
        const getters = membersOf(prototype, true).filter((name) => !INTERNAL.has(name))
        const web = Reflect.get(one, pick(getters)) as unknown
        if (typeof web === 'object' && web !== null && /Stream/.test(web.constructor.name)) hold(webs, web)
        return web
      }),
  },
  'Net inspect': { weight: 0.3, args: () => [], call: () => something(objects, (one) => inspect(one)) },
  'Net iterator.next': {
    weight: 4,
    args: () => [],
    call: () => something(iterators, (iterator) => iterator.next()),
    after: (result) =>
      follow('Net iterator.next', result, (next) => {
        keep((next as { value: unknown }).value)
      }),
  },
  'Net iterator.return': {
    weight: 0.5,
    args: () => [],
    call: () => something(iterators, (iterator) => iterator.return?.()),
    after: (result) => follow('Net iterator.return', result),
  },
  'Net stream': {
    weight: 3,
    args: () => [],
    call: () =>
      something(streams, (stream) =>
        pick<() => unknown>([
          () => stream.read?.(),
          () => stream.resume?.(),
          () => stream.pause?.(),
          () => stream.write?.(Buffer.alloc(choose(1, 1000, 100_000))),
          () =>
            stream.writable ? stream.write(choose('', 'text', 'é'.repeat(5000)), choose('utf8', 'latin1', 'hex')) : undefined,
          () => (chance(0.2) ? stream.end?.() : undefined),
          () => (chance(0.2) ? stream.destroy(...(chance(0.5) ? [new Thrown('a destroy')] : [])) : undefined),
          () => pipe(stream, pick(streams)),
        ])(),
      ),
  },
  'Net web stream': {
    weight: 2,
    args: () => [aView()],
    call: (view) =>
      something(webs, (web) => {
        if (web instanceof ReadableStream) {
          if (web.locked) return undefined
          const reader = web.getReader()
          const reading = chance(0.8) ? reader.read() : reader.cancel(new Thrown('a cancel'))
          // Released with what is pending, which then rejects.
          if (chance(0.5)) reader.releaseLock()
          else void reading.then(() => reader.releaseLock()).catch(() => {})
          return reading
        }
        const writable = web as WritableStream<unknown>
        if (writable.locked || over.has(writable)) return undefined
        const writer = writable.getWriter()
        writer.closed.catch(() => {})
        writer.ready.catch(() => {})
        const last = chance(0.15)
        if (last) over.add(writable)
        const writing = !last ? writer.write(view) : chance(0.5) ? writer.close() : writer.abort(new Thrown('an abort'))
        writer.releaseLock()
        return writing
      }),
    after: (result) => follow('Net web stream', result),
  },
}

/** Ends everything that waits. */
export function endNets(): void {
  for (const one of objects) one.destroy()
  for (const stream of streams) stream.destroy()
}
