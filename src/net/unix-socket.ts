/**
 * What Unix sockets have in common that are no streams of bytes: the file that they are bound to, and its end.
 *
 * @module
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import { invalidArgValue } from '../errors.js'
import type { UnixAddress } from '../sys/address.js'
import { constants } from '../sys/constants.js'
import { checkOptions, integer } from '../sys/result.js'
import { bind, listen, localAddress } from '../sys/socket.js'
import type { WaitOptions } from '../wait.js'
import { acceptAll, acceptOne } from './accept.js'
import { checkBooleans } from './message.js'
import { Socket, withSocket } from './socket.js'
import { isAbstract, named, type UnixPath, unixAddress } from './unix-address.js'

/**
 * How to bind the file of a Unix socket.
 *
 * @example
 * const options: UnixBindOptions = { mode: 0o600, unlink: true }
 * await using socket = await UnixDatagram.bind(path, options)
 */
export interface UnixBindOptions {
  /** The permissions of the file, such as `0o600`: connecting and sending need the one to write. Default: as the umask has it. */
  mode?: number | undefined
  /** Whether closing removes the file. Default true. */
  unlink?: boolean | undefined
}

/**
 * How to listen on the file of a Unix socket.
 *
 * @example
 * const options: UnixListenOptions = { mode: 0o660, backlog: 16 }
 * await using listener = await UnixListener.bind(path, options)
 */
export interface UnixListenOptions extends UnixBindOptions {
  /** Connections that may wait to be accepted. Default 511. */
  backlog?: number | undefined
}

/** A file that binding made. */
export class BoundFile {
  readonly #path: string
  readonly #dev: bigint
  readonly #ino: bigint

  constructor(path: string) {
    this.#path = resolve(path)
    const { dev, ino } = lstatSync(this.#path, { bigint: true })
    this.#dev = dev
    this.#ino = ino
  }

  chmod(mode: number): void {
    chmodSync(this.#path, mode)
  }

  /** Removes it, as far as that is allowed, unless somebody put another there. */
  remove(): void {
    try {
      const { dev, ino } = lstatSync(this.#path, { bigint: true })
      if (dev === this.#dev && ino === this.#ino) unlinkSync(this.#path)
    } catch {
      // Gone already, or not ours to remove: there is nobody who could do something about it.
    }
  }
}

/** Binds a socket; notes on an error to what, as Node does. */
function bindTo(fd: number, address: UnixAddress): void {
  try {
    bind(fd, address)
  } catch (error) {
    throw Object.assign(error as Error, { address: address.path })
  }
}

/** Makes a socket and binds it. What `make` is given it owns; if anything fails nothing stays. */
function bound<S>(
  type: number,
  address: UnixAddress,
  { mode, unlink = true }: UnixBindOptions,
  ready: (fd: number) => void,
  make: (fd: number, file: BoundFile | null) => S,
): S {
  const files: BoundFile[] = []
  try {
    const fd = withSocket(constants.AF_UNIX, type, (fd) => {
      bindTo(fd, address)
      if (!isAbstract(address)) files.push(new BoundFile(address.path))
      if (mode !== undefined) files[0]!.chmod(mode)
      ready(fd)
      return fd
    })
    return make(fd, unlink ? (files[0] ?? null) : null)
  } catch (error) {
    files[0]?.remove()
    throw error
  }
}

/** Reads options, once: what was checked is what is used. Node aborts the process where it is given another mode. */
function readBindOptions(options: UnixBindOptions, address: UnixAddress): UnixBindOptions {
  checkOptions(options)
  const { mode, unlink } = options
  checkBooleans({ unlink }, ['unlink'])
  if (mode === undefined) return { unlink }
  const permissions = integer('options.mode', mode, 0, 0o777)
  if (isAbstract(address)) throw invalidArgValue('options.mode', 'is for paths: an abstract name has no permissions', mode)
  return { mode: permissions, unlink }
}

/** Binds a socket to a path, and makes it `ready`. Bad input throws, all else rejects. */
export function bindUnix<S>(
  type: number,
  path: UnixPath,
  options: UnixBindOptions,
  make: (fd: number, file: BoundFile | null) => S,
  ready: (fd: number) => void = () => {},
): Promise<S> {
  const address = unixAddress(path, 'bind')
  const read = readBindOptions(options, address)
  return (async () => bound(type, address, read, ready, make))()
}

/** As {@link bindUnix}, and listens. Nobody connects before the mode is set. */
export function listenUnix<S>(
  type: number,
  path: UnixPath,
  options: UnixListenOptions,
  make: (fd: number, file: BoundFile | null) => S,
): Promise<S> {
  checkOptions(options)
  const { backlog = 511 } = options
  integer('options.backlog', backlog, 0, 0x7fffffff)
  return bindUnix(type, path, options, make, (fd) => listen(fd, backlog))
}

/** A Unix socket that may own the file that it is bound to. */
export abstract class UnixSocket extends Socket {
  #file: BoundFile | null

  /**
   * Takes a non-blocking socket of this kind over: one that systemd passed, or another thread of this process. Its file stays.
   *
   * @throws AsyncFdError `EBADF`, `EEXIST`; the descriptor is closed then
   */
  constructor(fd: number)
  /** @internal */
  constructor(fd: number, file: BoundFile | null)
  constructor(fd: number, file: BoundFile | null = null) {
    super(fd)
    this.#file = file
  }

  /** The name it is bound to; an empty path if it has none. @throws AsyncFdError `ERR_ASYNCFD_CLOSED` */
  override get localAddress(): UnixAddress {
    return named(localAddress(this.port.open))
  }

  /** As {@link close}. */
  override destroy(): void {
    this.#file?.remove()
    this.#file = null
    super.destroy()
  }

  /** Gives the descriptor away, and the file that it is bound to stays. What is pending rejects with `ERR_ASYNCFD_CLOSED`. */
  override intoInner(): number {
    const fd = super.intoInner()
    this.#file = null
    return fd
  }
}

/** A Unix socket that takes connections. */
export abstract class UnixAcceptor<S> extends UnixSocket {
  /** @internal Makes a connection of a descriptor, which is closed if it throws. */
  protected abstract take(fd: number): S

  /**
   * Waits for a connection. Several may wait at once. Where descriptors have run out (EMFILE, ENFILE) it waits until there are some again,
   * and `reactor.metrics().acceptPauses` counts.
   *
   * @returns rejects with `TimeoutError`, `signal.reason`, `ERR_ASYNCFD_CLOSED`
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  accept(options?: WaitOptions): Promise<S> {
    return acceptOne(this.port, options, (fd) => this.take(fd))
  }

  /** Connections as they come. `close()` ends it; an abort or an expiry (of each) throws. */
  incoming(options?: WaitOptions): AsyncIterableIterator<S> {
    return acceptAll(this.port, options, (fd) => this.take(fd))
  }
}
