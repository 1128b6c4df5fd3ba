/**
 * What a socket of Node's does, heard at its own methods: for the little that has no event, or whose time has to be known. All is put
 * back in the end.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { type Inside, inside } from './traffic.js'

type Method = '_write' | '_writev' | '_unrefTimer' | 'push' | 'connect'
type Listener = (...args: never[]) => void

export class Taps {
  readonly #socket: Socket
  /** The methods that are heard. */
  readonly #heard = new Set<Method | '_parent'>()
  readonly #undo: (() => void)[] = []

  constructor(socket: Socket) {
    this.#socket = socket
  }

  listen(event: string, listener: Listener): void {
    const heard = listener as (...args: unknown[]) => void
    this.#socket.on(event, heard)
    this.#undo.push(() => this.#socket.off(event, heard))
  }

  /** After bytes were given to the kernel, or queued. */
  written(call: () => void): void {
    this.#replace(
      '_write',
      (write) =>
        function (this: Socket, chunk: unknown, encoding: unknown, callback: unknown) {
          write.call(this, chunk, encoding, callback)
          call()
        },
    )
    this.#replace(
      '_writev',
      (writev) =>
        function (this: Socket, chunks: unknown, callback: unknown) {
          writev.call(this, chunks, callback)
          call()
        },
    )
  }

  /** At every packet of Node's, either way: what was received counts already. */
  touched(call: () => void): void {
    this.#replace(
      '_unrefTimer',
      (unrefTimer) =>
        function (this: Socket) {
          call()
          unrefTimer.call(this)
        },
    )
  }

  /** When something came, where that is all there is to hear. */
  pushed(call: () => void): void {
    this.#replace(
      'push',
      (push) =>
        function (this: Socket, chunk: unknown, encoding: unknown) {
          call()
          return push.call(this, chunk, encoding)
        },
    )
  }

  /** After it was told to connect. */
  connecting(call: () => void): void {
    this.#replace(
      'connect',
      (connect) =>
        function (this: Socket, ...args: unknown[]) {
          const result = connect.apply(this, args)
          call()
          return result
        },
    )
  }

  #replace(name: Method, make: (method: (...args: unknown[]) => unknown) => (this: Socket, ...args: never[]) => unknown): void {
    const socket = inside(this.#socket)
    const method = socket[name] as ((...args: unknown[]) => unknown) | null | undefined
    // Where nothing is written in batches, `_writev` is null.
    if (typeof method !== 'function' || this.#heard.has(name)) return
    this.#heard.add(name)
    const own = Object.getOwnPropertyDescriptor(socket, name)
    const value = make(method)
    Object.defineProperty(socket, name, { value, configurable: true, writable: true })
    this.#undo.push(() => {
      // Somebody else's on top of ours stays; ours then tells nobody who has anything left to do.
      if (socket[name] === (value as Inside[Method])) restore(socket, name, own)
    })
  }

  /**
   * At every packet of a socket that encrypts on top of this one, whose bytes go past it: Node goes down from there to the lowest socket
   * by `_parent`. The packets of this socket ask for it too.
   */
  above(call: () => void): void {
    const socket = this.#socket
    const own = Object.getOwnPropertyDescriptor(socket, '_parent')
    if (own?.configurable !== true || this.#heard.has('_parent')) return
    this.#heard.add('_parent')
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
    this.#undo.push(() => {
      if (Object.getOwnPropertyDescriptor(socket, '_parent')?.get !== get) return
      restore(socket, '_parent', own.get === undefined ? { ...own, value } : own)
    })
  }

  end(): void {
    for (const undo of this.#undo.splice(0)) undo()
  }
}

function restore(object: object, name: string, own: PropertyDescriptor | undefined): void {
  if (own === undefined) Reflect.deleteProperty(object, name)
  else Object.defineProperty(object, name, own)
}
