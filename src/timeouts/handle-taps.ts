/**
 * What goes through the handle of a socket of Node's, heard there. The socket itself stays as it is: one property more, and Node's code
 * would meet so many shapes of sockets that V8 looks each of them up, which costs more than a packet's way through all of it.
 *
 * What comes leaves a mark at the handle, beside what Node reads there for it: the kernel's work between two packets empties the
 * processor's caches, and another object would be fetched from memory. Only who cannot wait is told.
 *
 * @module
 */
import { type Stamp, stamp } from '../stamp.js'
import type { Handle } from './traffic.js'

/** Is told when something came. Called in the midst of the socket's work, and must not throw; so are the others here. */
export interface HearsReads {
  came(): void
}

/** Is told when bytes were given to the kernel, or queued. */
export interface HearsWrites {
  wrote(): void
}

/** Whom `owner` has told. With nobody in `reads` what comes leaves its mark all the same, unless it is left out. */
export interface Told {
  readonly owner: object
  readonly reads?: readonly HearsReads[] | undefined
  readonly writes?: readonly HearsWrites[] | undefined
}

interface Heard {
  all: readonly Told[]
  /** What was put in the place of the handle's own function. */
  onread?: ReadTap
}

type OnRead = NonNullable<Handle['onread']>

interface ReadTap {
  readonly tap: OnRead
  readonly own: OnRead
}

const HEARD = Symbol('asyncfd.heard')
const CAME = Symbol('asyncfd.came')
const READS = Symbol('asyncfd.reads')
const WRITES = Symbol('asyncfd.writes')

/** A handle that is heard. */
interface HeardHandle extends Handle {
  [HEARD]: Heard
  /** When something came last. */
  [CAME]: Stamp | null
  [READS]: HearsReads | null
  [WRITES]: HearsWrites | null
}

/** When something came last; null before that, and where nobody hears. */
export const cameTo = (handle: Handle): Stamp | null => (handle as Partial<HeardHandle>)[CAME] ?? null

/** Has those of `told` hear of a handle, beside the others; instead of those that the same owner named before. */
export function hearHandle(handle: Handle, told: Told): void {
  const heard = heardOf(handle as HeardHandle)
  // A list by `concat` has no room for more, and there are as many as connections.
  heard.all = heard.all.filter(({ owner }) => owner !== told.owner).concat(told)
  tell(handle as HeardHandle, heard)
  if (told.reads !== undefined) hearReads(handle, heard)
  if (told.writes !== undefined && !hearsWrites(handle)) {
    Object.setPrototypeOf(handle, withTaps(Object.getPrototypeOf(handle)))
  }
}

function heardOf(handle: HeardHandle): Heard {
  if (handle[HEARD] === undefined) {
    handle[HEARD] = { all: [] }
    handle[CAME] = null
    handle[READS] = null
    handle[WRITES] = null
  }
  return handle[HEARD]
}

/** Mostly there is one to be told, and it is told without a detour. */
function tell(handle: HeardHandle, { all }: Heard): void {
  const reads = all.flatMap(({ reads = [] }) => reads)
  const writes = all.flatMap(({ writes = [] }) => writes)
  handle[READS] = together(reads, (each) => ({ came: () => each.forEach((one) => void one.came()) }))
  handle[WRITES] = together(writes, (each) => ({ wrote: () => each.forEach((one) => void one.wrote()) }))
}

function together<H>(hearers: readonly H[], all: (each: readonly H[]) => H): H | null {
  return hearers.length > 1 ? all(hearers.slice()) : (hearers[0] ?? null)
}

