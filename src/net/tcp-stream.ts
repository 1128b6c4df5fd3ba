/**
 * TCP connections.
 *
 * @module
 */
import { Socket as NodeSocket } from 'node:net'
import { ON_NODE } from '../driver.js'
import { AsyncFdError, ErrorCode, invalidArgType, invalidArgValue } from '../errors.js'
import { Interest } from '../interest.js'
import { Async } from '../io/async.js'
import { Kind } from '../io/kind.js'
import { theReactor } from '../reactor.js'
import type { InetAddress } from '../sys/address.js'
import { recv } from '../sys/bytes.js'
import { constants } from '../sys/constants.js'
import { setSocketOption } from '../sys/option.js'
import { checkOptions, integer } from '../sys/result.js'
import { connect, localAddress, remoteAddress, shutdown } from '../sys/socket.js'
import { checkWaitOptions, type WaitOptions } from '../wait.js'
import { WouldBlock } from '../would-block.js'
import { endpoint, type InetAddressInput, type Lookup, resolve } from './address.js'
import { type Attempt, checkConnected, connectToAny, rest, within } from './connect.js'
import { checkBoolean, checkTransfer, takeError } from './message.js'
import { directionOf, type ShutdownHow } from './shutdown.js'
import { bindTo, domainOf, owning, setOptions, withSocket } from './socket.js'
import { type ReadHalf, split, type WriteHalf } from './split.js'

/**
 * How to connect.
 *
 * @example
 * const options: TcpConnectOptions = { timeout: 2000, noDelay: true, keepAlive: 30_000 }
 * await using stream = await TcpStream.connect({ host: '127.0.0.1', port }, options)
 */
export interface TcpConnectOptions extends WaitOptions {
  /** Where to connect from. */
  localAddress?: InetAddressInput | undefined
  /** See {@link TcpStream.setNoDelay}. */
  noDelay?: boolean | undefined
  /** See {@link TcpStream.setKeepAlive}: true, or the milliseconds of silence before the first probe. */
  keepAlive?: boolean | number | undefined
  /** Looks names up, as `dns.lookup` does, which is the default. */
  lookup?: Lookup | undefined
}

/** Milliseconds as whole seconds, as the kernel counts them: never fewer, and at least one. */
function seconds(name: string, ms: number): number {
  if (typeof ms !== 'number') throw invalidArgType(name, 'a number of milliseconds', ms)
  return Math.max(1, Math.ceil(integer(name, Math.ceil(ms), 0, 32_767_000) / 1000))
}

/**
 * A TCP connection. Reading and writing it is {@link Async}'s.
 *
 * @example
 * await using stream = await TcpStream.connect({ host: 'localhost', port }, { timeout: 5000 })
 * await stream.writeAll(Buffer.from('GET / HTTP/1.0\r\n\r\n'))
 * for await (const line of stream.lines({ timeout: 5000 })) console.log(line)
 */
export class TcpStream extends Async<number> {
  readonly #remote: InetAddress | undefined

  /**
   * Takes a connected, non-blocking TCP socket over, as one that came from `sys.accept`, or from another thread of this process.
   *
   * @throws as {@link Async}; the descriptor then stays the caller's
   */
  constructor(fd: number, remote?: InetAddress) {
    super(
      fd,
      { owned: true, nonblocking: 'already' },
      { kind: Kind.tcp, interest: Interest.READABLE | Interest.WRITABLE | Interest.PRIORITY },
    )
    this.#remote = remote
  }

  /**
   * Connects. A name's addresses are tried one after the other, a quarter of a second apart, and the first that answers is taken.
   *
   * @returns rejects with the lookup's error; with connect(2)'s, which then has `address` and `port` (an AggregateError of several
   *   addresses); with `TimeoutError` after `timeout` ms, of all together; with `signal.reason`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
   */
  static connect(address: InetAddressInput, options: TcpConnectOptions = {}): Promise<TcpStream> {
    const to = endpoint(address, 'localhost')
    checkOptions(options)
    checkWaitOptions(options)
    const { noDelay, keepAlive, lookup, localAddress: local } = options
    if (noDelay !== undefined) checkBoolean('options.noDelay', noDelay)
    const idle = typeof keepAlive === 'number' ? seconds('options.keepAlive', keepAlive) : undefined
    if (keepAlive !== undefined && idle === undefined) checkBoolean('options.keepAlive', keepAlive)
    if (lookup !== undefined && typeof lookup !== 'function') throw invalidArgType('options.lookup', 'of type function', lookup)
    const from = local === undefined ? undefined : endpoint(local, '0.0.0.0')
    if (from?.known === null) throw invalidArgValue('options.localAddress', 'must have an IP address', local)
    const source = from?.known
    const limits: WaitOptions = { signal: options.signal, timeout: options.timeout }
    const start = (remote: InetAddress): Attempt<TcpStream> => {
      const [stream, pending] = withSocket(domainOf(remote), constants.SOCK_STREAM, (fd) => {
        setOptions(fd, [
          [constants.IPPROTO_TCP, constants.TCP_NODELAY, noDelay],
          [constants.SOL_SOCKET, constants.SO_KEEPALIVE, idle === undefined ? (keepAlive as boolean | undefined) : true],
          [constants.IPPROTO_TCP, constants.TCP_KEEPIDLE, idle],
        ])
        if (source !== undefined && source !== null) bindTo(fd, source)
        const result = connect(fd, remote)
        return [new TcpStream(fd, remote), result === WouldBlock]
      })
      return {
        stream,
        connected: pending ? stream.writable().then(() => checkConnected(stream.fd)) : Promise.resolve(),
        destroy: () => stream.destroy(),
      }
    }
    return TcpStream.#connect(to, start, limits, lookup)
  }

