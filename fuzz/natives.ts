/**
 * Every function of the native binding, by the name in `index.d.ts`, called directly.
 *
 * @module
 */
import type * as Native from '../index.js'
import { finding } from './coverage.js'
import { anFd, forget, type Kind, own } from './fds.js'
import type { Op } from './op.js'
import { below, chance, pick } from './random.js'
import {
  addressBlock,
  aLength,
  anOffset,
  aTimeout,
  aView,
  fd,
  fdToClose,
  knowPort,
  num,
  odd,
  only,
  pathView,
  sizeOf,
  someViews,
} from './values.js'

type Binding = typeof Native

type View = ArrayBufferView

let binding: Binding

export function useBinding(native: Binding): void {
  binding = native
}

/** The function's part in the view, offset and length, after the descriptor. */
function part(): [view: View, offset: number, length: number] {
  const view = aView()
  const offset = anOffset(view)
  return [view, offset, aLength(view, offset)]
}

const PEEK = 2
const FLAGS = [0, 0, 0, 0, 1, PEEK, 0x20, 0x40, 0x100, 0x2000, 0x8000, -1]

/** What a hot call must not do: take a part outside of the view, or change any other byte of the memory it lies on. */
function staysInside(name: string): (args: unknown[]) => (result: unknown) => void {
  return ([, view, offset, length]) => {
    const size = sizeOf(view)
    const [from, count] = [offset, length].map((given) =>
      typeof given === 'number' && Number.isFinite(given) ? Math.trunc(given) : 0,
    ) as [number, number]
    const before = contents(view, size)
    const start = before === undefined ? 0 : (view as View).byteOffset
    return (result) => {
      const taken = typeof result === 'number' && result >= 0
      if (taken && from + count > size) finding(name, `took ${from} + ${count} of ${size} bytes`)
      if (before === undefined) return
      const to = taken ? from + Math.min(result, count) : from
      const after = new Uint8Array((view as View).buffer as ArrayBuffer)
      const changed = before.findIndex((byte, i) => byte !== after[i] && !(i >= start + from && i < start + to))
      if (changed >= 0) finding(name, `wrote byte ${changed} of ${before.length}; its part was ${from}..${to}`)
    }
  }
}

/** A copy of all the memory under a view, if it is little and nobody else writes to it. */
function contents(view: unknown, size: number): Uint8Array | undefined {
  if (size === 0 || !ArrayBuffer.isView(view) || !(view.buffer instanceof ArrayBuffer) || view.buffer.byteLength > 8192) return
  return new Uint8Array(view.buffer.slice(0))
}

/** A count is never more than what was asked for. (MSG_TRUNC gives the length of the datagram, MSG_OOB its one byte.) */
function countInside(name: string): Op['after'] {
  return (result, [, , , length, flags]) => {
    if (typeof length !== 'number' || typeof flags === 'object') return
    if ((result as number) > 0 && (result as number) > length && ((flags as number) & 0x21) === 0)
      finding(name, `${result} bytes of ${length}`)
  }
}

function numbersIn(view: unknown, count: number): number[] {
  // A view of detached memory has no bytes, and not even an empty DataView can be made on it.
  if (count === 0 || !ArrayBuffer.isView(view) || sizeOf(view) < count * 4) return []
  const bytes = new DataView(view.buffer, view.byteOffset, view.byteLength)
  return Array.from({ length: count }, (_, i) => bytes.getInt32(i * 4, true))
}

/** Room for `count` numbers; mostly enough. */
function room(count: number): View {
  if (chance(0.1)) return aView()
  return pick<() => View>([
    () => new Int32Array(count),
    () => new Int32Array(count + 1),
    () => new Uint8Array(Math.max(0, count * 4 - below(5))),
    () => new DataView(new ArrayBuffer(count * 4 + 2), 1),
  ])()
}

const keep =
  (...kinds: Kind[]) =>
  (result: unknown): void => {
    if ((result as number) >= 0) own(result as number, kinds[0]!)
  }

const keepPair =
  (position: number, a: Kind, b: Kind): Op['after'] =>
  (result, args) => {
    if (result !== 0) return
    const [first, second] = numbersIn(args[position], 2) as [number, number]
    own(first, a)
    own(second, b)
  }

