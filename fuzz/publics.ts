/**
 * The public layer: `asyncfd/sys`, and everything an `AsyncFd`, its guards, subscriptions and wakers can be asked for.
 *
 * @module
 */
import * as asyncfd from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { Thrown } from './coverage.js'
import { anFd, close, forget, isOwn, type Kind, own, review } from './fds.js'
import type { Callable, Op } from './op.js'
import { below, chance, pick } from './random.js'
import {
  aLength,
  anOffset,
  aPath,
  aView,
  disturbed,
  fd,
  fdSource,
  fdToClose,
  inetAddress,
  junk,
  num,
  odd,
  only,
  rawAddress,
  someViews,
  unixName,
} from './values.js'
import { aborts, closure, failLater, follow, hold, signal, waitOptions } from './waiting.js'

const { AsyncFd, Interest, Ready, WouldBlock } = asyncfd
type Fd = asyncfd.AsyncFd<unknown>
type Guard = asyncfd.AsyncFdReadyGuard<unknown>

// asyncfd/sys

function part(): unknown[] {
  const view = aView()
  const offset = anOffset(view)
  return [view, offset, aLength(view, offset)].slice(0, 1 + below(3))
}

const SOCKETS: Kind[] = ['stream', 'dgram', 'seqpacket', 'tcp', 'udp', 'listener']
const TERMINALS: Kind[] = ['master', 'slave']
const flags = () => num(0, 0, 0, 2, 0x40)

function address(): unknown {
  const choice = below(12)
  if (choice < 6) {
    const inet = inetAddress()
    if (chance(0.1)) inet[pick(['port', 'family', 'flowInfo', 'scopeId'])] = chance(0.5) ? odd() : junk()
    if (chance(0.1)) Object.defineProperty(inet, 'flowInfo', { get: disturbed })
    return inet
  }
  if (choice < 9) return { path: unixName() }
  return choice < 11 ? rawAddress() : junk()
}

const kept =
  (kind: Kind) =>
  (result: unknown): void => {
    if (typeof result === 'number') own(result, kind)
  }
const keptPair =
  (a: Kind, b: Kind) =>
  (result: unknown): void => {
    const [first, second] = result as [number, number]
    own(first, a)
    own(second, b)
  }

const numberOf = (source: unknown) => (typeof source === 'number' ? source : ((source as { fd?: unknown } | null)?.fd as number))

function termios(): unknown {
  const field = () => (chance(0.95) ? num(0, 0o17, 0xbf) : junk())
  const cc = chance(0.9) ? new Uint8Array(below(66)) : junk()
  return chance(0.95)
    ? { iflag: field(), oflag: field(), cflag: field(), lflag: field(), ispeed: num(9600), ospeed: num(9600), cc }
    : junk()
}

function list<T>(most: number, make: () => T): unknown {
  return chance(0.05) ? junk() : Array.from({ length: below(most) }, () => (chance(0.03) ? junk() : make()))
}

const options = (make: () => Record<string, unknown>): unknown[] => (chance(0.3) ? [] : chance(0.05) ? [junk()] : [make()])

/** Of rights only own ones: a duplicate of Node's would come back. */
function controlMessage(): unknown {
  if (chance(0.3)) return { level: 1, type: 1, data: Int32Array.of(anFd()) }
  return { level: pick([0, 1, 41, -1, 0.5]), type: pick([2, 8, 50]), data: chance(0.9) ? aView() : junk() }
}

