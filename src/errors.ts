/**
 * Every error this package throws is made here. System failures look like Node's own (`code`, `errno`, `syscall`);
 * ours have a code from {@link ErrorCode}; bad arguments use Node's codes.
 *
 * @module
 */
import { constants } from 'node:os'
import * as util from 'node:util'

/**
 * Codes of errors that are ours alone. Whatever is not here is an errno name or one of Node's `ERR_INVALID_*`.
 *
 * @example
 * const closed = fd.readable().catch((error: unknown) => error)
 * fd.close()
 * const error = await closed
 * if (error instanceof AsyncFdError && error.code === ErrorCode.CLOSED) console.log('closed meanwhile')
 */
export const ErrorCode = {
  /** Used after `close()` or `intoInner()`, or closed while the wait was pending. */
  CLOSED: 'ERR_ASYNCFD_CLOSED',
  /** `inner.fd` is no longer the number that was registered. */
  FD_CHANGED: 'ERR_ASYNCFD_FD_CHANGED',
  /** The descriptor was closed elsewhere and its number now belongs to another file. */
  FD_REUSED: 'ERR_ASYNCFD_FD_REUSED',
  /** Waiting for something outside the registered interest. */
  INTEREST: 'ERR_ASYNCFD_INTEREST',
  /** A closure given to `tryIo`/`asyncIo` returned a promise. */
  PROMISE: 'ERR_ASYNCFD_PROMISE',
  /** A closure given to `tryIo`/`asyncIo` called a wait of the same AsyncFd. */
  REENTRANT: 'ERR_ASYNCFD_REENTRANT',
  /** A read (or a write) of the same descriptor is pending: two at once would mix their bytes. */
  BUSY: 'ERR_ASYNCFD_BUSY',
  /** A line was longer than `maxLength`. */
  LINE_TOO_LONG: 'ERR_ASYNCFD_LINE_TOO_LONG',
  /** The descriptor is blocking and `nonblocking: 'require'` was asked. */
  BLOCKING: 'ERR_ASYNCFD_BLOCKING',
  /** This platform or runtime cannot do what was asked. */
  UNSUPPORTED: 'ERR_ASYNCFD_UNSUPPORTED',
  /** The native binding could not be loaded. */
  BINDING: 'ERR_ASYNCFD_BINDING',
} as const

/**
 * What a failed system call or registration, or a misuse of a descriptor, is reported as.
 *
 * @example
 * using file = new sys.OwnedFd(sys.open('/dev/null', sys.constants.O_RDONLY))
 * try {
 *   new AsyncFd(file)
 * } catch (error) {
 *   if (error instanceof AsyncFdError && error.code === 'EPERM') console.log('always ready: nothing to wait for')
 * }
 */
export class AsyncFdError extends Error {
  /** An errno name such as `'EPERM'`, or one of the `ERR_ASYNCFD_*` codes. */
  code: string
  /** Negative errno as libuv and Node give it; absent when no system call failed. */
  declare errno?: number
  /** The system call that failed. */
  declare syscall?: string
  /** The descriptor concerned. */
  declare fd?: number
  /** The object passed to the constructor, handed back when a registration fails. */
  declare inner?: unknown

  constructor(message: string, code: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  static {
    Object.defineProperty(AsyncFdError.prototype, 'name', { value: 'AsyncFdError', configurable: true, writable: true })
  }
}

/**
 * An address that was tried.
 *
 * @example
 * import { type ConnectAttempt, connect, TimeoutError } from 'asyncfd/timeouts'
 *
 * const show = ({ address, port, error }: ConnectAttempt) => console.log(address, port, error?.message ?? 'was under way')
 * const error = await connect({ host: '127.0.0.1', port: 1 }, { connect: 1000 }).catch((reason: unknown) => reason)
 * if (error instanceof TimeoutError) error.attempts?.forEach(show)
 */
export interface ConnectAttempt {
  /** The IP address, or the path of a Unix socket. */
  readonly address: string
  /** The port at that address. */
  readonly port: number
  /** Absent while it was still being tried. */
  error?: Error
}

/**
 * A deadline passed. What the kernel had already delivered by then wins over it.
 *
 * @example
 * const error = await fd.hangup({ timeout: 10 }).catch((reason: unknown) => reason)
 * if (error instanceof TimeoutError) console.log(`${error.elapsed} ms passed, ${error.timeout} were allowed`)
 */
export class TimeoutError extends Error {
  /** Always `'ETIMEDOUT'`. */
  readonly code = 'ETIMEDOUT'
  /** The limit that was exceeded, in milliseconds. */
  timeout: number
  /** Milliseconds that had passed when the limit was found exceeded; never less than `timeout`. */
  elapsed: number
  /** Which limit of a stream or socket it was: `'read'`, `'write'`, `'idle'`, `'total'`, ... */
  declare phase?: string
  /** The call that went on for too long, if it was one. */
  declare syscall?: string
  /** The peer's address, or the path of its socket, as far as it was known. */
  declare address?: string
  /** The peer's port, if it has one. */
  declare port?: number
  /** The addresses that were tried, each with what became of it: no error for one that was still being tried. */
  declare attempts?: readonly ConnectAttempt[]
  /** Milliseconds that the event loop itself was late when it came to look at the limit. */
  declare loopDelay?: number

