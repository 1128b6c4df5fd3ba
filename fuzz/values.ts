/**
 * Arguments: memory of every sort, numbers around the bounds, addresses, paths, junk. What could do harm (blocking,
 * other people's descriptors, files, hosts or terminals) cannot be drawn from here.
 *
 * @module
 */
import { join } from 'node:path'
import { Thrown } from './coverage.js'
import { anFd, staleFd } from './fds.js'
import { below, bits, chance, pick } from './random.js'

/** Does something else in the middle of a call: set by the child, called by getters, listeners and closures. */
let disturb = (): void => {}
export function onDisturb(action: () => void): void {
  disturb = action
}
export function disturbed(): void {
  disturb()
}

// Memory.

type AnyView = ArrayBufferView
const SIZES = [0, 1, 2, 3, 4, 7, 8, 12, 16, 24, 63, 64, 128, 148, 160, 255, 256, 1024, 4096, 65536]
type Construct = { new (buffer: unknown, offset: number, length?: number): AnyView; readonly BYTES_PER_ELEMENT?: number }
const KINDS: readonly Construct[] = [
  Uint8Array,
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
] as unknown[] as Construct[]
const globals = globalThis as unknown as {
  Float16Array?: Construct
  WebAssembly: { Memory: new (options: object) => { buffer: ArrayBuffer } }
}
const Float16 = globals.Float16Array
const WasmMemory = globals.WebAssembly.Memory

interface Resizable extends ArrayBuffer {
  readonly resizable: boolean
  readonly maxByteLength: number
  resize(length: number): void
}
const ResizableBuffer = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => Resizable
const GrowableShared = SharedArrayBuffer as unknown as new (
  length: number,
  options: { maxByteLength: number },
) => SharedArrayBuffer & { grow(length: number): void; readonly maxByteLength: number }

const VIEWS = 48
const views: AnyView[] = []
let huge: Uint8Array | undefined

function memory(): ArrayBuffer | SharedArrayBuffer {
  const size = pick(SIZES)
  if (chance(0.25)) return new ResizableBuffer(size, { maxByteLength: size + pick(SIZES) })
  if (chance(0.06)) return new SharedArrayBuffer(size)
  if (chance(0.03)) return new GrowableShared(size, { maxByteLength: size + 4096 })
  if (chance(0.01)) return new WasmMemory({ initial: 1, maximum: 3 }).buffer
  return new ArrayBuffer(size)
}

/** A new view, sometimes a second one on memory that has one already. */
export function newView(): AnyView {
  if (chance(0.15)) {
    const whole = chance(0.5) ? Buffer.allocUnsafe(pick(SIZES) % 4097) : Buffer.alloc(pick(SIZES))
    return chance(0.4) ? whole.subarray(below(whole.length + 1)) : whole
  }
  if (chance(0.002)) {
    huge ??= new Uint8Array(17 * 1024 * 1024)
    return huge
  }
  const buffer = views.length > 0 && chance(0.2) ? pick(views).buffer : memory()
  const Type = Float16 !== undefined && chance(0.04) ? Float16 : pick(KINDS)
  const element = Type.BYTES_PER_ELEMENT ?? 1
  const room = buffer.byteLength
  const offset = chance(0.6) ? 0 : element * below(Math.floor(room / element) + 1)
  try {
    // Without a length a view on resizable memory follows it.
    if (chance(0.4)) return new Type(buffer, offset)
    return new Type(buffer, offset, below(Math.floor((room - offset) / element) + 1))
  } catch {
    return new Uint8Array(8) // detached, or no whole number of elements
  }
}

export function aView(): AnyView {
  if (views.length < VIEWS || chance(0.1)) {
    const view = newView()
    if (views.length < VIEWS) views.push(view)
    else views[below(VIEWS)] = view
    return view
  }
  return pick(views)
}

/** Resizes, grows, detaches, refills. */
export function changeMemory(): void {
  if (views.length === 0) return
  const { buffer } = pick(views) as { buffer: unknown }
  try {
    if (buffer === huge?.buffer) return
    if (buffer instanceof SharedArrayBuffer) {
      const growable = buffer as SharedArrayBuffer & { grow?(length: number): void; maxByteLength?: number }
      growable.grow?.(Math.min(growable.maxByteLength ?? 0, buffer.byteLength + 16))
    } else if ((buffer as Resizable).resizable) {
      const resizable = buffer as Resizable
      resizable.resize(pick([0, 1, resizable.byteLength >> 1, below(resizable.maxByteLength + 1), resizable.maxByteLength]))
    } else if (chance(0.3)) {
      // The pool of Buffers and WebAssembly's memory cannot be transferred: that throws.
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
    } else if (chance(0.5)) {
      new Uint8Array(buffer as ArrayBuffer).fill(bits())
    }
  } catch {
    // Not to be transferred, or detached.
  }
}