const watched: Record<string, Op> = {
  accept: { args: () => [fdSource('listener')], after: kept('tcp') },
  acceptFrom: {
    args: () => [fdSource('listener')],
    after: (result) => {
      if (result !== WouldBlock) own((result as { fd: number }).fd, 'tcp')
    },
  },
  bind: { args: () => [fdSource('tcp', 'udp', 'dgram', 'stream'), address()] },
  close: {
    args: () => [chance(0.8) ? fdToClose() : { fd: fdToClose() }],
    after: (_, [source]) => forget(numberOf(source)),
  },
  connect: { args: () => [fdSource('tcp', 'udp', 'dgram', 'stream'), address()] },
  dup: { args: () => [fdSource()], after: kept('other') },
  eventfd: {
    args: () => [num(0, 1), ...options(() => ({ semaphore: pick([true, false, undefined, 1]) }))],
    after: kept('eventfd'),
  },
  getSocketOption: { args: () => [fdSource(...SOCKETS), num(1), num(3, 4, 7, 8), num(4, 0, 64)].slice(0, 3 + below(2)) },
  getWinsize: { args: () => [fdSource(...TERMINALS)] },
  inotify: { args: () => [], after: kept('inotify') },
  inotifyAddWatch: { args: () => [fdSource('inotify'), aPath(), num(0xfff, 2)] },
  inotifyRemoveWatch: { args: () => [fdSource('inotify'), num(1, 2)] },
  ioctl: {
    weight: 2,
    args: () =>
      [
        fdSource(...TERMINALS, 'stream', 'reader'),
        only(0x5413, 0x541b, 0x5401, 0x5411, 0x80045430, 0x8905, -1, 0.5),
        chance(0.6) ? aView() : num(0, 1),
      ].slice(0, 2 + below(2)),
  },
  isNonblocking: { args: () => [fdSource()] },
  listen: { args: () => [fdSource('tcp', 'stream'), num(0, 10)] },
  localAddress: { args: () => [fdSource(...SOCKETS)] },
  makeRaw: { args: () => [termios()] },
  mkfifo: { args: () => [chance(0.5) ? aPath() : Buffer.from(aPath()), num(0o600)] },
  open: {
    weight: 2,
    args: () => [chance(0.5) ? aPath() : Buffer.from(aPath()), num(0, 1, 2, 0o102, 0o1101), num(0o600)],
    after: kept('file'),
  },
  openpty: {
    args: () => options(() => ({ cols: num(80), rows: num(24) })),
    after: (result) => {
      const { master, slave } = result as { master: number; slave: number }
      keptPair('master', 'slave')([master, slave])
    },
  },
  parseInotify: { args: () => [aView(), ...options(() => ({ encoding: pick(['utf8', 'buffer', 'x', undefined]) }))] },
  pidfdOpen: { args: () => [only(process.pid, process.pid, 0, -1, 0.5, 4194305, Number.NaN)], after: kept('pidfd') },
  pidfdSendSignal: { args: () => [fdSource('pidfd'), only(0, 0, -1, 65, 0.5, Number.NaN)] },
  pipe: { weight: 2, args: () => [], after: keptPair('reader', 'writer') },
  poll: { exact: true, args: () => [list(8, () => ({ fd: fdSource(), events: num(1, 4) })), pick([0, 0.5, 1, 5e-324, -0])] },
  read: { weight: 4, args: () => [fdSource('reader', 'stream', 'eventfd', 'master', 'tcp'), ...part()] },
  readv: { weight: 2, args: () => [fdSource('reader', 'stream'), someViews()] },
  recv: { weight: 3, args: () => [fdSource(...SOCKETS), aView(), 0, undefined, flags()].slice(0, 2 + below(4)) },
  recvFrom: { weight: 2, args: () => [fdSource('dgram', 'udp'), ...part()] },
  recvMany: { weight: 2, args: () => [fdSource('dgram', 'udp'), num(1, 8, 64)].slice(0, 1 + below(2)) },
  recvMsg: {
    weight: 3,
    args: () => [
      fdSource('dgram', 'stream', 'seqpacket'),
      someViews(),
      ...options(() => ({ maxFds: num(0, 4, 253), controlLength: num(0, 64, 4096), flags: flags() })),
    ],
    after: (result) => {
      if (result !== WouldBlock) for (const received of (result as { fds: number[] }).fds) own(received, 'other')
    },
  },
  remoteAddress: { args: () => [fdSource(...SOCKETS)] },
  send: { weight: 3, args: () => [fdSource(...SOCKETS), aView(), 0, undefined, flags()].slice(0, 2 + below(4)) },
  sendMany: {
    weight: 2,
    args: () => [fdSource('dgram', 'udp'), list(8, () => ({ data: aView(), address: chance(0.6) ? undefined : address() }))],
  },
  sendMsg: {
    weight: 3,
    args: () => [
      fdSource('dgram', 'stream', 'seqpacket'),
      someViews(),
      ...options(() => ({
        fds: list(5, fdSource),
        control: list(3, controlMessage),
        ...(chance(0.2) && { address: address() }),
        flags: flags(),
      })),
    ],
  },
  sendTo: { weight: 2, args: () => [fdSource('dgram', 'udp'), aView(), address(), flags()] },
  setNonblocking: { exact: true, args: () => [fdSource(), ...(chance(0.9) ? [true] : [junk() || undefined])] },
  setSocketOption: {
    args: () => [
      fdSource(...SOCKETS),
      only(1, 1, 1, -1),
      only(2, 6, 7, 8, 15, 16, 29),
      pick([() => num(0, 1, 4096), () => true, aView])(),
    ],
  },
  setTimerfd: {
    args: () => [
      fdSource('timerfd'),
      chance(0.95) ? { value: num(0, 0.0001, 1), interval: num(0, 1), absolute: chance(0.2), cancelOnSet: chance(0.2) } : junk(),
    ],
  },
  setWinsize: { args: () => [fdSource(...TERMINALS), chance(0.95) ? { cols: num(80), rows: num(24), width: num(0) } : junk()] },
  shutdown: { weight: 0.3, args: () => [fdSource(...SOCKETS), num(0, 1, 2)] },
  socket: {
    args: () => [only(1, 1, 2, 2, 10, -1, 0.5), only(1, 1, 2, 2, 77, -1), only(0, 0, 6, -1)].slice(0, 2 + below(2)),
    after: kept('other'),
  },
  socketpair: { weight: 2, args: () => [only(1, 1, 1, -1), only(1, 2, 5), 0], after: keptPair('stream', 'stream') },
  tcgetattr: { args: () => [fdSource(...TERMINALS)] },
  tcsetattr: { args: () => [fdSource(...TERMINALS), termios(), pick(['now', 'drain', 'flush', 'x', undefined])] },
  timerfd: { args: () => [pick(['monotonic', 'realtime', 'boottime', 'x', undefined, 'toString'])], after: kept('timerfd') },
  write: { weight: 4, args: () => [fdSource('writer', 'stream', 'eventfd', 'master', 'slave', 'tcp'), ...part()] },
  writev: { weight: 2, args: () => [fdSource('writer', 'stream'), someViews()] },
}

