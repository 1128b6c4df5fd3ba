/**
 * Limits on a socket of Node's: `withTimeouts`.
 *
 * @module
 */
import { isIP, Socket } from 'node:net'
import { type ConnectAttempt, invalidArgType, invalidArgValue, invalidState } from '../errors.js'
import { ON_NODE, theReactor } from '../reactor.js'
import { captureContext } from '../timers/context.js'
import { exceeded, type Peer } from './error.js'
import { Idle, type Limit, Read, Response, Span, Write } from './limit.js'
import { type Limits, PHASES, type Phase, type Phases, readPhases } from './phases.js'
import { fdOf, hasInput, hasRoom, inside } from './traffic.js'

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

type Method = '_write' | '_writev' | '_unrefTimer' | 'push' | 'connect'

/** The limits of one socket, until it closes or they are taken away. */
export class TimeoutGuard implements Disposable {
  readonly #socket: Socket
  #limits = new Map<Phase, Limit>()
  #phases: Limits = {}
  #lookedUp = false
  #peer: Peer = {}
  readonly #attempts: ConnectAttempt[]
  readonly #context = captureContext()
  /** Taken back when it ends. */
  #undo: (() => void)[] = []
  #received = 0
  #ended = false
  /** @internal When the connection's life began, if it has. */
  begun: number | undefined

  /** @internal */
  constructor(socket: Socket, limits: Limits, begun?: number, attempts: ConnectAttempt[] = []) {
    this.#socket = socket
    this.begun = begun
    this.#attempts = attempts
    this.#set(limits)
    this.#lookedUp = socket.connecting && fdOf(socket) >= 0
    const onLookup = (error: Error | null, _address: string, _family: number, host: string) => {
      this.#peer = { ...this.#peer, host }
      if (error === null) this.#lookedUp = true
    }
    const onAttempt = (address: string, port: number) => {
      this.#lookedUp = true
      this.#peer = { address, port }
      this.#attempts.push({ address, port })
    }
    const onFailure = (address: string, port: number, _family: number, error: Error) => {
      const attempt = this.#attempts.find((one) => one.address === address && one.port === port && one.error === undefined)
      if (attempt !== undefined) attempt.error = error
    }
    this.#listen('lookup', onLookup)
    this.#listen('connectionAttempt', onAttempt)
    this.#listen('connectionAttemptFailed', onFailure)
    const sync = () => {
      this.sync()
      // What waited for the connection is written by other listeners of the same event.
      queueMicrotask(() => {
        for (const limit of this.#limits.values()) if (limit.running) limit.look()
      })
    }
    for (const event of EVENTS) this.#listen(event, sync)
    this.#listen('resume', () => this.#as('read', Read)?.came())
    this.sync()
  }

  /** The limits in milliseconds; those that are off are left out. */
  get phases(): Phases {
    return Object.fromEntries(Object.entries(this.#phases).filter(([, ms]) => ms > 0))
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
      if (ms === undefined || ms === (this.#phases[phase] ?? 0)) continue
      this.#phases = { ...this.#phases, [phase]: ms }
      this.#limits.get(phase)?.stop()
      this.#limits.delete(phase)
      if (ms > 0) this.#limits.set(phase, this.#limit(phase, ms))
    }
    this.#hook()
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

  #as<L extends Limit>(phase: Phase, kind: new (...args: never[]) => L): L | undefined {
    const limit = this.#limits.get(phase)
    return limit instanceof kind && limit.running ? limit : undefined
  }

  #listen(event: string, listener: (...args: never[]) => void): void {
    this.#socket.on(event, listener as (...args: unknown[]) => void)
    this.#undo.push(() => this.#socket.off(event, listener as (...args: unknown[]) => void))
  }

  #hooked = new Set<Method>()

  /** Hears of what has no event, as far as any limit wants to know. */
  #hook(): void {
    const { idle, response, read, write } = this.#phases
    if (idle || response || write) {
      const wrote = () => {
        this.#as('idle', Idle)?.wrote()
        this.#as('response', Response)?.wrote()
        this.#as('write', Write)?.wrote()
      }
      this.#around('_write', undefined, wrote)
      this.#around('_writev', undefined, wrote)
    }
    if (response || read) {
      this.#received = this.#socket.bytesRead
      // Node has ways to receive that go past `push`; elsewhere the count comes after the call.
      if (ON_NODE) {
        this.#around('_unrefTimer', () => {
          this.#isOwn = true
          this.#touched()
        })
        this.#hearAbove()
      } else {
        this.#around('push', () => this.#came())
      }
    }
    if (this.#stage() === 'unconnected') this.#around('connect', undefined, () => this.sync())
  }

  /** Calls `before` and `after` with a method of the socket. */
  #around(name: Method, before: (() => void) | undefined, after?: () => void): void {
    const socket = inside(this.#socket)
    const method = socket[name] as ((...args: unknown[]) => unknown) | undefined
    if (method === undefined || this.#hooked.has(name)) return
    this.#hooked.add(name)
    const own = Object.getOwnPropertyDescriptor(socket, name)
    const hooked = function (this: Socket, ...args: unknown[]) {
      before?.()
      const result = method.apply(this, args)
      after?.()
      return result
    }
    Object.defineProperty(socket, name, { value: hooked, configurable: true, writable: true })
    this.#undo.push(() => {
      // Somebody else's on top of ours stays; ours then calls nobody who has anything left to do.
      if (socket[name] !== hooked) return
      if (own === undefined) Reflect.deleteProperty(socket, name)
      else Object.defineProperty(socket, name, own)
    })
  }

