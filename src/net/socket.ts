/**
 * What all sockets of this module have: a descriptor of their own, its addresses, its options, its end.
 *
 * @module
 */

import * as util from 'node:util'
import { AsyncFd } from '../async-fd.js'
import { Interest } from '../interest.js'
import { Kind } from '../io/kind.js'
import { Port } from '../io/port.js'
import type { InetAddress, SocketAddress } from '../sys/address.js'
import { constants } from '../sys/constants.js'
import { close } from '../sys/descriptor.js'
import { setSocketOption } from '../sys/option.js'
import { bind, localAddress, socket } from '../sys/socket.js'
import { told } from './connect.js'

/** Makes something of a descriptor, which is closed if that throws. */
export function owning<R>(fd: number, make: (fd: number) => R): R {
  try {
    return make(fd)
  } catch (error) {
    close(fd)
    throw error
  }
}

/** Makes a socket and hands it to `use`; it is closed if that throws. */
export function withSocket<R>(domain: number, type: number, use: (fd: number) => R): R {
  return owning(socket(domain, type), use)
}

/** The address family of an IP address. */
export function domainOf(address: { family: 'IPv4' | 'IPv6' }): number {
  return address.family === 'IPv6' ? constants.AF_INET6 : constants.AF_INET
}

/** Sets options that are given. */
export function setOptions(
  fd: number,
  options: readonly (readonly [level: number, name: number, value: boolean | number | undefined])[],
): void {
  for (const [level, name, value] of options) if (value !== undefined) setSocketOption(fd, level, name, value)
}

/** Binds an internet socket. */
export function bindTo(fd: number, address: InetAddress): void {
  try {
    bind(fd, address)
  } catch (error) {
    throw told(error, address)
  }
}

/** How an internet socket is bound. */
export interface BindOptions {
  reuseAddress?: boolean | undefined
  reusePort?: boolean | undefined
  ipv6Only?: boolean | undefined
}

/** Makes an internet socket, binds it, and makes it `ready`; it is closed if anything fails. @returns the descriptor */
export function bindInet(
  type: number,
  address: InetAddress,
  { reuseAddress, reusePort, ipv6Only = false }: BindOptions,
  ready: (fd: number) => void,
): number {
  return withSocket(domainOf(address), type, (fd) => {
    setOptions(fd, [
      [constants.SOL_SOCKET, constants.SO_REUSEADDR, reuseAddress],
      [constants.SOL_SOCKET, constants.SO_REUSEPORT, reusePort],
    ])
    if (address.family === 'IPv6') setOptions(fd, [[constants.IPPROTO_IPV6, constants.IPV6_V6ONLY, ipv6Only]])
    bindTo(fd, address)
    ready(fd)
    return fd
  })
}

/** A socket that is no stream of bytes: a listener, or one of datagrams. */
export abstract class Socket implements AsyncDisposable {
  readonly #asyncFd: AsyncFd
  /** @internal */
  protected readonly port: Port<number>

  /** @internal Takes `fd` over, which is non-blocking, even if it throws. */
  constructor(fd: number) {
    this.#asyncFd = owning(fd, () => new AsyncFd(fd, { owned: true, interest: Interest.READABLE | Interest.WRITABLE }))
    this.port = new Port(this.#asyncFd, Kind.socket)
  }

  /** The descriptor. */
  get fd(): number {
    return this.#asyncFd.fd
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#asyncFd.closed
  }

  /** The address it is bound to. @throws AsyncFdError `ERR_ASYNCFD_CLOSED` */
  get localAddress(): SocketAddress {
    return localAddress(this.port.open)
  }

  /** Ends it. What is pending rejects with `ERR_ASYNCFD_CLOSED`. */
  async close(): Promise<void> {
    this.destroy()
  }

  /** As {@link close}. */
  destroy(): void {
    this.#asyncFd.close()
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Gives the descriptor away: the caller closes it. What is pending rejects with `ERR_ASYNCFD_CLOSED`. */
  intoInner(): number {
    return this.#asyncFd.intoInner()
  }

  /** What is pending keeps the process alive. The default. */
  ref(): this {
    this.#asyncFd.ref()
    return this
  }

  /** What is pending does not keep the process alive. */
  unref(): this {
    this.#asyncFd.unref()
    return this
  }

  /** Whether something pending keeps the process alive now. */
  hasRef(): boolean {
    return this.#asyncFd.hasRef()
  }

  /** What `console.log` shows. */
  [util.inspect.custom](): string {
    return `${this.constructor.name} { fd: ${this.fd}, ${this.closed ? 'closed' : util.inspect(this.localAddress)} }`
  }
}