/** The functions of `asyncfd/sys` that no op calls: a test keeps this empty. */
export const uncovered = Object.entries(sys)
  .filter(([name, value]) => typeof value === 'function' && !/^[A-Z]/.test(name) && !Object.hasOwn(watched, name))
  .map(([name]) => name)

const owners: sys.OwnedFd[] = []
const anOwner = () => (owners.length === 0 ? undefined : pick(owners))

/** A descriptor for an OwnedFd, or -1. */
function dupOf(number: number): number {
  try {
    return own(sys.dup(number), 'other')
  } catch {
    return -1
  }
}

const ownedFds: Record<string, Op> = {
  'sys.OwnedFd': {
    args: () => [chance(0.8) ? dupOf(anFd()) : junk()],
    call: (...args) => Reflect.construct(sys.OwnedFd, args),
    after: (owner) => hold(owners, owner as sys.OwnedFd),
  },
  'sys.OwnedFd.close': {
    args: () => [],
    call: () => {
      const owner = anOwner()
      // Its number may be another's by now, of Node's even.
      if (owner === undefined || !isOwn(owner.fd)) return
      forget(owner.fd)
      return owner.close()
    },
  },
  'sys.OwnedFd.take': { args: () => [], call: () => anOwner()?.take() },
  'sys.OwnedFd.closed': { weight: 0.2, args: () => [], call: () => anOwner()?.closed },
}

const sysOps = Object.fromEntries(
  Object.entries(watched).map(([name, op]) => [
    `sys.${name}`,
    { ...op, call: (sys as unknown as Record<string, Callable>)[name]! },
  ]),
)

// AsyncFd

const MOST = 64
const fds: Fd[] = []
const guards: Guard[] = []
const disposables: Disposable[] = []
const iterators: AsyncIterableIterator<Guard>[] = []

function add(made: Fd): void {
  if (fds.length < MOST) {
    fds.push(made)
    return
  }
  const at = below(MOST)
  const old = fds[at]!
  fds[at] = made
  // A few are left to the garbage collector; what is pending on them must not keep the child alive.
  if (chance(0.1)) old.unref()
  else closeOne(old)
}

