/**
 * UDP.
 *
 * @module
 */
import { invalidArgValue } from '../errors.js'
import { Interest } from '../interest.js'
import { theReactor } from '../reactor.js'
import { type InetAddress, MANY } from '../sys/address.js'
import { constants } from '../sys/constants.js'
import { Outbox, recvMany } from '../sys/datagrams.js'
import { checkOptions, integer } from '../sys/result.js'
import { connect, localAddress, remoteAddress, sendTo } from '../sys/socket.js'
import { checkWaitOptions, telling, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import { type Endpoint, endpoint, type InetAddressInput, resolve } from './address.js'
import { rest, told, within } from './connect.js'
import { checkBoolean, checkBooleans, checkTransfer, recvMessage, recvMessageFrom, sendMessage, takeError } from './message.js'
import { membership } from './multicast.js'
import { bindInet, Socket, setOptions } from './socket.js'

/**
 * How to bind a {@link UdpSocket}.
 *
 * @example
 * const options: UdpBindOptions = { reuseAddress: true, broadcast: true }
 * await using socket = await UdpSocket.bind('0.0.0.0:0', options)
 */
export interface UdpBindOptions {
  /** Whether others that say so too may bind the same address, as all members of a multicast group on one host do. Default false. */
  reuseAddress?: boolean | undefined
  /** Whether several sockets share the address; the kernel spreads what comes over them. Default false. */
  reusePort?: boolean | undefined
  /** Whether an IPv6 socket on `::` leaves IPv4 alone. Default false. */
  ipv6Only?: boolean | undefined
  /** See {@link UdpSocket.setBroadcast}. */
  broadcast?: boolean | undefined
}

/**
 * A datagram that came.
 *
 * @example
 * await using socket = await UdpSocket.bind('127.0.0.1:0')
 * await socket.sendTo(Buffer.from('to myself'), socket.localAddress)
 * const { bytes, address }: UdpReceived = await socket.recvFrom(buffer)
 * console.log(`${bytes} bytes from port ${address.port}`)
 */
export interface UdpReceived {
  /** How much of it is in the buffer. */
  bytes: number
  /** Who sent it. */
  address: InetAddress
}

/**
 * A datagram of {@link UdpSocket.recvMany}.
 *
 * @example
 * await using socket = await UdpSocket.bind('127.0.0.1:0')
 * await socket.sendTo(Buffer.from('to myself'), socket.localAddress)
 * const [{ data, address }]: UdpDatagram[] = await socket.recvMany()
 * console.log(`${data} from port ${address.port}`)
 */
export interface UdpDatagram {
  /** All of it; nothing of ours writes there again. */
  data: Buffer
  /** Who sent it. */
  address: InetAddress
}

/**
 * A datagram for {@link UdpSocket.sendMany}.
 *
 * @example
 * await using socket = await UdpSocket.bind('127.0.0.1:0')
 * const metrics: UdpDatagramInput[] = ['hits:1|c', 'ms:7|g'].map((text) => ({ data: Buffer.from(text), address: '127.0.0.1:8125' }))
 * await socket.sendMany(metrics)
 */
export interface UdpDatagramInput {
  /** All of it. */
  readonly data: ArrayBufferView
  /** Where to, by IP address; left out, the peer that `connect` fixed. */
  readonly address?: InetAddressInput | undefined
}

/**
 * How to receive many.
 *
 * @example
 * await using socket = await UdpSocket.bind('127.0.0.1:0')
 * await socket.sendTo(Buffer.from('to myself'), socket.localAddress)
 * const options: UdpRecvManyOptions = { max: 16, timeout: 1000 }
 * console.log(await socket.recvMany(options))
 */
export interface UdpRecvManyOptions extends WaitOptions {
  /** How many at most, 1 to 64; 64 by default. */
  max?: number | undefined
}

/**
 * Sends and receives datagrams. Any number of operations may be pending: each takes one whole datagram, the oldest first.
 *
 * A datagram that is longer than the buffer is cut to it, and the rest of it is lost, as recv(2) does: a buffer of 65,535 bytes holds any.
 * An empty one is a datagram too: 0 bytes are not an end.
 *
 * @example
 * await using server = await UdpSocket.bind('127.0.0.1:0')
 * await using client = await UdpSocket.bind('127.0.0.1:0')
 * await client.sendTo(Buffer.from('ping'), server.localAddress)
 * const { bytes, address } = await server.recvFrom(buffer, { timeout: 1000 })
 */
export class UdpSocket extends Socket {
  /**
   * Takes a non-blocking UDP socket over: one that systemd passed, or another thread of this process.
   *
   * @throws AsyncFdError `EBADF`, `EEXIST`; the descriptor is closed then
   */
  constructor(fd: number) {
    super(fd)
  }

  /**
   * Binds to an address. Port 0 is any that is free: `localAddress` tells. An empty host, as in `':5353'`, is `0.0.0.0`.
   *
   * @returns rejects with the lookup's error, `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
   */
  static override bind(address: InetAddressInput, options: UdpBindOptions = {}): Promise<UdpSocket> {
    const to = endpoint(address, '0.0.0.0')
    checkOptions(options)
    checkBooleans(options, ['reuseAddress', 'reusePort', 'ipv6Only', 'broadcast'])
    return UdpSocket.#bind(to, { ...options })
  }

  static async #bind(to: Endpoint, options: UdpBindOptions): Promise<UdpSocket> {
    const [first] = await resolve(to)
    const fd = bindInet(constants.SOCK_DGRAM, first!, options, (fd) => {
      setOptions(fd, [[constants.SOL_SOCKET, constants.SO_BROADCAST, options.broadcast]])
    })
    return new UdpSocket(fd)
  }

  /** The address it is bound to. @throws AsyncFdError `ERR_ASYNCFD_CLOSED` */
  override get localAddress(): InetAddress {
    return localAddress(this.port.open) as InetAddress
  }

  /** The peer that {@link connect} fixed, or null. @throws AsyncFdError `ERR_ASYNCFD_CLOSED` */
  get remoteAddress(): InetAddress | null {
    const fd = this.port.open
    try {
      return remoteAddress(fd) as InetAddress
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOTCONN') return null
      throw error
    }
  }

  /**
   * Fixes the peer, which nothing is sent to: `send` sends there, and what others send does not arrive any more. May be called again.
   *
   * @returns rejects with the lookup's error, `TimeoutError` or `signal.reason` while that is pending; `ENETUNREACH`, `EAFNOSUPPORT`, ...
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
   */
  connect(address: InetAddressInput, options: WaitOptions = {}): Promise<void> {
    const to = endpoint(address, 'localhost')
    checkWaitOptions(options)
    return this.#connect(to, { signal: options.signal, timeout: options.timeout })
  }

  async #connect(to: Endpoint, limits: WaitOptions): Promise<void> {
    limits.signal?.throwIfAborted()
    const remote = await this.#found(to, limits)
    const fd = this.port.open
    try {
      connect(fd, remote)
    } catch (error) {
      throw told(error, remote)
    }
  }

  /** An address of the family of this socket, if there is one. */
  async #found(to: Endpoint, limits: WaitOptions): Promise<InetAddress> {
    if (to.known !== null) return to.known
    const { family } = this.localAddress
    const addresses = await within(resolve(to), limits)
    return addresses.find((address) => address.family === family) ?? addresses[0]!
  }

  /**
   * Sends a datagram to the peer, and waits if there is no room.
   *
   * @returns its size. Rejects with `TimeoutError`, `signal.reason`, `ERR_ASYNCFD_CLOSED`; `EDESTADDRREQ` if there is no peer, `EMSGSIZE`;
   *   `ECONNREFUSED` if the peer refused what was sent before: this datagram was not sent then
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (a SharedArrayBuffer), `ERR_INVALID_STATE` (a detached buffer)
   */
  send(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return sendMessage(this.port, buffer, options)
  }

  /**
   * Receives a datagram, and waits if there is none.
   *
   * @returns how much of it is in the buffer. Rejects as {@link send}, `ECONNREFUSED` included
   * @throws as {@link send}
   */
  recv(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    return recvMessage(this.port, buffer, options)
  }

  /**
   * Sends a datagram to an address. A name is looked up each time, within `timeout`.
   *
   * @returns its size. Rejects as {@link send}, and with the lookup's error
   * @throws as {@link send}, and `ERR_OUT_OF_RANGE`
   */
  sendTo(buffer: ArrayBufferView, address: InetAddressInput, options?: WaitOptions): Promise<number> {
    if (isKnown(address)) {
      let to = address
      // A copy, which stays what it is: only what is waited for needs one.
      const check = () => {
        checkTransfer(buffer, options)
        to = endpoint(address, 'localhost').known!
      }
      return this.port.call(Interest.WRITABLE, (fd) => sendTo(fd, buffer, to), check, options)
    }
    checkTransfer(buffer, options)
    const to = endpoint(address, 'localhost')
    if (to.known !== null) return this.#sendTo(buffer, to.known, options)
    return this.#sendToName(buffer, to, { signal: options?.signal, timeout: options?.timeout })
  }

  #sendTo(buffer: ArrayBufferView, address: InetAddress, options: WaitOptions | undefined): Promise<number> {
    const check = () => void checkTransfer(buffer, options)
    return this.port.call(Interest.WRITABLE, (fd) => sendTo(fd, buffer, address), check, options)
  }

  async #sendToName(buffer: ArrayBufferView, to: Endpoint, limits: WaitOptions): Promise<number> {
    limits.signal?.throwIfAborted()
    const begun = theReactor().now()
    return this.#sendTo(buffer, await this.#found(to, limits), rest(limits, begun))
  }

  /**
   * As {@link recv}, and who sent it.
   *
   * @returns rejects as {@link send}
   * @throws as {@link send}
   */
  recvFrom(buffer: ArrayBufferView, options?: WaitOptions): Promise<UdpReceived> {
    return recvMessageFrom(this.port, buffer, options) as Promise<UdpReceived>
  }

  /** As {@link recvFrom}, and the datagram stays to be received again. */
  peekFrom(buffer: ArrayBufferView, options?: WaitOptions): Promise<UdpReceived> {
    return recvMessageFrom(this.port, buffer, options, constants.MSG_PEEK) as Promise<UdpReceived>
  }

  /**
   * Receives all datagrams that there are, up to 64, in one system call; waits if there is none. For high rates: it takes a fraction of
   * what {@link recvFrom} does for each.
   *
   * @returns at least one, whole, in the order in which they came. Rejects as {@link send}
   * @throws as {@link send}, and `ERR_OUT_OF_RANGE`
   * @example
   * await using server = await UdpSocket.bind('127.0.0.1:0')
   * await using client = await UdpSocket.bind('127.0.0.1:0')
   * await client.sendMany(['one', 'two'].map((text) => ({ data: Buffer.from(text), address: server.localAddress })))
   * const datagrams = await server.recvMany({ timeout: 1000 })
   * await server.sendMany(datagrams) // an echo
   */
  recvMany(options?: UdpRecvManyOptions): Promise<UdpDatagram[]> {
    if (options !== undefined) checkWaitOptions(options)
    const max = integer('options.max', options?.max ?? MANY, 1, MANY)
    const limits = options === undefined ? undefined : { signal: options.signal, timeout: options.timeout }
    const call = (fd: number) => {
      const datagrams = recvMany(fd, max)
      if (datagrams !== WouldBlock) this.port.charge(Interest.READABLE, datagrams.length - 1)
      return datagrams as UdpDatagram[] | WouldBlock
    }
    return this.port.call(Interest.READABLE, call, () => {}, limits)
  }

  /**
   * Sends datagrams in order, up to 64 in one system call, and waits while there is no room. On Linux those of one size to one peer that
   * follow each other pass the network's layers as one. Names are not looked up: see {@link lookupHost}. The memory stays in use until it
   * is settled; the list and the addresses may change.
   *
   * @returns how many were sent, which is all. Rejects as {@link send}; the error's `datagramsSent` says how many were sent before
   * @throws as {@link send}, and `ERR_OUT_OF_RANGE`, for any of them before one is sent
   */
  sendMany(datagrams: readonly UdpDatagramInput[], options?: WaitOptions): Promise<number> {
    if (options !== undefined) checkWaitOptions(options)
    const outbox = new Outbox(datagrams, knownAddress)
    const done = this.port.call(
      Interest.WRITABLE,
      (fd) => outbox.sendAll(fd),
      () => {},
      options,
    )
    return outbox.left === 0 ? done : telling(done, options, () => ({ datagramsSent: outbox.sent }))
  }

  #set(level: number, name: number, value: number | boolean): this {
    setOptions(this.port.open, [[level, name, value]])
    return this
  }

  get #isIPv6(): boolean {
    return this.localAddress.family === 'IPv6'
  }

  /** Whether it may send to broadcast addresses, which is `EACCES` otherwise. */
  setBroadcast(on = true): this {
    checkBoolean('on', on)
    return this.#set(constants.SOL_SOCKET, constants.SO_BROADCAST, on)
  }

  /** How many routers its datagrams may pass. */
  setTtl(hops: number): this {
    integer('hops', hops, 1, 255)
    if (this.#isIPv6) return this.#set(constants.IPPROTO_IPV6, constants.IPV6_UNICAST_HOPS, hops)
    return this.#set(constants.IPPROTO_IP, constants.IP_TTL, hops)
  }

  /** As {@link setTtl}, of what it sends to groups: 1 by default, which stays in the network; 0 stays on the host. */
  setMulticastTtl(hops: number): this {
    integer('hops', hops, 0, 255)
    if (this.#isIPv6) return this.#set(constants.IPPROTO_IPV6, constants.IPV6_MULTICAST_HOPS, hops)
    return this.#set(constants.IPPROTO_IP, constants.IP_MULTICAST_TTL, hops)
  }

  /** Whether members on this host receive what it sends to groups too. Default true. */
  setMulticastLoop(on = true): this {
    checkBoolean('on', on)
    if (this.#isIPv6) return this.#set(constants.IPPROTO_IPV6, constants.IPV6_MULTICAST_LOOP, on)
    return this.#set(constants.IPPROTO_IP, constants.IP_MULTICAST_LOOP, on)
  }

  /**
   * Receives what is sent to a group.
   *
   * @param via the interface: one of its addresses for an IPv4 group, its number (scope id) for an IPv6 group; the kernel's choice by
   *   default
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; AsyncFdError `EADDRINUSE` (a member already), `EINVAL` (no
   *   multicast address), `ENODEV` (no such interface, or no route), `ERR_ASYNCFD_CLOSED`
   */
  joinMulticast(group: string, via?: string | number): this {
    const member = membership(group, via)
    member.join(this.port.open)
    return this
  }

  /** Leaves a group; closing does too. @throws as {@link joinMulticast}, with `EADDRNOTAVAIL` if it is no member */
  leaveMulticast(group: string, via?: string | number): this {
    const member = membership(group, via)
    member.leave(this.port.open)
    return this
  }

  /** The error that the kernel keeps for this socket, and forgets by being asked; null if there is none. */
  takeError(): Error | null {
    return takeError(this.port.open)
  }
}

/** @throws what is wrong with it, a name included */
function knownAddress(address: InetAddressInput): InetAddress {
  const { known, host } = endpoint(address, 'localhost')
  if (known === null) throw invalidArgValue('address', 'must be an IP address; lookupHost(name) finds it', host)
  return known
}

/** Whether it says an IP address, as what sockets give does, and no name. */
function isKnown(address: InetAddressInput): address is InetAddress {
  return typeof address === 'object' && address !== null && 'address' in address && !('path' in address)
}
