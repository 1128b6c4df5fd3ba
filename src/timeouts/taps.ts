/**
 * What a socket does, heard at its own methods: for the little that has no event, or whose time has to be known. What a socket of Node's
 * writes and receives is heard at its handle instead (handle-taps.ts). All is put back in the end.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { inside } from './traffic.js'

/** Who hears. All are called in the midst of the socket's work, and must not throw. */
export interface Hearer {
  /** Bytes were given to the kernel, or queued. */
  onWritten(): void
  /** Something came. */
  onPushed(): void
  /** A packet of Node's, either way: what was received counts already. */
  onPacket(): void
  /** It was told to connect, with these arguments. */
  onConnecting(...args: unknown[]): void
}

/** The methods that are heard, by what is heard there. */
const METHODS = {
  written: ['_write', '_writev'],
  pushed: ['push'],
  packets: ['_unrefTimer'],
  connecting: ['connect'],
} as const
type Name = (typeof METHODS)[keyof typeof METHODS][number]

/** Who hears a socket, and the methods that it had before. */
interface Heard {
  readonly hearers: Hearer[]
  readonly methods: { [name in Name]?: (this: Socket, ...args: unknown[]) => unknown }
  readonly own: Map<Name, PropertyDescriptor | undefined>
}

const HEARD = Symbol('asyncfd.heard')
type HeardSocket = Socket & { [HEARD]: Heard }

/** What takes the places of the methods. The same functions for all sockets: another one for each would cost every call of it. */
const TAPS = {
  _write(this: HeardSocket, chunk: unknown, encoding: unknown, callback: unknown): void {
    const { methods, hearers } = this[HEARD]
    methods._write!.call(this, chunk, encoding, callback)
    for (let i = 0; i < hearers.length; i++) hearers[i]!.onWritten()
  },
  _writev(this: HeardSocket, chunks: unknown, callback: unknown): void {
    const { methods, hearers } = this[HEARD]
    methods._writev!.call(this, chunks, callback)
    for (let i = 0; i < hearers.length; i++) hearers[i]!.onWritten()
  },
  push(this: HeardSocket, chunk: unknown, encoding: unknown): unknown {
    const { methods, hearers } = this[HEARD]
    for (let i = 0; i < hearers.length; i++) hearers[i]!.onPushed()
    return methods.push!.call(this, chunk, encoding)
  },
  _unrefTimer(this: HeardSocket): void {
    const { methods, hearers } = this[HEARD]
    for (let i = 0; i < hearers.length; i++) hearers[i]!.onPacket()
    methods._unrefTimer!.call(this)
  },
  connect(this: HeardSocket, ...args: unknown[]): unknown {
    const { methods, hearers } = this[HEARD]
    const result = methods.connect!.apply(this, args)
    for (const hearer of [...hearers]) hearer.onConnecting(...args)
    return result
  },
}

/** Has `hearer` hear of a socket, beside others. What it does not want to know it may be told nevertheless. */
export function hear(socket: Socket, what: keyof typeof METHODS, hearer: Hearer): void {
  const heard = ((socket as HeardSocket)[HEARD] ??= { hearers: [], methods: {}, own: new Map() })
  if (!heard.hearers.includes(hearer)) heard.hearers.push(hearer)
  for (const name of METHODS[what]) {
    const method = inside(socket)[name]
    // Where nothing is written in batches, `_writev` is null.
    if (typeof method !== 'function' || heard.own.has(name)) continue
    heard.methods[name] = method as (...args: unknown[]) => unknown
    heard.own.set(name, Object.getOwnPropertyDescriptor(socket, name))
    Object.defineProperty(socket, name, { value: TAPS[name], configurable: true, writable: true })
  }
}

/** Ends {@link hear}. */
export function unhear(socket: Socket, hearer: Hearer): void {
  const heard = (socket as Partial<HeardSocket>)[HEARD]
  const index = heard?.hearers.indexOf(hearer) ?? -1
  if (heard === undefined || index === -1) return
  heard.hearers.splice(index, 1)
  // On a socket that is over they stay, and tell nobody: with a property deleted it would be slow in all that Node still does with it,
  // and with those that come after it.
  if (heard.hearers.length > 0 || socket.destroyed) return
  for (const [name, own] of heard.own) {
    // Somebody else's on top of ours stays, and ours below it, which tells nobody.
    if ((inside(socket)[name] as unknown) !== TAPS[name]) continue
    restore(socket, name, own)
    heard.own.delete(name)
  }
  if (heard.own.size === 0) Reflect.deleteProperty(socket, HEARD)
}

/**
 * Calls `call` at every packet of a socket that encrypts on top of this one, whose bytes go past it: Node goes down from there to the
 * lowest socket by `_parent`. The packets of this socket ask for it too. Returns what ends that.
 */
export function hearAbove(socket: Socket, call: () => void): (() => void) | undefined {
  const own = Object.getOwnPropertyDescriptor(socket, '_parent')
  if (own?.configurable !== true) return undefined
  let { value } = own
  const get = () => {
    call()
    return own.get === undefined ? value : own.get.call(socket)
  }
  const set = (parent: unknown) => {
    if (own.set === undefined) value = parent
    else own.set.call(socket, parent)
  }
  Object.defineProperty(socket, '_parent', { get, set, enumerable: own.enumerable === true, configurable: true })
  return () => {
    if (Object.getOwnPropertyDescriptor(socket, '_parent')?.get !== get) return
    restore(socket, '_parent', own.get === undefined ? { ...own, value } : own)
  }
}

function restore(object: object, name: string, own: PropertyDescriptor | undefined): void {
  if (own === undefined) Reflect.deleteProperty(object, name)
  else Object.defineProperty(object, name, own)
}