/** Ends {@link hearHandle}. Somebody else's on top of ours stays, and ours below it, which tells nobody. */
export function unhearHandle(handle: Handle, owner: object): void {
  const heard = (handle as Partial<HeardHandle>)[HEARD]
  if (!heard?.all.some((told) => told.owner === owner)) return
  heard.all = heard.all.filter((told) => told.owner !== owner).slice()
  tell(handle as HeardHandle, heard)
  if (heard.all.length > 0) return
  if (hearsWrites(handle)) Object.setPrototypeOf(handle, Object.getPrototypeOf(Object.getPrototypeOf(handle)))
  if (heard.onread === undefined || handle.onread !== heard.onread.tap) return
  handle.onread = heard.onread.own
  delete heard.onread
}

/** Node's own code calls `onread` when something came. */
function hearReads(handle: Handle, heard: Heard): void {
  const own = handle.onread
  // Node's agents have a function of their own there while nobody uses the connection, and then put back theirs.
  if (heard.onread !== undefined && own === heard.onread.own) handle.onread = heard.onread.tap
  if (typeof own !== 'function' || heard.onread !== undefined) return
  heard.onread = readTap(own)
  handle.onread = heard.onread.tap
}

/**
 * By what they call. Handles have the same function, so they get the same tap, and V8 sees one; and whoever keeps a tap and puts it back
 * later, on this handle or another, still calls that.
 */
const readTaps = new WeakMap<OnRead, ReadTap>()

function readTap(own: OnRead): ReadTap {
  let made = readTaps.get(own)
  if (made === undefined) {
    const tap = function (this: Handle & Partial<HeardHandle>, bytes: unknown): unknown {
      // Somebody may have put it on a handle that nobody hears.
      if (this[HEARD] !== undefined) {
        this[CAME] = stamp()
        if (this[READS] != null) this[READS].came()
      }
      return own.call(this, bytes)
    }
    made = { tap, own }
    readTaps.set(own, made)
  }
  return made
}

/** From prototypes of handles to ours on top of them, whose writes tell. */
const tapped = new WeakMap<object, object>()

function hearsWrites(handle: Handle): boolean {
  const prototype = Object.getPrototypeOf(handle)
  return tapped.get(Object.getPrototypeOf(prototype)) === prototype
}

/** What Node writes with (src/stream_base.cc). */
const METHODS = ['writeBuffer', 'writev', 'writeUtf8String', 'writeLatin1String', 'writeAsciiString', 'writeUcs2String'] as const
type Writes = Record<(typeof METHODS)[number], (this: Handle, request: unknown, data: unknown, more?: unknown) => unknown>

function told(writes: HearsWrites | null, result: unknown): unknown {
  if (writes !== null) writes.wrote()
  return result
}

/** By `super` and not by `call`, after a look at `this`: so V8 knows which function that is, and for what, and goes straight to it. */
function withTaps(prototype: object): object {
  let taps = tapped.get(prototype)
  if (taps === undefined) {
    const own: Writes = {
      writeBuffer(request: unknown, data: unknown) {
        return told((this as HeardHandle)[WRITES], super.writeBuffer(request, data))
      },
      writev(request: unknown, chunks: unknown, allBuffers: unknown) {
        return told((this as HeardHandle)[WRITES], super.writev(request, chunks, allBuffers))
      },
      writeUtf8String(request: unknown, data: unknown) {
        return told((this as HeardHandle)[WRITES], super.writeUtf8String(request, data))
      },
      writeLatin1String(request: unknown, data: unknown) {
        return told((this as HeardHandle)[WRITES], super.writeLatin1String(request, data))
      },
      writeAsciiString(request: unknown, data: unknown) {
        return told((this as HeardHandle)[WRITES], super.writeAsciiString(request, data))
      },
      writeUcs2String(request: unknown, data: unknown) {
        return told((this as HeardHandle)[WRITES], super.writeUcs2String(request, data))
      },
    }
    for (const name of METHODS) {
      if (!(name in prototype)) Reflect.deleteProperty(own, name)
      else Object.defineProperty(own, name, { enumerable: false })
    }
    taps = Object.setPrototypeOf(own, prototype) as object
    tapped.set(prototype, taps)
  }
  return taps
}