/** How long a view is, if it can be said. */
export function sizeOf(view: unknown): number {
  try {
    return ArrayBuffer.isView(view) ? view.byteLength : 0
  } catch {
    return 0
  }
}

/** A list of views, which may be no list, and whose elements may be getters that do something else first. */
export function someViews(): unknown {
  const list: unknown[] = Array.from({ length: chance(0.02) ? pick([1023, 1024, 1025]) : below(5) }, () => aView())
  if (chance(0.05)) list.push(junk())
  if (chance(0.05)) list.length += 1 // a hole
  if (chance(0.15) && list.length > 0) {
    const at = below(list.length)
    const view = list[at]
    const throws = chance(0.2)
    Object.defineProperty(list, at, {
      get() {
        disturb()
        changeMemory()
        if (throws) throw new Thrown('a getter')
        return view
      },
    })
  }
  if (chance(0.03)) return new Proxy(list, trap)
  return list
}

// Numbers.

const ODD = [
  0,
  1,
  -1,
  -0,
  0.5,
  2,
  3,
  7,
  8,
  64,
  127,
  128,
  255,
  256,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  2 ** 63,
  1e300,
  Number.NaN,
  Infinity,
  -Infinity,
  5e-324,
]

/** Any number, where any will do. */
export function odd(): number {
  return chance(0.2) ? bits() : pick(ODD)
}

/** Mostly one of those that make sense. */
export function num(...valid: number[]): number {
  return chance(0.88) ? pick(valid) : odd()
}

/** One of these and nothing else, where other numbers could do harm. */
export function only(...choices: number[]): number {
  return pick(choices)
}

/** Never negative or long: calls that wait must not. NaN asks once, or is refused. */
export function aTimeout(): number {
  return pick([0, 0, 0, 0, -0, 0.001, 0.5, 1, Number.NaN, 5e-324])
}

/** An offset into `view`, mostly inside. */
export function anOffset(view: unknown): number {
  const size = sizeOf(view)
  if (chance(0.5)) return 0
  return chance(0.8) ? below(size + 1) : pick([size, size + 1, size - 1, -1, odd()])
}

/** A length from `offset`, mostly inside. */
export function aLength(view: unknown, offset: number): number {
  const room = Math.max(0, sizeOf(view) - (Number.isFinite(offset) ? offset : 0))
  if (chance(0.4)) return room
  return chance(0.75) ? below(room + 1) : pick([room + 1, room + 7, room + 4096, -1, odd(), 2 ** 53 - 1])
}

/** A descriptor of ours, mostly. Others are invalid, or 0, which is /dev/null in a child. */
export function fd(...kinds: Parameters<typeof anFd>): number {
  if (chance(0.93)) return anFd(...kinds)
  return chance(0.3)
    ? staleFd()
    : pick([-1, -2, -(2 ** 31), 2 ** 31 - 1, NOT_OPEN, 2 ** 32 - 1, Number.NaN, Infinity, -0.5, 2 ** 53])
}

/** For calls that close what they are given: never 0. */
export function fdToClose(): number {
  if (chance(0.85)) return anFd()
  return chance(0.5) ? staleFd() : pick([-1, -2, -(2 ** 31), 2 ** 31 - 1, NOT_OPEN, 2 ** 32 - 1])
}

// Names.

let folder = '.'
export function useFolder(path: string): void {
  folder = path
}

export function aPath(): string {
  const name = pick([
    'fifo-a',
    'fifo-b',
    'file-a',
    'file-b',
    'socket-a',
    'socket-b',
    'nothing',
    '.',
    'no/where',
    'x'.repeat(pick([90, 255, 300, 5000])),
  ])
  return chance(0.08)
    ? pick(['', '/dev/null', '/dev/zero', '/dev/full', '/proc/self/fd', '/proc/self/status', '/dev/ptmx'])
    : join(folder, name)
}

/** A path as bytes, with or without what natives must refuse. */
export function pathView(): Uint8Array {
  const path = Buffer.from(chance(0.05) ? `${aPath()}\0tail` : aPath())
  if (chance(0.3)) {
    const resizable = new Uint8Array(new ResizableBuffer(path.length, { maxByteLength: path.length + 64 }))
    resizable.set(path)
    return resizable
  }
  return path
}

// Addresses: loopback, the folder, abstract names; or what is no address at all.

const { pid, platform } = process
/** Where root listens at any port without being in the way of another process. Others than Linux have one such address only. */
export const LOOPBACK = platform === 'linux' ? `127.${64 + (pid >> 16)}.${(pid >> 8) & 255}.${pid & 255}` : '127.0.0.1'

const ports: number[] = [0]
export function knowPort(port: number): void {
  ports.push(port)
  if (ports.length > 12) ports.splice(1, 1)
}

export function inetAddress(): { address: string; port: number; [key: string]: unknown } {
  const address = chance(0.8) ? LOOPBACK : pick(['::1', `::ffff:${LOOPBACK}`, '::1%lo'])
  return { address, port: pick(ports) }
}

