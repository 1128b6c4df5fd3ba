/**
 * Many datagrams in one system call.
 *
 * @module
 */
import { invalidArgType, invalidState } from '../errors.js'
import { type Binding, native } from '../native.js'
import { WouldBlock } from '../would-block.js'
import { addressesRoom, BLOCK, MANY, putAddress, type SocketAddress, type SocketAddressInput, takeAddress } from './address.js'
import { byteLengthOf, isUint8Array, quickSize } from './bytes.js'
import { type FdSource, fdOf } from './fd-source.js'
import { integer, orBlocked } from './result.js'

/**
 * A datagram that came.
 *
 * @example
 * const datagrams: sys.Datagram[] | WouldBlock = sys.recvMany(udp)
 * if (datagrams !== WouldBlock) console.log(datagrams.map(({ data }) => data.toString()))
 */
export interface Datagram {
  /** All of it; nothing of ours writes there again. */
  data: Buffer
  /** Who sent it; `undefined` on Unix sockets whose peer has no name. */
  address: SocketAddress | undefined
}

/**
 * A datagram to be sent.
 *
 * @example
 * const metric: sys.DatagramInput = { data: Buffer.from('requests:1|c'), address: { address: '127.0.0.1', port: 8125 } }
 * sys.sendMany(udp, [metric])
 */
export interface DatagramInput {
  /** All of it. */
  readonly data: ArrayBufferView
  /** Where to; left out, the peer that the socket is connected to. */
  readonly address?: SocketAddressInput | undefined
}

/**
 * Room for each datagram: the longest that UDP has fits. Not a multiple of a page, so that the beginnings of all do not compete for
 * the same lines of the processor's caches; only those pages that are written to are taken from the system.
 */
const STRIDE = 65_600

let sysRecvMany: Binding['sysRecvMany'] | undefined
let sysSendMany: Binding['sysSendMany'] | undefined

let memory: Buffer | undefined
const lengths = new Int32Array(MANY)

/**
 * Receives the datagrams that there are, by recvmmsg(2), or one after the other where there is no such call.
 *
 * @param max how many at most, 1 to 64; 64 by default
 * @returns at least one, or `WouldBlock` if there is none yet. Longer ones than 65,600 bytes, which only Unix sockets have, are cut to that.
 * @throws as `recv`
 * @example
 * const datagrams = sys.recvMany(udp)
 * if (datagrams !== WouldBlock) sys.sendMany(udp, datagrams)
 */
export function recvMany(fd: FdSource, max = MANY): Datagram[] | WouldBlock {
  const number = fdOf(fd)
  integer('max', max, 1, MANY)
  memory ??= Buffer.allocUnsafeSlow(STRIDE * MANY)
  const received = (sysRecvMany ??= native().sysRecvMany)(number, memory, STRIDE, max, lengths, addressesRoom())
  const count = orBlocked(received, 'recvmmsg', number)
  if (count === WouldBlock) return WouldBlock
  const datagrams: Datagram[] = []
  for (let i = 0; i < count; i++) {
    const at = i * STRIDE
    datagrams.push({ data: Buffer.from(memory.subarray(at, at + lengths[i]!)), address: takeAddress(i) })
  }
  return datagrams
}

/**
 * Sends datagrams in order, by sendmmsg(2) with `MSG_NOSIGNAL`, or one after the other where there is no such call.
 *
 * @returns how many were taken, at most 64: go on with the next. `WouldBlock` if there is no room. What is wrong with a later one than the
 *   first is told when it is the first.
 * @throws as `sendTo`; bad input of any of them before one is sent
 * @example
 * const count = sys.sendMany(udp, ['one', 'two'].map((text) => ({ data: Buffer.from(text), address: sys.localAddress(udp) })))
 */
export function sendMany(fd: FdSource, datagrams: readonly DatagramInput[]): number | WouldBlock {
  const number = fdOf(fd)
  const outbox = new Outbox(datagrams, (address) => address)
  return outbox.left === 0 ? 0 : outbox.send(number)
}

/** A datagram whose address is of any form. */
interface Outgoing<A> {
  readonly data: ArrayBufferView
  readonly address?: A | undefined
}

/** Datagrams that were checked, and their addresses copied. */
export class Outbox<A> {
  readonly #views: ArrayBufferView[] = []
  readonly #sizes: number[] = []
  readonly #blocks: Uint8Array
  /** How many were sent. */
  sent = 0

  /** @throws what is wrong with any of them, before one is sent */
  constructor(datagrams: readonly Outgoing<A>[], addressOf: (address: A) => SocketAddressInput) {
    if (!Array.isArray(datagrams)) throw invalidArgType('datagrams', 'an array of objects { data, address }', datagrams)
    const count = datagrams.length
    this.#blocks = new Uint8Array(count * BLOCK)
    for (let i = 0; i < count; i++) {
      const datagram = datagrams[i]
      if (typeof datagram !== 'object' || datagram === null)
        throw invalidArgType(`datagrams[${i}]`, 'an object { data, address }', datagram)
      const { data, address } = datagram
      // Made for nobody else, a name costs more than the check.
      const size = isUint8Array(data) && !(data.buffer instanceof SharedArrayBuffer) ? data.length : 0
      this.#sizes.push(size > 0 ? size : byteLengthOf(`datagrams[${i}].data`, data))
      this.#views.push(data)
      if (address !== undefined) this.#blocks.set(putAddress(addressOf(address), 'sendmmsg'), i * BLOCK)
    }
  }

  get left(): number {
    return this.#views.length - this.sent
  }

  /** Sends the next, 64 at most: how many were taken. */
  send(fd: number): number | WouldBlock {
    const { sent } = this
    let [views, blocks] = [this.#views, this.#blocks]
    let end = sent
    while (end < Math.min(sent + MANY, views.length) && quickSize(views[end]!) === this.#sizes[end]) end++
    if (end === sent) throw invalidState(`datagrams[${sent}].data was detached or resized meanwhile`)
    if (end - sent < views.length) {
      views = views.slice(sent, end)
      blocks = blocks.subarray(sent * BLOCK, end * BLOCK)
    }
    const count = orBlocked((sysSendMany ??= native().sysSendMany)(fd, views, blocks), 'sendmmsg', fd)
    if (count !== WouldBlock) this.sent += count
    return count
  }

  /** Sends all that are left, as far as there is room. */
  sendAll(fd: number): number | WouldBlock {
    while (this.left > 0) if (this.send(fd) === WouldBlock) return WouldBlock
    return this.sent
  }
}