const SOCKETS: Kind[] = ['stream', 'dgram', 'seqpacket', 'tcp', 'udp', 'listener']
const TERMINALS: Kind[] = ['master', 'slave']
const IOCTLS = [
  0x5401, 0x5411, 0x5413, 0x5414, 0x5415, 0x5420, 0x541b, 0x5429, 0x5450, 0x5451, 0x5460, 0x8905, 0x8906, 0x80045430, 0x80045440,
  0x40045431, 0x802c542a, 2, 0, 0xffffffff, 0xbfff0000, -1,
]
const OPTIONS = [
  ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18, 20, 21, 28, 29, 30, 31, 34, 35, 36, 37, 38, 39, 42, 49, 55, 57, 59, 60].map(
    (name) => [1, name],
  ),
  ...[1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 18, 19, 21, 23, 24, 26].map((name) => [6, name]),
  ...[1, 2, 8, 10, 13].map((name) => [0, name]),
  ...[16, 25, 26, 49, 66, 67].map((name) => [41, name]),
] as [number, number][]

/** Level and name; names that are read only (`get`) may be any but SO_PEERPIDFD, which opens a descriptor. */
function option(get: boolean): [number, number] {
  if (!get || chance(0.6)) return pick(OPTIONS)
  const name = below(100)
  return [pick([1, 0, 6, 17, 41, 255, -1]), name === 77 ? 76 : name]
}

function termios(): View {
  const numbers = new Uint32Array(6 + 32 + below(8))
  for (let i = 0; i < numbers.length; i++) numbers[i] = odd()
  return chance(0.9) ? numbers : aView()
}

function pollSet(): View {
  if (chance(0.1)) return aView()
  const numbers = new Int32Array(below(12) * 3 + (chance(0.1) ? 1 : 0))
  for (let i = 0; i < numbers.length; i += 3) numbers.set([fd(), num(1, 4, 5, 0x2000, -1)].slice(0, numbers.length - i), i)
  return numbers
}

function controlMessages(): Uint8Array {
  if (chance(0.6)) return new Uint8Array(0)
  const data = new Uint8Array(pick([0, 4, 8, 12, 28]))
  if (chance(0.3) && data.length >= 4) new Int32Array(data.buffer).fill(anFd())
  const length = chance(0.8) ? data.length : pick([-1, 5, 100, 2 ** 31 - 1])
  const header = Int32Array.of(num(1, 0, 41), num(1, 2, 8), length)
  return Buffer.concat([new Uint8Array(header.buffer), data, new Uint8Array(below(6))])
}

const received: Op['after'] = (result, [, , , fds, , , meta]) => {
  if ((result as number) < 0) return
  const count = numbersIn(meta, 2)[1] ?? 0
  if (count <= sizeOf(fds) / 4) for (const one of numbersIn(fds, count)) own(one, 'other')
}