function closeOne(one: Fd): void {
  const { inner } = one
  one.close()
  if (typeof inner === 'number') review(inner)
}

const interest = () => num(1, 2, 3, 3, 3, 16, 32, 51, 0, 4)
/** For a wait: mostly part of what was registered. */
const asked = () => (chance(0.7) ? ((self as Fd | undefined)?.interest ?? 1) : interest())

function listener(): unknown {
  if (chance(0.02)) return junk()
  return (guard?: Guard | null) => {
    if (guard) hold(guards, guard)
    if (chance(0.3)) disturbed()
    if (guard && chance(0.7)) guard.clearReady()
    failLater()
    if (chance(0.03)) throw new Thrown('a listener')
  }
}

const keepGuard = (value: unknown): void => {
  if (value instanceof asyncfd.AsyncFdReadyGuard) hold(guards, value as Guard)
}

let self: unknown

/** Mostly one that is open. */
function anAsyncFd(): Fd | undefined {
  for (let i = 0; i < 4; i++) {
    const one = fds.length === 0 ? undefined : pick(fds)
    if (one === undefined || !one.closed || chance(0.1)) return one
  }
  return pick(fds)
}

function method(name: keyof Fd & string, args: () => unknown[] = () => [], after?: Op['after']): [string, Op] {
  const full = `AsyncFd.${name}`
  return [
    full,
    {
      args: () => {
        self = anAsyncFd()
        return args()
      },
      call: (...given) => {
        const one = chance(0.005) ? {} : self
        if (one === undefined) return undefined
        const own = (AsyncFd.prototype as unknown as Record<string, Callable>)[name]!
        return Reflect.apply(own, one, given)
      },
      after: (result, given) => {
        follow(full, result, keepGuard)
        after?.(result, given)
      },
    },
  ]
}

function exactly([name, op]: [string, Op]): [string, Op] {
  return [name, { ...op, exact: true }]
}

function getter(prototype: object, prefix: string, from: () => unknown, name: string): [string, Op] {
  return [
    `${prefix}.${name}`,
    {
      weight: 0.2,
      args: () => [],
      call: () => {
        const object = from()
        return object === undefined ? undefined : (Reflect.get(prototype, name, object) as unknown)
      },
    },
  ]
}

const aGuard = (): Guard | undefined => (guards.length === 0 ? undefined : pick(guards))

function guardMethod(name: keyof Guard & string, args: () => unknown[] = () => []): [string, Op] {
  return [
    `Guard.${name}`,
    {
      args,
      call: (...given) => {
        const guard = aGuard()
        return guard === undefined ? undefined : Reflect.apply(guard[name] as Callable, guard, given)
      },
    },
  ]
}

/** Inner objects: with an fd that stays, that changes, that throws; with ends of their own. */
function inner(number: number): unknown {
  return pick<() => unknown>([
    () => number,
    () => number,
    () => number,
    () => ({ fd: number }),
    () => ({ fd: number, close: () => close(number) }),
    () => ({
      fd: number,
      [Symbol.dispose]: () => {
        disturbed()
      },
    }),
    () => ({
      get fd() {
        if (chance(0.1)) disturbed()
        return chance(0.95) ? number : number + 1
      },
    }),
    () => ({ fd: number, close: () => Promise.reject(new Thrown('a close')).catch(() => {}) }),
    () => fdSource(),
    () => ({}),
  ])()
}

function asyncFdOptions(number: number): unknown {
  const owned = isOwn(number) && chance(0.3)
  return {
    ...(chance(0.6) && { interest: interest() }),
    ...(chance(0.3) && { trigger: pick(['edge', 'level', 'level', 'x', undefined]) }),
    ...(chance(0.3) && { nonblocking: pick(['leave', 'set', 'require', 'x']) }),
    ...(owned && { owned }),
    ...(chance(0.05) && { fd: fdSource() }),
  }
}