  /** Something came, or is about to be written, or was. */
  #touched(): boolean {
    const count = this.#socket.bytesRead
    if (count === this.#received) return false
    this.#received = count
    this.#came()
    return true
  }

  /** Whether what asks for the socket below ours is our own socket. */
  #isOwn = false

  /**
   * Hears of the traffic of a socket that encrypts on top of ours, whose bytes go past us: at every packet it goes down to the lowest
   * socket by `_parent`. Our own packets do that too.
   */
  #hearAbove(): void {
    const socket = this.#socket
    const own = Object.getOwnPropertyDescriptor(socket, '_parent')
    if (own?.configurable !== true || this.#hears) return
    this.#hears = true
    let { value } = own
    const asked = () => {
      const isOwn = this.#isOwn
      this.#isOwn = false
      if (!isOwn && !this.#touched()) this.#as('response', Response)?.mayHaveWritten()
      return own.get === undefined ? value : own.get.call(socket)
    }
    const set = (parent: unknown) => {
      if (own.set === undefined) value = parent
      else own.set.call(socket, parent)
    }
    Object.defineProperty(socket, '_parent', { get: asked, set, enumerable: own.enumerable === true, configurable: true })
    this.#undo.push(() => {
      if (Object.getOwnPropertyDescriptor(socket, '_parent')?.get !== asked) return
      Object.defineProperty(socket, '_parent', own.get === undefined ? { ...own, value } : own)
    })
  }

  #hears = false

  #came(): void {
    this.#as('response', Response)?.came()
    this.#as('read', Read)?.came()
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
    for (const [phase, limit] of this.#limits) {
      const runs = STAGES[phase].includes(stage)
      if (runs && !limit.running) limit.start(phase === 'total' ? this.begun : undefined)
      else if (!runs && limit.running) limit.stop()
    }
  }

  /** @internal */
  exceeded(limit: Limit, elapsed: number, loopDelay: number): void {
    const socket = this.#socket
    const { remoteAddress: address, remotePort: port } = socket
    const peer = address === undefined ? this.#peer : { address, port }
    const error = exceeded(limit, elapsed, loopDelay, peer, this.#attempts.length > 0 ? this.#attempts : undefined)
    this.#end()
    const destroy = () => void socket.destroy(error)
    if (this.#context === null) destroy()
    else this.#context.runInAsyncScope(destroy)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    for (const limit of this.#limits.values()) limit.stop()
    for (const undo of this.#undo.splice(0)) undo()
  }
}

/** Checks limits for a socket. */
function checkedFor(socket: Socket, phases: Phases): Limits {
  const limits = readPhases(phases)
  if (limits.secureConnect && inside(socket).encrypted !== true) {
    const reason =
      'is for TLS sockets: give it to the one that tls.connect() returns, or use connectTls(); a socket that somebody encrypts later does not tell when that is done'
    throw invalidArgValue('phases.secureConnect', reason, limits.secureConnect)
  }
  return limits
}

/**
 * Puts limits on a socket, in any state of its life: before it connects, while it does, or later. One that is exceeded destroys it with
 * a `TimeoutError`. What lay in the kernel while our own event loop was blocked is never held against the peer. They end with the
 * socket, and do not keep the process alive.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`; `ERR_INVALID_STATE` for a socket that is destroyed
 * @example
 * const socket = net.connect(5432, 'db.example')
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
