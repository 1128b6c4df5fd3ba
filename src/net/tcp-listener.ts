/**
 * Listening for TCP connections.
 *
 * @module
 */
import type { InetAddress } from '../sys/address.js'
import { constants } from '../sys/constants.js'
import { checkOptions, integer } from '../sys/result.js'
import { listen, localAddress } from '../sys/socket.js'
import type { WaitOptions } from '../wait.js'
import { acceptAll, acceptOne } from './accept.js'
import { endpoint, type InetAddressInput, resolve } from './address.js'
import { checkBooleans } from './message.js'
import { bindInet, owning, Socket } from './socket.js'
import { TcpStream } from './tcp-stream.js'

/**
 * How to listen.
 *
 * @example
 * const options: TcpListenOptions = { backlog: 1024, reusePort: true }
 * await using listener = await TcpListener.bind('127.0.0.1:0', options)
 * console.log(listener.localAddress.port)
 */
export interface TcpListenOptions {
  /** Connections that may wait to be accepted. Default 511. */
  backlog?: number | undefined
  /** Whether an address may be bound that connections of a former listener still linger on. Default true. */
  reuseAddress?: boolean | undefined
  /** Whether several listeners, of this process or others, share the address; the kernel spreads connections over them. Default false. */
  reusePort?: boolean | undefined
  /** Whether an IPv6 listener on `::` leaves IPv4 alone. Default false. */
  ipv6Only?: boolean | undefined
}

const takeStream = (fd: number): TcpStream => owning(fd, () => new TcpStream(fd))

/**
 * Takes TCP connections.
 *
 * @example
 * await using listener = await TcpListener.bind('127.0.0.1:0')
 * await using client = await TcpStream.connect(listener.localAddress)
 * for await (const stream of listener.incoming()) {
 *   void serve(stream)
 *   break // or never
 * }
 */
export class TcpListener extends Socket {
  /**
   * Takes a listening, non-blocking TCP socket over: one that systemd passed, or another thread of this process.
   *
   * @throws AsyncFdError `EBADF`, `EEXIST`; the descriptor is closed then
   */
  constructor(fd: number) {
    super(fd)
  }

  /**
   * Binds to an address and listens. Port 0 is any that is free: `localAddress` tells. An empty host, as in `':8080'`, is `::`, where
   * IPv6 exists, which takes IPv4 as well.
   *
   * @returns rejects with the lookup's error, `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
   */
  static override bind(address: InetAddressInput, options: TcpListenOptions = {}): Promise<TcpListener> {
    const to = endpoint(address, '::')
    checkOptions(options)
    if (options.backlog !== undefined) integer('options.backlog', options.backlog, 0, 0x7fffffff)
    checkBooleans(options, ['reuseAddress', 'reusePort', 'ipv6Only'])
    return TcpListener.#bind(to, { ...options }, address)
  }

  static async #bind(to: ReturnType<typeof endpoint>, options: TcpListenOptions, given: InetAddressInput): Promise<TcpListener> {
    const [first] = await resolve(to)
    try {
      return TcpListener.#listen(first!, options)
    } catch (error) {
      const { code } = error as { code?: unknown }
      // Nobody asked for IPv6 there.
      const anywhere =
        to.host === '::' &&
        (typeof given === 'string' ? given.startsWith(':') : 'host' in given ? given.host !== '::' : !('address' in given))
      if (!anywhere || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error
      return TcpListener.#listen({ address: '0.0.0.0', port: to.port, family: 'IPv4' }, options)
    }
  }

  static #listen(address: InetAddress, options: TcpListenOptions): TcpListener {
    const { backlog = 511, reuseAddress = true } = options
    const fd = bindInet(constants.SOCK_STREAM, address, { ...options, reuseAddress }, (fd) => listen(fd, backlog))
    return new TcpListener(fd)
  }

  /** The address it listens on. @throws AsyncFdError `ERR_ASYNCFD_CLOSED` */
  override get localAddress(): InetAddress {
    return localAddress(this.port.open) as InetAddress
  }

  /**
   * Waits for a connection. Several may wait at once. Connections that are over before they are taken are passed over; where descriptors
   * have run out (EMFILE, ENFILE) it waits until there are some again, and `reactor.metrics().acceptPauses` counts.
   *
   * @returns rejects with `TimeoutError`, `signal.reason`, `ERR_ASYNCFD_CLOSED`
   */
  accept(options?: WaitOptions): Promise<TcpStream> {
    return acceptOne(this.port, options, takeStream)
  }

  /** Connections as they come. `close()` ends it; an abort or an expiry (of each) throws. */
  incoming(options?: WaitOptions): AsyncIterableIterator<TcpStream> {
    return acceptAll(this.port, options, takeStream)
  }
}