  constructor(message: string, timeout: number, elapsed: number, options?: ErrorOptions) {
    super(message, options)
    this.timeout = timeout
    this.elapsed = elapsed
  }

  static {
    Object.defineProperty(TimeoutError.prototype, 'name', { value: 'TimeoutError', configurable: true, writable: true })
  }
}

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, errno]) => [errno, name]))
names.set(constants.errno.EAGAIN, 'EAGAIN') // EWOULDBLOCK has the same number and comes later
if (process.platform === 'linux') names.set(108, 'ESHUTDOWN').set(112, 'EHOSTDOWN') // os.constants leaves these out

/** The name of a positive errno, such as `'EPERM'`. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`
}

/** What errors are in words. Kept, as Node makes it anew for each who asks. */
let words: ReturnType<typeof util.getSystemErrorMap> | undefined

/** Makes the error of a failed system call: `errno` is positive, as the kernel gave it. */
export function systemError(errno: number, syscall: string, fd?: number, hint?: string): AsyncFdError {
  const code = errnoName(errno)
  words ??= util.getSystemErrorMap?.()
  const text = words?.get(-errno)?.[1] ?? 'system call failed'
  const on = fd === undefined ? '' : ` fd ${fd}`
  const error = new AsyncFdError(`${code}: ${text}, ${syscall}${on}${hint === undefined ? '' : `: ${hint}`}`, code)
  error.errno = -errno
  error.syscall = syscall
  if (fd !== undefined) error.fd = fd
  return error
}

/** Makes an error without a stack: to walk one takes longer than all else. */
export function stackless<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error
  // An assignment would throw where Error is frozen.
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return make()
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

/** Shows a value briefly, as Node's argument errors do. */
export function received(value: unknown): string {
  if (value === null || value === undefined) return `${value}`
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`
  if (typeof value === 'string') return `type string ('${value.length > 25 ? `${value.slice(0, 25)}...` : value}')`
  return `type ${typeof value} (${String(value)}${typeof value === 'bigint' ? 'n' : ''})`
}

function coded<E extends Error>(error: E, code: string): E & { code: string } {
  return Object.assign(error, { code })
}

/** `ERR_INVALID_ARG_TYPE`, as Node words it. */
export function invalidArgType(name: string, expected: string, value: unknown): TypeError & { code: string } {
  return coded(new TypeError(`The "${name}" argument must be ${expected}. Received ${received(value)}`), 'ERR_INVALID_ARG_TYPE')
}

/** Options are an object, and no list: nobody goes through the millions of bytes of a buffer that was given for them. */
export function checkObject(name: string, value: unknown): asserts value is object {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !Array.isArray(value)) return
  throw invalidArgType(name, 'an object', value)
}

/** `ERR_INVALID_ARG_VALUE`, as Node words it. */
export function invalidArgValue(name: string, reason: string, value: unknown): TypeError & { code: string } {
  return coded(new TypeError(`The "${name}" argument ${reason}. Received ${received(value)}`), 'ERR_INVALID_ARG_VALUE')
}

/** `ERR_OUT_OF_RANGE`, as Node words it. */
export function outOfRange(name: string, range: string, value: unknown): RangeError & { code: string } {
  const shown = typeof value === 'number' || typeof value === 'bigint' ? String(value) : received(value)
  return coded(
    new RangeError(`The value of "${name}" is out of range. It must be ${range}. Received ${shown}`),
    'ERR_OUT_OF_RANGE',
  )
}

/** `ERR_INVALID_STATE`: the argument cannot be used as it is now. */
export function invalidState(message: string): Error & { code: string } {
  return coded(new Error(message), 'ERR_INVALID_STATE')
}

/** Our own codes: what happened, and what to do. */
export function stateError(code: string, message: string, fd?: number): AsyncFdError {
  const error = new AsyncFdError(message, code)
  if (fd !== undefined) error.fd = fd
  return error
}
