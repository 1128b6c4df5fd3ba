/**
 * Limits on a socket of Node's: `withTimeouts`.
 *
 * @module
 */
import { isIP, Socket } from 'node:net'
import { captureContext } from '../context.js'
import { AsyncFdError, type ConnectAttempt, ErrorCode, invalidArgType, invalidArgValue, invalidState } from '../errors.js'
import { theReactor } from '../reactor.js'
import { Ear } from './ear.js'
import { exceeded, type Peer } from './error.js'
import { type Limit, Span } from './limit.js'
import { type Limits, PHASES, type Phase, type Phases, readPhases } from './phases.js'
import { fdOf, hasInput, hasRoom, inside, isEncrypted, isHidden } from './traffic.js'
import { Idle, Read, Response, Write } from './traffic-limits.js'

/** Where a socket is in its life. */
type Stage = 'unconnected' | 'lookup' | 'connect' | 'secureConnect' | 'open' | 'closed'

/** The stages in which a limit runs. */
const STAGES: Record<Phase, readonly Stage[]> = {
  lookup: ['lookup'],
  connect: ['connect'],
  secureConnect: ['secureConnect'],
  idle: ['secureConnect', 'open'],
  response: ['open'],
  read: ['open'],
  write: ['open'],
  total: ['lookup', 'connect', 'secureConnect', 'open'],
}

/** What tells that a socket goes on to its next stage. What a client takes away of these is made up for at the next packet. */
const EVENTS = ['lookup', 'connectionAttempt', 'connect', 'secureConnect', 'secure', 'close'] as const

const NOWHERE: Peer = Object.freeze({})

/**
 * The limits of one socket, until it closes or they are taken away.
 *
 * @example
 * const socket = net.connect(port, host)
 * const guard: TimeoutGuard = withTimeouts(socket, { connect: 2000 })
 * guard.update({ response: 5000 }) // these and no others, from now on
 */
export class TimeoutGuard implements Disposable {
  readonly #socket: Socket
  /** There are as many guards as connections: what few of them have is made when it is needed. Lists are made by `concat`, with room for no more. */
  #limits: readonly Limit[] = []
  #lookedUp = false
  #peer: Peer = NOWHERE
  /** Where to it was told to connect, for runtimes that do not tell where it tries. */
  #target: Peer
  #attempts: ConnectAttempt[] | undefined
  readonly #context = captureContext('Timeout')
  readonly #ear: Ear
  #isOpen = false
  #hearsResume = false
  /** Listeners, to be taken back when it ends. */
  #listeners: readonly [event: string, listener: (...args: unknown[]) => void][] = []
  #ended = false
  /** @internal When the connection's life began, if it has. */
  begun: number | undefined

