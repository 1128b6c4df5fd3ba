/**
 * The way to a connection: lookup, then attempts at all addresses side by side, within their limits. Whatever ends it leaves no
 * socket, no timer and no listener behind.
 *
 * @module
 */
import dns, { type LookupOptions } from 'node:dns'
import {
  type IpcNetConnectOpts,
  isIP,
  type NetConnectOpts,
  connect as netConnect,
  type Socket,
  type TcpNetConnectOpts,
} from 'node:net'
import { checkSignal, onAbort } from '../abort.js'
import { connecting } from '../diagnostics.js'
import { type ConnectAttempt, invalidArgType, invalidState, received } from '../errors.js'
import { type Attempt, tryAll } from '../net/connect.js'
import { theReactor } from '../reactor.js'
import type { InetAddress } from '../sys/address.js'
import { checkOptions } from '../sys/result.js'
import { exceeded } from './error.js'
import { type Limit, type Limited, Span } from './limit.js'
import type { Limits } from './phases.js'
import { hasRoom } from './traffic.js'

/** Where to: checked options. */
export interface Target {
  readonly options: NetConnectOpts
  /** Of an internet socket. */
  readonly inet: { readonly host: string; readonly port: number } | null
  readonly signal: AbortSignal | undefined
}

function portOf(port: unknown): number {
  if (typeof port !== 'number' && typeof port !== 'string') throw invalidArgType('options.port', 'a number or a string', port)
  const number = typeof port === 'string' && port.trim() === '' ? Number.NaN : Number(port)
  if (!(number >= 0 && number <= 0xffff && number === Math.trunc(number))) {
    const error = new RangeError(`options.port should be >= 0 and < 65536. Received ${String(port)}.`)
    throw Object.assign(error, { code: 'ERR_SOCKET_BAD_PORT' })
  }
  return number
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_SOCKET_BAD_PORT` */
export function checkTarget(options: NetConnectOpts): Target {
  checkOptions(options)
  const { signal } = options as { signal?: AbortSignal }
  checkSignal(options as { signal?: AbortSignal })
  // As in Node, an empty path is none.
  if ('path' in options && options.path) {
    if (typeof options.path !== 'string') throw invalidArgType('options.path', 'of type string', options.path)
    return { options, inet: null, signal }
  }
  const { host, port, lookup, localAddress } = options as TcpNetConnectOpts
  if (localAddress !== undefined && localAddress !== null && typeof localAddress !== 'string')
    throw invalidArgType('options.localAddress', 'of type string', localAddress)
  if (host !== undefined && host !== null && typeof host !== 'string')
    throw invalidArgType('options.host', 'of type string', host)
  if (lookup !== undefined && typeof lookup !== 'function') throw invalidArgType('options.lookup', 'of type function', lookup)
  return { options, inet: { host: host || 'localhost', port: portOf(port) }, signal }
}

function lookUp({ options, inet }: Target): Promise<InetAddress[]> {
  const { host, port } = inet as NonNullable<Target['inet']>
  const address = (found: string): InetAddress => ({ address: found, port, family: isIP(found) === 6 ? 'IPv6' : 'IPv4' })
  if (isIP(host) !== 0) return Promise.resolve([address(host)])
  // As net.connect: what somebody has put in the place of Node's counts.
  const { family, hints, lookup = dns.lookup, autoSelectFamily } = options as TcpNetConnectOpts
  return new Promise((resolve, reject) => {
    const asked: LookupOptions = { all: true }
    if (family !== undefined) asked.family = family
    if (hints !== undefined) asked.hints = hints
    // Whatever a lookup of the user's own answers.
    const found = (error: unknown, answer: unknown) => {
      if (error) return reject(error)
      const all: unknown[] = Array.isArray(answer) ? answer.map((one) => one?.address) : [answer]
      const wrong = all.find((one) => typeof one !== 'string' || isIP(one) === 0)
      if (all.length === 0 || wrong !== undefined) {
        const [code, text] =
          all.length === 0
            ? ['ENOTFOUND', `no address of ${host} was found`]
            : ['ERR_INVALID_IP_ADDRESS', `the lookup of ${host} must give IP addresses. Received ${received(wrong)}`]
        return reject(Object.assign(new Error(text), { code, hostname: host }))
      }
      resolve((autoSelectFamily === false ? all.slice(0, 1) : all).map((one) => address(one as string)))
    }
    lookup(host, asked, found as never)
  })
}

/** One connection on its way. */
export class Connecting implements Limited {
  readonly attempts: ConnectAttempt[] = []
  /** When it began. */
  readonly begun = theReactor().now()
  readonly #target: Target
  /** Kept while the process is to live for them, as somebody awaits the outcome. */
  readonly #limits: { lookup?: Span; connect?: Span; total?: Span } = {}
  readonly #sockets = new Set<Socket>()
  #reject: ((reason: unknown) => void) | undefined
  #giveUp: (() => void) | undefined

  constructor(target: Target, limits: Limits) {
    this.#target = target
    const { lookup, connect, total } = limits
    const isAnswered = () => {
      const answers = [...this.#sockets].map(hasRoom)
      // A lookup cannot be asked about.
      return answers.length === 0 || answers.includes(null) ? null : answers.includes(true)
    }
    if (lookup) this.#limits.lookup = new Span(this, 'lookup', lookup, () => true, true)
    if (connect) this.#limits.connect = new Span(this, 'connect', connect, isAnswered, true)
    if (total) this.#limits.total = new Span(this, 'total', total, isAnswered, true)
  }

  /** Resolves with the socket that connected first. */
  async socket(): Promise<Socket> {
    const { signal } = this.#target
    if (signal?.aborted) throw signal.reason
    const given = new Promise<never>((_, reject) => {
      this.#reject = reject
    })
    const off = signal === undefined ? undefined : onAbort(signal, () => this.#reject?.(signal.reason))
    this.#limits.total?.start(this.begun)
    const work = this.#work()
    try {
      return await Promise.race([work, given])
    } catch (error) {
      // It may have connected at the very same time.
      work.then(
        (socket) => socket.destroy(),
        () => {},
      )
      throw error
    } finally {
      off?.()
      this.#giveUp?.()
      for (const limit of Object.values(this.#limits)) limit.stop()
    }
  }

  async #work(): Promise<Socket> {
    const { options, inet } = this.#target
    const { lookup, connect } = this.#limits
    const { signal: _, ...rest } = options as NetConnectOpts & { signal?: AbortSignal }
    if (inet === null) {
      connect?.start()
      const attempt = this.#attempt(rest)
      this.#giveUp = attempt.destroy
      const done = connecting((rest as IpcNetConnectOpts).path)
      await attempt.connected.then(
        () => done(),
        (error) => {
          done(error)
          throw error
        },
      )
      this.#giveUp = undefined
      return attempt.stream
    }
    let over = false
    this.#giveUp = () => {
      over = true
    }
    lookup?.start()
    const addresses = await lookUp(this.#target)
    if (over) throw invalidState('given up')
    lookup?.stop()
    connect?.start()
    const start = ({ address, port }: InetAddress) => {
      const tried: ConnectAttempt = { address, port }
      this.attempts.push(tried)
      return this.#attempt({ ...rest, host: address, port, autoSelectFamily: false }, tried)
    }
    const { first, end } = tryAll(addresses, start, (options as TcpNetConnectOpts).autoSelectFamilyAttemptTimeout)
    this.#giveUp = end
    return first
  }

  /** Notes in `tried` what it fails with; being given up is no failure of its own. */
  #attempt(options: NetConnectOpts, tried?: ConnectAttempt): Attempt<Socket> {
    const socket = netConnect(options)
    this.#sockets.add(socket)
    const connected = new Promise<void>((resolve, reject) => {
      const settled = () => {
        this.#sockets.delete(socket)
        socket.off('connect', onConnect).off('error', onError).off('close', onClose)
      }
      const onConnect = () => {
        settled()
        resolve()
      }
      const onError = (error: Error) => {
        settled()
        if (tried !== undefined) tried.error = error
        reject(error)
      }
      // Ended by us.
      const onClose = () => {
        settled()
        reject(invalidState('given up'))
      }
      socket.on('connect', onConnect).on('error', onError).on('close', onClose)
    })
    return { stream: socket, connected, destroy: () => void socket.destroy() }
  }

  /** Whatever runs is stopped when it ends. */
  sync(): void {}

  exceeded(limit: Limit, elapsed: number, loopDelay: number): void {
    const { inet, options } = this.#target
    const peer = inet ?? { address: (options as { path: string }).path }
    this.#reject?.(exceeded(limit, elapsed, loopDelay, peer, this.attempts))
  }
}
