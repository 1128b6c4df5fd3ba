/**
 * What goes through the handle of a socket of Node's, heard there. The socket itself stays as it is: one property more, and Node's code
 * would meet so many shapes of sockets that V8 looks each of them up, which costs more than a packet's way through all of it.
 *
 * @module
 */
import type { Handle } from './traffic.js'

/** Is told when something came. Called in the midst of the socket's work, and must not throw; so are the others here. */
export interface HearsReads {
  came(): void
}

/** Is told when bytes were given to the kernel, or queued. */
export interface HearsWrites {
  wrote(): void
}

/** Whom one owner has told. */
export interface Told {
  readonly reads: readonly HearsReads[]
  readonly writes: readonly HearsWrites[]
}

interface Heard {
  readonly owners: Map<object, Told>
  reads: HearsReads
  writes: HearsWrites
  /** What was put in the place of the handle's own function. */
  onread?: ReadTap
}

type OnRead = NonNullable<Handle['onread']>

interface ReadTap {
  readonly tap: OnRead
  readonly own: OnRead
}

const HEARD = Symbol('asyncfd.heard')
const NOBODY: HearsReads & HearsWrites = { came() {}, wrote() {} }
type HeardHandle = Handle & { [HEARD]: Heard }

/** Has those of `told` hear of a handle, beside the others; instead of those that the same owner named before. */
export function hearHandle(handle: Handle, owner: object, told: Told): void {
  const heard = ((handle as HeardHandle)[HEARD] ??= { owners: new Map(), reads: NOBODY, writes: NOBODY })
  heard.owners.set(owner, told)
  tell(heard)
  if (told.reads.length > 0) hearReads(handle, heard)
  if (told.writes.length > 0 && !hearsWrites(handle)) {
    Object.setPrototypeOf(handle, withTaps(Object.getPrototypeOf(handle)))
  }
}

/** Mostly there is one to be told, and it is told without a detour. */
function tell(heard: Heard): void {
  const all = [...heard.owners.values()]
  const reads = all.flatMap((told) => told.reads)
  const writes = all.flatMap((told) => told.writes)
  heard.reads = reads.length === 1 ? reads[0]! : { came: () => reads.forEach((one) => void one.came()) }
  heard.writes = writes.length === 1 ? writes[0]! : { wrote: () => writes.forEach((one) => void one.wrote()) }
}

/** Ends {@link hearHandle}. Somebody else's on top of ours stays, and ours below it, which tells nobody. */
export function unhearHandle(handle: Handle, owner: object): void {
  const heard = (handle as Partial<HeardHandle>)[HEARD]
  if (heard?.owners.delete(owner) !== true) return
  tell(heard)
  if (heard.owners.size > 0) return
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
      this[HEARD]?.reads.came()
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
const WRITES = ['writeBuffer', 'writev', 'writeUtf8String', 'writeLatin1String', 'writeAsciiString', 'writeUcs2String'] as const
type Writes = Record<(typeof WRITES)[number], (this: Handle, request: unknown, data: unknown, more?: unknown) => unknown>

function told({ writes }: Heard, result: unknown): unknown {
  writes.wrote()
  return result
}

/** By `super` and not by `call`, after a look at `this`: so V8 knows which function that is, and for what, and goes straight to it. */
function withTaps(prototype: object): object {
  let taps = tapped.get(prototype)
  if (taps === undefined) {
    const own: Writes = {
      writeBuffer(request: unknown, data: unknown) {
        return told((this as HeardHandle)[HEARD], super.writeBuffer(request, data))
      },
      writev(request: unknown, chunks: unknown, allBuffers: unknown) {
        return told((this as HeardHandle)[HEARD], super.writev(request, chunks, allBuffers))
      },
      writeUtf8String(request: unknown, data: unknown) {
        return told((this as HeardHandle)[HEARD], super.writeUtf8String(request, data))
      },
      writeLatin1String(request: unknown, data: unknown) {
        return told((this as HeardHandle)[HEARD], super.writeLatin1String(request, data))
      },
      writeAsciiString(request: unknown, data: unknown) {
        return told((this as HeardHandle)[HEARD], super.writeAsciiString(request, data))
      },
      writeUcs2String(request: unknown, data: unknown) {
        return told((this as HeardHandle)[HEARD], super.writeUcs2String(request, data))
      },
    }
    for (const name of WRITES) {
      if (!(name in prototype)) Reflect.deleteProperty(own, name)
      else Object.defineProperty(own, name, { enumerable: false })
    }
    taps = Object.setPrototypeOf(own, prototype) as object
    tapped.set(prototype, taps)
  }
  return taps
}
