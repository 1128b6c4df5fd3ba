/**
 * Terminals and serial lines: attributes, size, pseudo-terminals.
 *
 * @module
 */
import { invalidArgType, invalidArgValue } from '../errors.js'
import { native } from '../native.js'
import { isUint8Array } from './bytes.js'
import { type FdSource, fdOf } from './fd-source.js'
import { checkOptions, int32, integer, orThrow } from './result.js'

/**
 * The attributes of a terminal; see termios(3).
 *
 * @example
 * const { lflag }: sys.Termios = sys.tcgetattr(slave)
 * console.log((lflag & sys.constants.ECHO) !== 0 ? 'it echoes' : 'it does not')
 */
export interface Termios {
  /** Input modes: `ICRNL`, `IXON`, ... */
  iflag: number
  /** Output modes: `OPOST`, `ONLCR`, ... */
  oflag: number
  /** Control modes: `CS8`, `PARENB`, `CRTSCTS`, ... The bits that encode the speed are not used: `ispeed` and `ospeed` count. */
  cflag: number
  /** Local modes: `ECHO`, `ICANON`, ... */
  lflag: number
  /** Control characters, by `VINTR`, `VMIN`, `VTIME`, ... */
  cc: Uint8Array
  /** Input speed in baud; any number, where the hardware can. */
  ispeed: number
  /** Output speed in baud. */
  ospeed: number
}

/**
 * How large a terminal is.
 *
 * @example
 * const { cols, rows }: sys.Winsize = sys.getWinsize(master)
 */
export interface Winsize {
  /** Characters in a row. */
  cols: number
  /** Rows. */
  rows: number
  /** Pixels; 0 if that is not known. */
  width: number
  /** Pixels; 0 if that is not known. */
  height: number
}

const FLAGS = 6
const MAX_CHARACTERS = 64
const WHEN = ['now', 'drain', 'flush']
const MAX_PATH = 4096

/**
 * The attributes of a terminal, by tcgetattr(3).
 *
 * @throws ENOTTY, EIO, EBADF
 * @example
 * const { ospeed } = sys.tcgetattr(slave)
 */
export function tcgetattr(fd: FdSource): Termios {
  const number = fdOf(fd)
  const numbers = new Uint32Array(FLAGS + MAX_CHARACTERS)
  return unpack(numbers, orThrow(native().sysTcgetattr(number, numbers), 'tcgetattr', number))
}

/**
 * Sets the attributes of a terminal, by tcsetattr(3).
 *
 * @param when `'now'`; `'drain'`, once what was written has gone out, which blocks the thread until then; `'flush'`, which also drops
 *   what came in unread
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; {@link AsyncFdError} with ENOTTY, EINVAL, EIO, EBADF
 * @example
 * sys.tcsetattr(slave, { ...sys.tcgetattr(slave), ispeed: 115200, ospeed: 115200 })
 */
export function tcsetattr(fd: FdSource, termios: Termios, when: 'now' | 'drain' | 'flush' = 'now'): void {
  const number = fdOf(fd)
  const code = WHEN.indexOf(when)
  if (code === -1) throw invalidArgValue('when', `must be one of 'now', 'drain', 'flush'`, when)
  orThrow(native().sysTcsetattr(number, code, pack(termios)), 'tcsetattr', number)
}

/**
 * Attributes for raw mode, by the letter of cfmakeraw(3): no echo, no line editing, no signals, bytes as they come.
 *
 * @returns a changed copy
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 * @example
 * sys.tcsetattr(slave, sys.makeRaw(sys.tcgetattr(slave)))
 */
export function makeRaw(termios: Termios): Termios {
  const numbers = pack(termios)
  orThrow(native().sysMakeRaw(numbers), 'cfmakeraw')
  return unpack(numbers, termios.cc.length)
}

function pack(termios: Termios): Uint32Array {
  if (typeof termios !== 'object' || termios === null) throw invalidArgType('termios', 'an object', termios)
  const { iflag, oflag, cflag, lflag, ispeed, ospeed, cc } = termios
  if (!isUint8Array(cc)) throw invalidArgType('termios.cc', 'an instance of Uint8Array', cc)
  integer('termios.cc.length', cc.length, 1, MAX_CHARACTERS)
  const flags = Object.entries({ iflag, oflag, cflag, lflag }).map(([name, value]) => int32(`termios.${name}`, value))
  const speeds = Object.entries({ ispeed, ospeed }).map(([name, value]) => integer(`termios.${name}`, value, 0, 0xffffffff))
  const numbers = new Uint32Array(FLAGS + MAX_CHARACTERS)
  numbers.set([...flags, ...speeds, ...cc])
  return numbers
}

function unpack(numbers: Uint32Array, characters: number): Termios {
  const [iflag, oflag, cflag, lflag, ispeed, ospeed] = numbers as unknown as [number, number, number, number, number, number]
  return { iflag, oflag, cflag, lflag, cc: Uint8Array.from(numbers.subarray(FLAGS, FLAGS + characters)), ispeed, ospeed }
}

/**
 * Opens a pseudo-terminal, both ends non-blocking, close-on-exec, and the controlling terminal of nobody, by posix_openpt(3).
 *
 * @returns the end of the terminal emulator, the end of the programs, and its path; close both. A read of the master says EIO once
 *   every slave is closed: that is the end.
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; {@link AsyncFdError} with ENOSPC (no more terminals), EMFILE, ENOENT
 * @example
 * const { master, slave } = sys.openpty({ cols: 120, rows: 40 })
 * spawn('sh', { stdio: [slave, slave, slave] })
 * sys.close(slave)
 */
export function openpty(options: { cols?: number; rows?: number } = {}): {
  master: number
  slave: number
  path: string
} {
  checkOptions(options)
  const { cols = 80, rows = 24 } = options
  const fds = new Int32Array(2)
  const path = Buffer.alloc(MAX_PATH)
  const result = native().sysOpenpty(integer('cols', cols, 0, 0xffff), integer('rows', rows, 0, 0xffff), fds, path)
  const length = orThrow(result, 'openpty')
  return { master: fds[0]!, slave: fds[1]!, path: path.toString('utf8', 0, length) }
}

/**
 * Tells the programs on a terminal its size, by TIOCSWINSZ; they get SIGWINCH if it changed.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; {@link AsyncFdError} with ENOTTY, EBADF
 * @example
 * sys.setWinsize(master, { cols: 120, rows: 40 })
 */
export function setWinsize(fd: FdSource, size: { cols: number; rows: number; width?: number; height?: number }): void {
  const number = fdOf(fd)
  if (typeof size !== 'object' || size === null) throw invalidArgType('size', 'an object { cols, rows }', size)
  const { cols, rows, width = 0, height = 0 } = size
  const all = Object.entries({ cols, rows, width, height }).map(([name, value]) => integer(`size.${name}`, value, 0, 0xffff))
  orThrow(native().sysSetWinsize(number, ...(all as [number, number, number, number])), 'ioctl', number)
}

/**
 * The size of a terminal, by TIOCGWINSZ.
 *
 * @throws ENOTTY, EBADF
 * @example
 * const { cols } = sys.getWinsize(master)
 */
export function getWinsize(fd: FdSource): Winsize {
  const number = fdOf(fd)
  const numbers = new Int32Array(4)
  orThrow(native().sysWinsize(number, numbers), 'ioctl', number)
  return { cols: numbers[0]!, rows: numbers[1]!, width: numbers[2]!, height: numbers[3]! }
}