export const natives: Record<string, Op> = {
  boardLayout: { weight: 0.1, args: () => [] },
  probeFd: { args: () => [fd(), num(1, 2, 3, 16, 32, 0), aTimeout()] },
  sysRead: {
    weight: 6,
    args: () => [fd('reader', 'stream', 'eventfd', 'master', 'inotify', 'tcp', 'timerfd'), ...part()],
    guard: staysInside('native.sysRead'),
    after: countInside('native.sysRead'),
  },
  sysWrite: {
    weight: 6,
    args: () => [fd('writer', 'stream', 'eventfd', 'master', 'slave', 'tcp'), ...part()],
    guard: staysInside('native.sysWrite'),
    after: countInside('native.sysWrite'),
  },
  sysRecv: {
    weight: 4,
    args: () => [fd(...SOCKETS), ...part(), num(...FLAGS)],
    guard: staysInside('native.sysRecv'),
    after: countInside('native.sysRecv'),
  },
  sysSend: {
    weight: 4,
    args: () => [fd(...SOCKETS), ...part(), num(0, 0, 0, 1, 0x40, 0x8000, -1)],
    guard: staysInside('native.sysSend'),
    after: countInside('native.sysSend'),
  },
  sysWriteView: { args: () => [fd('writer', 'stream', 'eventfd', 'master', 'slave', 'tcp'), aView()] },
  sysSendView: { args: () => [fd(...SOCKETS), aView()] },
  sysAccept: { args: () => [fd('listener'), addressBlock()], after: keep('tcp') },
  sysBind: { args: () => [fd('tcp', 'udp', 'dgram', 'stream'), addressBlock()] },
  sysClose: {
    weight: 3,
    args: () => [fdToClose()],
    after: (result, [number]) => {
      if (result === 0) forget((number as number) | 0)
    },
  },
  sysConnect: { args: () => [fd('tcp', 'udp', 'dgram', 'stream'), addressBlock()] },
  sysConstants: { weight: 0.1, args: () => [] },
  sysDup: { args: () => [fd()], after: keep('other') },
  sysEventfd: { args: () => [num(0, 1, 7), chance(0.5)], after: keep('eventfd') },
  sysGetSocketOption: { weight: 2, args: () => [fd(...SOCKETS), ...option(true), aView()] },
  sysInotify: { args: () => [], after: keep('inotify') },
  sysInotifyAddWatch: { args: () => [fd('inotify'), pathView(), num(0xfff, 2, 0x100, 0x80000000)] },
  sysInotifyRemoveWatch: { args: () => [fd('inotify'), num(1, 2, 3)] },
  sysIoctlNumber: { args: () => [fd(...TERMINALS, 'stream', 'reader'), only(...IOCTLS), num(0, 1, 0xffff, 0x10000, -1)] },
  sysIoctlSize: { weight: 0.3, args: () => [num(...IOCTLS)] },
  sysIoctlView: { weight: 2, args: () => [fd(...TERMINALS, 'stream', 'reader', 'tcp'), only(...IOCTLS), aView()] },
  sysIsNonblocking: { args: () => [fd()] },
  sysKind: { args: () => [fd()] },
  sysListen: { args: () => [fd('tcp', 'stream'), num(0, 1, 511)] },
  sysLocalAddress: {
    args: () => [fd(...SOCKETS), addressBlock()],
    after: (result, [, block]) => {
      const [kind, port] = numbersIn(block, 2)
      if (result === 0 && kind === 4 && port! > 0) knowPort(port!)
    },
  },
  sysMakeRaw: { args: () => [termios()] },
  sysMkfifo: { args: () => [pathView(), num(0o600, 0o777)] },
  sysOpen: {
    weight: 2,
    args: () => [pathView(), num(0, 1, 2, 0o100, 0o102, 0o1102, 0o2001, 0o200000, 0o10000000, 0o1000), num(0o600, 0o777, 0)],
    after: keep('file'),
  },
  sysOpenpty: {
    args: () => [num(80, 0, 65535), num(24, 0), room(2), chance(0.8) ? new Uint8Array(64) : aView()],
    after: (result, args) => {
      if ((result as number) > 0) keepPair(2, 'master', 'slave')!(0, args)
    },
  },
  sysPidfdOpen: {
    args: () => [only(process.pid, process.pid, process.ppid, 0, -1, 2 ** 31 - 1, 4194305, Number.NaN)],
    after: keep('pidfd'),
  },
  // Signal 0 asks whether the process is there; the others are no signals.
  sysPidfdSendSignal: { args: () => [fd('pidfd'), only(0, 0, 0, -1, 65, 128, 2 ** 31 - 1, Number.NaN)] },
  sysPipe: { weight: 2, args: () => [room(2)], after: keepPair(0, 'reader', 'writer') },
  sysPoll: { weight: 2, args: () => [pollSet(), aTimeout()] },
  sysReadv: { weight: 3, args: () => [fd('reader', 'stream', 'master', 'tcp'), someViews()] },
  sysRecvFrom: {
    weight: 2,
    args: () => [fd('dgram', 'udp', 'stream'), ...part(), num(...FLAGS), addressBlock()],
    after: countInside('native.sysRecvFrom'),
  },
  sysRecvMany: {
    weight: 2,
    args: () => [
      fd('dgram', 'udp', 'seqpacket'),
      chance(0.6) ? new Uint8Array(4096) : aView(),
      num(64, 100, 0, 65_600),
      num(8, 64, 0, 65),
      room(8),
      chance(0.7) ? new Uint8Array(148 * 8) : addressBlock(),
    ],
  },
  sysRecvMsg: {
    weight: 3,
    args: () => [
      fd('dgram', 'stream', 'seqpacket', 'udp'),
      someViews(),
      num(...FLAGS),
      new Int32Array(below(5)),
      chance(0.6) ? new Uint8Array(0) : new Uint8Array(below(200)),
      addressBlock(),
      new Int32Array(pick([3, 3, 3, 3, 4, 2])),
    ],
    after: received,
  },
  sysRemoteAddress: { args: () => [fd(...SOCKETS), addressBlock()] },
  sysSendMsg: {
    weight: 3,
    // Memory taken for descriptors must not hold numbers of Node's: a duplicate of its own would come back.
    exact: true,
    args: () => [
      fd('dgram', 'stream', 'seqpacket', 'udp'),
      someViews(),
      num(0, 0, 0, 0x40, 0x80),
      Int32Array.from({ length: chance(0.5) ? 0 : below(5) }, () => fd()),
      controlMessages(),
      chance(0.6) ? null : addressBlock(),
    ],
  },
  sysSendMany: {
    weight: 2,
    args: () => [
      fd('dgram', 'udp', 'seqpacket'),
      someViews(),
      Buffer.concat(Array.from({ length: below(6) }, () => (chance(0.5) ? new Uint8Array(148) : addressBlock()))),
    ],
  },
  sysSendTo: { weight: 2, args: () => [fd('dgram', 'udp'), ...part(), num(0, 0, 0x40), addressBlock()] },
  // A descriptor must not stay blocking: the next read would never return.
  sysSetNonblocking: {
    args: () => [fd(), chance(0.5)],
    after: (result, [number, on]) => {
      if (result === 0 && on === false) binding.sysSetNonblocking((number as number) | 0, true)
    },
  },
  sysSetSocketOption: {
    weight: 2,
    args: () => [fd(...SOCKETS), ...option(false), chance(0.6) ? Int32Array.of(num(0, 1, 100, 4096)) : aView()],
  },
  sysSetTimerfd: { args: () => [fd('timerfd'), num(0, 1, 3), num(0, 0.0000001, 1, 5), num(0, 1)] },
  sysSetWinsize: { args: () => [fd(...TERMINALS), num(80), num(24), num(0), num(0)] },
  sysShutdown: { weight: 0.3, args: () => [fd(...SOCKETS), num(0, 1, 2)] },
  sysSocket: {
    args: () => [only(1, 1, 2, 2, 10, -1, 9999, Number.NaN), only(1, 1, 2, 2, 5, -1, 77), only(0, 0, 0, 6, 17, -1, 255)],
    after: (result, [domain, kind]) =>
      keep(domain === 1 ? (kind === 1 ? 'stream' : 'dgram') : kind === 1 ? 'tcp' : 'udp')(result),
  },
  sysSocketpair: {
    weight: 2,
    args: () => [only(1, 1, 1, 2, -1), only(1, 2, 5, 1, -1), only(0, 0, 0, 5), room(2)],
    after: (result, args) => {
      const kind: Kind = args[1] === 1 ? 'stream' : args[1] === 2 ? 'dgram' : 'seqpacket'
      keepPair(3, kind, kind)!(result, args)
    },
  },
  sysTcgetattr: { args: () => [fd(...TERMINALS), chance(0.8) ? new Uint32Array(38 + below(30)) : aView()] },
  sysTcsetattr: { args: () => [fd(...TERMINALS), num(0, 1, 2), termios()] },
  sysTimerfd: { args: () => [only(0, 1, 7, 5, -1, 99)], after: keep('timerfd') },
  sysWinsize: { args: () => [fd(...TERMINALS), room(4)] },
  sysWritev: { weight: 3, args: () => [fd('writer', 'stream', 'master', 'tcp'), someViews()] },
}