  static async #connect(
    to: ReturnType<typeof endpoint>,
    start: (remote: InetAddress) => Attempt<TcpStream>,
    limits: WaitOptions,
    lookup: Lookup | undefined,
  ): Promise<TcpStream> {
    limits.signal?.throwIfAborted()
    if (to.known !== null) return connectToAny([to.known], start, limits)
    const begun = theReactor().now()
    const addresses = await within(resolve(to, lookup), limits)
    return connectToAny(addresses, start, rest(limits, begun))
  }

  /** The address of this end. @throws AsyncFdError `ERR_ASYNCFD_CLOSED` */
  get localAddress(): InetAddress {
    return localAddress(this.open) as InetAddress
  }

  /**
   * The address of the other end. Of one that `connect` made it is known for ever.
   *
   * @throws AsyncFdError `ENOTCONN` if it is not connected any more, `ERR_ASYNCFD_CLOSED`
   */
  get remoteAddress(): InetAddress {
    try {
      // Not always the one that was asked for: `0.0.0.0` is this host.
      return remoteAddress(this.open) as InetAddress
    } catch (error) {
      if (this.#remote === undefined) throw error
      return this.#remote
    }
  }

  /** As `read`, and what was read stays to be read again. */
  peek(buffer: ArrayBufferView, options?: WaitOptions): Promise<number> {
    // Where nothing is asked for there is nothing to be waited for.
    if (checkTransfer(buffer, options) === 0) return this.port.read(buffer, options)
    return this.port.with(Interest.READABLE, (fd) => recv(fd, buffer, 0, undefined, constants.MSG_PEEK), options)
  }

  /** Two halves, one to read and one to write, that close the connection when both are closed. */
  split(): [ReadHalf, WriteHalf] {
    return split(this)
  }

  /** Ends a direction: `'write'` (default) tells the peer that no more comes, `'read'` has reads give 0. @throws AsyncFdError `ENOTCONN` */
  shutdown(how: ShutdownHow = 'write'): void {
    const direction = directionOf(how)
    shutdown(this.open, direction)
  }

  /** Sends small writes at once instead of waiting for what the peer owes (Nagle's algorithm off). */
  setNoDelay(on = true): this {
    setSocketOption(this.open, constants.IPPROTO_TCP, constants.TCP_NODELAY, checkBoolean('on', on))
    return this
  }

  /** Probes a silent peer, first after `delay` ms (whole seconds; the system's two hours by default). */
  setKeepAlive(on = true, delay?: number): this {
    checkBoolean('on', on)
    const idle = delay === undefined ? undefined : seconds('delay', delay)
    setOptions(this.open, [
      [constants.SOL_SOCKET, constants.SO_KEEPALIVE, on],
      [constants.IPPROTO_TCP, constants.TCP_KEEPIDLE, on ? idle : undefined],
    ])
    return this
  }

  /**
   * What closing does with what was not sent: null (default) goes on sending it, 0 throws it away and resets, else it is sent for so many ms
   * (whole seconds) at most. On Linux closing blocks this thread meanwhile, though the socket is non-blocking: use null or 0.
   */
  setLinger(ms: number | null): this {
    const value = Int32Array.of(ms === null ? 0 : 1, ms === null || ms === 0 ? 0 : seconds('ms', ms))
    setSocketOption(this.open, constants.SOL_SOCKET, constants.SO_LINGER, value)
    return this
  }

  /** How long what was sent may stay unacknowledged before the kernel ends the connection (TCP_USER_TIMEOUT); 0: its default. */
  setUserTimeout(ms: number): this {
    setSocketOption(this.open, constants.IPPROTO_TCP, constants.TCP_USER_TIMEOUT, integer('ms', ms, 0, 0x7fffffff))
    return this
  }

  /** How many routers its packets may pass. */
  setTtl(hops: number): this {
    integer('hops', hops, 1, 255)
    const domain = this.localAddress.family
    if (domain === 'IPv6') setSocketOption(this.open, constants.IPPROTO_IPV6, constants.IPV6_UNICAST_HOPS, hops)
    else setSocketOption(this.open, constants.IPPROTO_IP, constants.IP_TTL, hops)
    return this
  }

  /** The error that the kernel keeps for this socket, and forgets by being asked; null if there is none. */
  takeError(): Error | null {
    return takeError(this.open)
  }

  /**
   * Hands the connection to a `net.Socket`, for whatever wants one: `tls.connect({ socket })`, `http`, ... This object is closed then.
   *
   * @throws AsyncFdError `ERR_ASYNCFD_UNSUPPORTED` on runtimes that cannot make one of a descriptor
   */
  intoSocket(): NodeSocket {
    if (!ON_NODE) {
      throw new AsyncFdError('this runtime makes no net.Socket of a descriptor; use toDuplex()', ErrorCode.UNSUPPORTED)
    }
    return owning(this.intoInner(), (fd) => new NodeSocket({ fd, readable: true, writable: true }))
  }
}