export function unixName(): string {
  if (chance(0.3)) return `\0asyncfd-fuzz-${pid}-${below(4)}`
  return chance(0.1)
    ? pick(['', 'x'.repeat(107), 'x'.repeat(108), 'x'.repeat(109), 'x'.repeat(200)]).replace(/^x/, `${folder}/x`)
    : join(folder, pick(['socket-a', 'socket-b']))
}

/** A whole sockaddr: of a loopback address, of a Unix name, cut short, or of a family that has no sockets here. */
export function rawAddress(): Buffer {
  const bytes = Buffer.alloc(pick([0, 1, 2, 7, 8, 15, 16, 17, 28, 110, 128]))
  if (bytes.length >= 2) new Uint16Array(bytes.buffer, bytes.byteOffset & ~1, 1)[0] = 0
  const family = pick([0, 1, 2, 2, 10, 255, 65535])
  if (bytes.length >= 2) bytes.writeUInt16LE(family, 0)
  if (family === 2 && bytes.length >= 8) Buffer.from([0, 1, ...LOOPBACK.split('.').map(Number)]).copy(bytes, 2)
  if (family === 10 && bytes.length >= 24) bytes[23] = 1
  if (family === 1 && bytes.length > 8) bytes.write(`\0fuzz-${below(3)}`, 2)
  return bytes
}

/** The block in which natives take addresses; room enough for one to be written to. */
export function addressBlock(): Uint8Array {
  const block = new Uint8Array(chance(0.9) ? 20 + 128 : pick([0, 4, 19, 20, 21, 147, 149]))
  const put = (kind: number, port: number, text: Uint8Array, length = text.length) => {
    const header = new Uint8Array(Uint32Array.of(kind, port, chance(0.9) ? 0 : bits(), chance(0.9) ? 0 : bits(), length).buffer)
    block.set(header.subarray(0, Math.min(20, block.length)))
    if (block.length > 20) block.set(text.subarray(0, block.length - 20), 20)
  }
  const wrong = chance(0.06)
  const choice = below(10)
  if (choice < 4) {
    const { address, port } = inetAddress()
    const text = Buffer.from(wrong ? pick(['', 'x', '127.0.0', '::g', '127.0.0.1\0', '127.1']) : address)
    put(pick([4, 4, 4, 6]), wrong ? 70000 : port, text)
  } else if (choice < 7) put(1, 0, Buffer.from(unixName()))
  else if (choice < 9) put(2, 0, rawAddress())
  else put(pick([0, 3, 5, 7, 255, -1]), 0, Buffer.alloc(8), pick([0, 8, 129, 200, 0x7fffffff, -1]))
  return block
}

// Junk.

const trap: ProxyHandler<object> = {
  get(target, key) {
    disturb()
    if (chance(0.2)) throw new Thrown('a trap')
    return Reflect.get(target, key) as unknown
  },
}

/** Above any limit of descriptors. */
const NOT_OPEN = 1_000_000

function hostile(): unknown {
  const give = chance(0.5)
    ? () => NOT_OPEN
    : () => {
        throw new Thrown('a conversion')
      }
  return {
    valueOf: give,
    toString: give,
    [Symbol.toPrimitive]: give,
    get fd() {
      disturb()
      return give()
    },
    get length() {
      return give()
    },
  }
}

/** What is no number: safe in every place. */
export function junk(): unknown {
  return pick<() => unknown>([
    () => undefined,
    () => null,
    () => '',
    () => 'x',
    () => '0',
    () => true,
    () => false,
    () => 0n,
    () => 10n ** 30n,
    () => Symbol('junk'),
    () => Symbol.iterator,
    () => ({}),
    () => [],
    () => [[]],
    () => () => 0,
    () => class {},
    () => new Date(0),
    () => /x/,
    () => new Map(),
    () => Promise.resolve(),
    () => new ArrayBuffer(8),
    () => new SharedArrayBuffer(8),
    () => Object.create(null),
    () => new Error('junk'),
    () => new Proxy({}, trap),
    () => new Proxy(new Uint8Array(8), {}),
    () => Object.create(Uint8Array.prototype),
    hostile,
    hostile,
    aView,
    aView,
    () => globalThis,
    () => Object.freeze({ fd: -1 }),
    () => new WeakRef({}),
    () => ({ length: 2 ** 32 }),
  ])()
}

/** An object with a descriptor: plain, with a getter that does something else first, or wrong. */
export function fdSource(...kinds: Parameters<typeof anFd>): unknown {
  const number = fd(...kinds)
  if (chance(0.8)) return number
  if (chance(0.5)) return { fd: number }
  if (chance(0.5))
    return {
      get fd() {
        if (chance(0.3)) disturb()
        return number
      },
    }
  return chance(0.5) ? { fd: junk() } : junk()
}