  /** @internal */
  constructor(socket: Socket, limits: Limits, begun?: number, attempts?: ConnectAttempt[], target: Peer = NOWHERE) {
    this.#socket = socket
    this.#target = target
    this.#ear = new Ear(socket, this)
    this.begun = begun
    this.#attempts = attempts
    this.#set(limits)
    this.#lookedUp = socket.connecting && fdOf(socket) >= 0
    // One that is connected has nothing more to tell of that: each listener in vain costs memory, for all its life.
    const isConnected = this.#stage() === 'open' && !isEncrypted(socket)
    if (!isConnected) this.#listenToAttempts()
    const sync = () => {
      this.sync()
      // What waited for the connection is written by other listeners of the same event.
      queueMicrotask(() => {
        for (const limit of this.#limits) if (limit.running) limit.look()
      })
    }
    for (const event of isConnected ? ['close'] : EVENTS) this.#listen(event, sync)
    this.sync()
    if (this.#stage() === 'unconnected') this.#ear.awaitConnecting()
  }

  #listenToAttempts(): void {
    this.#listen('lookup', (error: Error | null, _address: string, _family: number, host: string) => {
      this.#peer = { ...this.#peer, host }
      if (error === null) this.#lookedUp = true
    })
    this.#listen('connectionAttempt', (address: string, port: number) => {
      this.#lookedUp = true
      this.#peer = { address, port }
      this.#attempts ??= []
      this.#attempts.push({ address, port })
    })
    this.#listen('connectionAttemptFailed', (address: string, port: number, _family: number, error: Error) => {
      const attempt = this.#attempts?.find((one) => one.address === address && one.port === port && one.error === undefined)
      if (attempt !== undefined) attempt.error = error
    })
  }

  #listen(event: string, listener: (...args: never[]) => void): void {
    const heard = listener as (...args: unknown[]) => void
    this.#socket.on(event, heard)
    this.#listeners = this.#listeners.concat([[event, heard]])
  }

  /** @internal The socket was told to connect. */
  connecting(args: readonly unknown[]): void {
    this.#target = targetIn(args)
    this.sync()
  }

  /** @internal Somebody took all listeners away. */
  listenAgain(): void {
    for (const [event, listener] of this.#listeners) {
      if (!this.#socket.listeners(event).includes(listener)) this.#socket.on(event, listener)
    }
    this.sync()
  }

  /** The limits in milliseconds; those that are off are left out. */
  get phases(): Phases {
    return Object.fromEntries(this.#limits.map(({ phase, ms }) => [phase, ms]))
  }

  /**
   * Changes limits; those that are not named stay as they are. One that changes starts afresh, `total` excepted.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`
   */
  update(phases: Phases): void {
    const limits = checkedFor(this.#socket, phases)
    if (this.#ended) return
    this.#set(limits)
    this.sync()
  }

  /** Takes the limits away; the socket goes on without. */
  [Symbol.dispose](): void {
    this.#end()
  }

  #set(limits: Limits): void {
    for (const phase of PHASES) {
      const ms = limits[phase]
      const before = this.#find(phase)
      if (ms === undefined || ms === (before?.ms ?? 0)) continue
      before?.stop()
      const others = this.#limits.filter((limit) => limit !== before)
      this.#limits = others.concat(ms > 0 ? [this.#limit(phase, ms)] : [])
    }
    if (!this.#hearsResume && this.#find('read') !== undefined) {
      this.#hearsResume = true
      this.#listen('resume', () => (this.#find('read') as Read | undefined)?.resumed())
    }
    this.#ear.set(this.#limits)
    if (this.#isOpen) this.#ear.open()
  }

  #find(phase: Phase): Limit | undefined {
    return this.#limits.find((limit) => limit.phase === phase)
  }

  #limit(phase: Phase, ms: number): Limit {
    const socket = this.#socket
    switch (phase) {
      case 'idle':
        return new Idle(this, phase, ms, socket)
      case 'read':
        return new Read(this, phase, ms, socket)
      case 'write':
        return new Write(this, phase, ms, socket)
      case 'response':
        return new Response(this, phase, ms, socket)
      case 'connect':
        return new Span(this, phase, ms, () => hasRoom(socket))
      case 'lookup':
        return new Span(this, phase, ms, () => true)
      default:
        return new Span(this, phase, ms, () => hasInput(socket))
    }
  }

  #stage(): Stage {
    const socket = this.#socket
    if (this.#ended || socket.destroyed) return 'closed'
    if (socket.connecting) return this.#lookedUp || !this.#looksUp ? 'connect' : 'lookup'
    if (socket.pending) return 'unconnected'
    return inside(socket).secureConnecting ? 'secureConnect' : 'open'
  }

  /** Whether a name is looked up. Told by Node when it connects; before that nothing is known. */
  get #looksUp(): boolean {
    const { _host: host } = inside(this.#socket)
    return typeof host === 'string' && isIP(host) === 0
  }

  /** @internal */
  sync(): void {
    const stage = this.#stage()
    if (stage === 'closed') {
      this.#end()
      return
    }
    if (stage !== 'unconnected') this.begun ??= theReactor().now()
    if (!this.#isOpen && (stage === 'secureConnect' || stage === 'open')) {
      this.#isOpen = true
      this.#ear.open()
    }
    for (const limit of this.#limits) {
      const runs = STAGES[limit.phase].includes(stage)
      if (runs && !limit.running) limit.start(limit.phase === 'total' ? this.begun : undefined)
      else if (!runs && limit.running) limit.stop()
    }
  }

  /** @internal */
  hearPackets(): void {
    this.#ear.hearPackets()
  }

  /** @internal */
  hearWrites(): void {
    this.#ear.hearWrites()
  }

  /** @internal */
  exceeded(limit: Limit, elapsed: number, loopDelay: number): void {
    const socket = this.#socket
    const { remoteAddress: address, remotePort: port } = socket
    const peer = address === undefined ? { ...this.#target, ...this.#peer } : { address, port }
    const error = exceeded(limit, elapsed, loopDelay, peer, this.#attempts?.length ? this.#attempts : undefined)
    this.#end()
    const destroy = () => void socket.destroy(error)
    if (this.#context === null) destroy()
    else this.#context.runInAsyncScope(destroy)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    for (const limit of this.#limits) limit.stop()
    this.#ear.end()
    for (const [event, listener] of this.#listeners) this.#socket.off(event, listener)
    this.#listeners = []
  }
}

/** Where to, in the arguments of `net.connect` or of a socket's `connect`: options, a port and a host, or a path. */
export function targetIn([first, second]: readonly unknown[]): Peer {
  // Node hands its own sockets an array of the arguments.
  if (Array.isArray(first)) return targetIn(first)
  const isOptions = typeof first === 'object' && first !== null
  const { path, host, port } = (isOptions ? first : { port: first, host: second }) as { [name: string]: unknown }
  if (typeof path === 'string') return { address: path }
  if (!isOptions && Number.isNaN(Number(port))) return { address: String(port) }
  if (port === undefined) return {}
  return { host: typeof host === 'string' && host !== '' ? host : 'localhost', port: Number(port) }
}

/** Limits that go by what goes over the socket. */
const OF_BYTES = ['idle', 'read', 'response', 'write'] as const

/** Checks limits for a socket. */
function checkedFor(socket: Socket, phases: Phases): Limits {
  const limits = readPhases(phases)
  if (limits.secureConnect && inside(socket).encrypted !== true) {
    const reason =
      'is for TLS sockets: give it to the one that tls.connect() returns, or use connectTls(); a socket that somebody encrypts later does not tell when that is done'
    throw invalidArgValue('phases.secureConnect', reason, limits.secureConnect)
  }
  if (isHidden(socket) && OF_BYTES.some((phase) => limits[phase])) {
    throw new AsyncFdError(
      'this runtime does not show what goes over the sockets of its http server: only "total" can be kept there',
      ErrorCode.UNSUPPORTED,
    )
  }
  return limits
}

/**
 * Puts limits on a socket, in any state of its life: before it connects, while it does, or later. One that is exceeded destroys it with
 * a `TimeoutError`. What lay in the kernel while our own event loop was blocked is never held against the peer. They end with the
 * socket, and do not keep the process alive.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`; `ERR_INVALID_STATE` for a socket that is destroyed; `ERR_ASYNCFD_UNSUPPORTED`
 *   for limits of bytes on a socket of Bun's http server, which shows none
 * @example
 * const socket = net.connect(port, host)
 * const guard = withTimeouts(socket, { connect: 2000, response: 5000 })
 */
export function withTimeouts(socket: Socket, phases: Phases): TimeoutGuard {
  checkSocket(socket)
  const limits = checkedFor(socket, phases)
  return new TimeoutGuard(socket, limits)
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_STATE` */
export function checkSocket(socket: unknown): asserts socket is Socket {
  if (!(socket instanceof Socket)) throw invalidArgType('socket', 'a net.Socket or a tls.TLSSocket', socket)
  if (socket.destroyed) throw invalidState('the socket is destroyed; make a new one')
}