const asyncFds: Record<string, Op> = {
  AsyncFd: {
    weight: 6,
    args: () => {
      const number = fd('reader', 'writer', 'stream', 'eventfd', 'master', 'slave', 'tcp', 'listener', 'timerfd', 'udp', 'dgram')
      const options = chance(0.97) ? asyncFdOptions(number) : junk()
      return [inner(number), options].slice(0, chance(0.3) ? 1 : 2)
    },
    call: (...args) => Reflect.construct(AsyncFd, args),
    after: (made) => add(made as Fd),
  },
  ...Object.fromEntries([
    method('ready', () => [asked(), waitOptions()]),
    method('readable', () => [waitOptions()]),
    method('writable', () => [waitOptions()]),
    method('hangup', () => [waitOptions()]),
    method(
      'readiness',
      () => [asked(), waitOptions()],
      (iterator) => {
        if (iterator) hold(iterators, iterator as AsyncIterableIterator<Guard>)
      },
    ),
    method('tryIo', () => [asked(), closure()]),
    method('asyncIo', () => [asked(), closure(), waitOptions()]),
    method(
      'pollReadReady',
      () => [listener()],
      (guard) => guard && hold(guards, guard as Guard),
    ),
    method(
      'pollWriteReady',
      () => [listener()],
      (guard) => guard && hold(guards, guard as Guard),
    ),
    method(
      'subscribe',
      () => [asked(), listener(), ...(chance(0.2) ? [{ signal: signal() }] : [])],
      (result) => {
        if (result) hold(disposables, result as Disposable)
      },
    ),
    method('setInterest', () => [interest()]),
    exactly(method('readableSync', () => [{ timeout: pick([0, 0.1, 1]) }])),
    exactly(method('writableSync', () => [{ timeout: pick([0, 0.1, 1]) }])),
    method('intoInner'),
    method('close', undefined, () => review((self as Fd | undefined)?.fd ?? -1)),
    method('ref'),
    method('unref'),
    method('hasRef'),
    ...['fd', 'inner', 'interest', 'closed'].map((name) =>
      getter(AsyncFd.prototype, 'AsyncFd', () => (fds.length === 0 ? undefined : pick(fds)), name),
    ),
    guardMethod('tryIo', () => [closure()]),
    guardMethod('clearReady'),
    guardMethod('clearReadyMatching', () => [num(1, 2, Ready.ALL, 0)]),
    guardMethod('retainReady'),
    guardMethod('recheck'),
    ...['ready', 'inner', 'isReadable', 'isWritable', 'isReadClosed', 'isWriteClosed', 'isPriority', 'isError', 'isEmpty'].map(
      (name) => getter(asyncfd.AsyncFdReadyGuard.prototype, 'Guard', aGuard, name),
    ),
  ]),
  'iterator.next': {
    args: () => [],
    call: () => (iterators.length === 0 ? undefined : pick(iterators)?.next()),
    after: (result) => follow('iterator.next', result, keepGuard),
  },
  'iterator.return': {
    weight: 0.3,
    args: () => [],
    call: () => (iterators.length === 0 ? undefined : pick(iterators)?.return?.()),
    after: (result) => follow('iterator.return', result),
  },
  'AbortController.abort': {
    args: () => [],
    call: () => (aborts.length === 0 ? undefined : pick(aborts).abort(...(chance(0.5) ? [new Thrown('a reason')] : []))),
  },
  'Subscription.dispose': {
    args: () => [],
    call: () => (disposables.length === 0 ? undefined : pick(disposables)[Symbol.dispose]()),
  },
  poll: {
    weight: 2,
    exact: true, // nothing but its own end ends it
    args: () => [fdSource(), interest(), waitOptions(false)],
    call: asyncfd.poll as Callable,
    after: (result) => follow('poll', result),
  },
  'reactor.metrics': {
    weight: 0.3,
    args: () => [],
    call: () => [asyncfd.reactor.metrics(), asyncfd.reactor.driver, asyncfd.reactor.backend],
  },
  readyToString: {
    weight: 0.3,
    exact: true,
    args: () => [num(Ready.ALL, Interest.READABLE)],
    call: asyncfd.readyToString as Callable,
  },
}

export const publics: Record<string, Op> = { ...sysOps, ...ownedFds, ...asyncFds }

/** Ends everything that waits. */
export function endAll(): void {
  for (const one of fds) {
    try {
      closeOne(one)
    } catch (error) {
      // What it owns may throw when it is closed.
      if (!(error instanceof Thrown)) throw error
    }
  }
  for (const controller of aborts) controller.abort(new Thrown('the end'))
}
