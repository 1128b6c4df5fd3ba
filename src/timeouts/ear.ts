/**
 * Tells the limits of a socket what goes over it, where they cannot see it by its counters in time.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { ON_NODE } from '../driver.js'
import { hearHandle, unhearHandle } from './handle-taps.js'
import type { Limit } from './limit.js'
import type { Phase } from './phases.js'
import { type Hearer, hear, hearAbove, unhear } from './taps.js'
import { inside, isCarrier, isConsumed, isEncrypted, isHandshaking, sentAgo, socketAbove } from './traffic.js'
import type { Idle, Read, Response, Write } from './traffic-limits.js'

/** Beside another: of the end of an event's only listener streams of Node's tell nothing. */
const SECOND = () => {}

/** Shared, as most have nothing to undo. */
const NOTHING: readonly never[] = []

/** Whose ear it is. */
interface Owner {
  /** The socket was told to connect, with these arguments. */
  connecting(args: readonly unknown[]): void
  /** Somebody took all listeners away, ours too. */
  listenAgain(): void
}

export class Ear implements Hearer {
  readonly #socket: Socket
  readonly #owner: Owner
  #idle: Idle | undefined
  #response: Response | undefined
  #read: Read | undefined
  #write: Write | undefined
  #undo: readonly (() => void)[] = NOTHING
  #ended = false

  constructor(socket: Socket, owner: Owner) {
    this.#socket = socket
    this.#owner = owner
  }

  /** Whom to tell. */
  set(limits: readonly Limit[]): void {
    const find = (phase: Phase) => limits.find((limit) => limit.phase === phase)
    this.#idle = find('idle') as Idle | undefined
    this.#response = find('response') as Response | undefined
    this.#read = find('read') as Read | undefined
    this.#write = find('write') as Write | undefined
  }

  /** Waits until the socket is told to connect. */
  awaitConnecting(): void {
    hear(this.#socket, 'connecting', this)
  }

  /** The socket is connected: hears of it what the limits want to know. */
  open(): void {
    const socket = this.#socket
    // Where the kernel knows when something was written, it is asked.
    if (this.#idle !== undefined && sentAgo(socket) !== null) this.#idle = undefined
    this.#hear()
    const receives = this.#response !== undefined || this.#read !== undefined
    if (receives || this.#write !== undefined || (this.#idle !== undefined && !ON_NODE)) this.#hearMore()
  }

  /** What the socket itself writes and receives: heard at its handle, where the runtime shows that. */
  #hear(): void {
    const [idle, response, read, write] = [this.#idle, this.#response, this.#read, this.#write]
    const receives = (response ?? read) !== undefined
    const writes = (idle ?? response ?? write) !== undefined
    if (!ON_NODE) {
      if (writes) hear(this.#socket, 'written', this)
      if (receives) hear(this.#socket, 'pushed', this)
      return
    }
    const { _handle: handle } = inside(this.#socket)
    if (handle == null) return
    const resting = write?.rests ? write : undefined
    const told = {
      owner: this,
      reads: receives ? [response].filter((limit) => limit !== undefined).slice() : undefined,
      writes: writes ? [idle, response, resting].filter((limit) => limit !== undefined).slice() : undefined,
    }
    if (receives || writes) hearHandle(handle, told)
    else unhearHandle(handle, this)
  }

  /** Whether the `write` limit has to be told of the next write has changed. */
  hearWrites(): void {
    if (ON_NODE && !this.#ended) this.#hear()
  }

  #hearsMore = false

  /** What goes past the socket's own methods: a parser of Node's that reads the handle itself, and another socket that encrypts on top. */
  #hearMore(): void {
    if (this.#hearsMore) return
    this.#hearsMore = true
    queueMicrotask(() => {
      if (isConsumed(this.#socket)) this.hearPackets()
      this.#hearAbove() // Whoever waited for the connection.
    })
    this.#hearListeners()
    this.#hearAbove()
  }

  /** Whoever takes a socket over wants to know when it closes: to encrypt on top of it, or for the next request. */
  #hearListeners(): void {
    const socket = this.#socket
    const onListener = (event: string) => {
      if (event === 'close') queueMicrotask(() => this.#takenOver())
    }
    const onRemoved = (_: string, listener: unknown) => {
      if (listener === SECOND) queueMicrotask(restore)
    }
    const listen = () => socket.on('newListener', onListener).on('newListener', SECOND).on('removeListener', onRemoved)
    // As postgres.js does, before it encrypts.
    const restore = () => {
      if (this.#ended) return
      listen()
      this.#owner.listenAgain()
      this.#takenOver()
    }
    listen()
    this.#undo = this.#undo.concat(() =>
      socket.off('removeListener', onRemoved).off('newListener', SECOND).off('newListener', onListener),
    )
  }

  #takenOver(): void {
    if (this.#ended) return
    this.#hear()
    this.#hearAbove()
  }

  #received = -1

  /** Hears every packet, as somebody receives past `push`. It costs more, so it is not heard before. */
  hearPackets(): void {
    if (this.#ended || this.#received !== -1) return
    this.#received = this.#socket.bytesRead
    hear(this.#socket, 'packets', this)
  }

  /** Whether it is our own socket that asks for the one below. */
  #isOwn = false
  #hearsAbove = false

  /** Hears of the socket that encrypts on top of this one, if there is one by now. */
  #hearAbove(): void {
    if (this.#ended || this.#hearsAbove || isEncrypted(this.#socket)) return
    if (!ON_NODE) {
      this.#hearSocketAbove()
      return
    }
    if (!isCarrier(this.#socket)) return
    this.hearPackets()
    const end = hearAbove(this.#socket, () => {
      const isOwn = this.#isOwn
      this.#isOwn = false
      if (isOwn) return
      this.#write?.mayHaveWritten()
      if (!this.#hasCome()) this.#response?.mayHaveWritten()
    })
    if (end === undefined) return
    this.#hearsAbove = true
    this.#isOwn = false
    this.#undo = this.#undo.concat(end)
  }

  /** Bun and Deno count nothing of what is written above, but they show who writes. */
  #hearSocketAbove(): void {
    const above = socketAbove(this.#socket)
    if (above === undefined) return
    this.#hearsAbove = true
    this.#received = this.#socket.bytesRead
    hear(above, 'packets', this)
    hear(above, 'written', this)
    this.#undo = this.#undo.concat(() => unhear(above, this))
    if (isHandshaking(above)) this.onWritten() // It begins with a word of ours.
  }

  #hasCome(): boolean {
    const count = this.#socket.bytesRead
    if (count === this.#received) return false
    this.#received = count
    this.onPushed()
    return true
  }

  onPacket(): void {
    this.#isOwn = true
    if (this.#received !== -1) this.#hasCome()
  }

  onPushed(): void {
    if (this.#response !== undefined) this.#response.came()
    if (this.#read !== undefined) this.#read.came()
  }

  onWritten(): void {
    if (this.#idle !== undefined) this.#idle.wrote()
    if (this.#response !== undefined) this.#response.wrote()
    if (this.#write !== undefined) this.#write.wrote()
  }

  onConnecting(...args: unknown[]): void {
    this.#owner.connecting(args)
  }

  end(): void {
    this.#ended = true
    const { _handle: handle } = inside(this.#socket)
    if (ON_NODE && handle != null) unhearHandle(handle, this)
    unhear(this.#socket, this)
    for (const undo of this.#undo) undo()
    this.#undo = NOTHING
  }
}
