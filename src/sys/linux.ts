/**
 * What only Linux has: eventfd, timerfd, pidfd. Elsewhere these functions throw `ERR_ASYNCFD_UNSUPPORTED`.
 *
 * @module
 */
import { invalidArgType, invalidArgValue, outOfRange } from '../errors.js'
import { native } from '../native.js'
import { type FdSource, fdOf } from './fd-source.js'
import { checkOptions, integer, orThrow, supported } from './result.js'

/**
 * A counter that can be waited for, by eventfd(2). Writing 8 bytes (an unsigned 64-bit integer) adds to it, reading 8 bytes takes it
 * and sets it to 0; `WouldBlock` while it is 0.
 *
 * @param initial 0 to 2^32 - 1
 * @param options `semaphore`: reading takes 1 at a time
 * @returns the descriptor; close it
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_ASYNCFD_UNSUPPORTED`; {@link AsyncFdError} with EMFILE, ENFILE
 * @example
 * const event = sys.eventfd()
 * sys.write(event, BigUint64Array.of(1n))
 */
export function eventfd(initial = 0, options: { semaphore?: boolean } = {}): number {
  checkOptions(options)
  const call = supported(native().sysEventfd, 'eventfd')
  return orThrow(call(integer('initial', initial, 0, 0xffffffff), options.semaphore === true), 'eventfd')
}

/** Linux's numbers of clocks, from time.h; they are the same on every architecture. */
const CLOCKS = { realtime: 0, monotonic: 1, boottime: 7 }

/**
 * Which clock a timer runs by: `'boottime'` counts time asleep, `'realtime'` can be set.
 *
 * @example
 * const clock: sys.TimerfdClock = 'boottime' // goes on while the machine sleeps
 * const timer = sys.timerfd(clock)
 */
export type TimerfdClock = keyof typeof CLOCKS

/**
 * A timer that can be waited for, by timerfd_create(2); {@link setTimerfd} starts it. Reading 8 bytes gives how often it fired since
 * the last read (an unsigned 64-bit integer); `WouldBlock` if it did not.
 *
 * @returns the descriptor; close it
 * @throws `ERR_INVALID_ARG_VALUE`, `ERR_ASYNCFD_UNSUPPORTED`; {@link AsyncFdError} with EMFILE, ENFILE
 * @example
 * const timer = sys.timerfd()
 * sys.setTimerfd(timer, { value: 100, interval: 100 })
 */
export function timerfd(clock: TimerfdClock = 'monotonic'): number {
  const call = supported(native().sysTimerfd, 'timerfd')
  if (typeof clock !== 'string' || !Object.hasOwn(CLOCKS, clock))
    throw invalidArgValue('clock', `must be one of 'monotonic', 'realtime', 'boottime'`, clock)
  return orThrow(call(CLOCKS[clock]), 'timerfd_create')
}

/**
 * When a timer fires.
 *
 * @example
 * const setting: sys.TimerfdSetting = { value: 250, interval: 1000 }
 * sys.setTimerfd(sys.timerfd(), setting)
 */
export interface TimerfdSetting {
  /** Milliseconds until it fires first, fractions count; 0 stops it. With `absolute` an instant of its clock. */
  value: number
  /** Milliseconds between further firings; 0, the default, fires once. */
  interval?: number
  /** Whether `value` is an instant: for the clock `'realtime'` in milliseconds since 1970, as `Date.now()` gives. */
  absolute?: boolean
  /** With `absolute` on `'realtime'`: reading says ECANCELED once the clock was set. */
  cancelOnSet?: boolean
}

const ABSOLUTE = 1
const CANCEL_ON_SET = 2
/** In seconds what a signed 32-bit time holds: 68 years, or an instant until 2038 on 32-bit systems; 64-bit ones take it all. */
const MAX_MILLISECONDS = 1e15

/**
 * Starts or stops a timer, by timerfd_settime(2).
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_ASYNCFD_UNSUPPORTED`; {@link AsyncFdError} with EINVAL (no timerfd), EBADF
 * @example
 * const timer = sys.timerfd('realtime')
 * sys.setTimerfd(timer, { value: Date.now() + 5000, absolute: true })
 */
export function setTimerfd(fd: FdSource, setting: TimerfdSetting): void {
  const call = supported(native().sysSetTimerfd, 'setTimerfd')
  const number = fdOf(fd)
  if (typeof setting !== 'object' || setting === null) throw invalidArgType('setting', 'an object { value, interval }', setting)
  const value = milliseconds('setting.value', setting.value)
  const interval = milliseconds('setting.interval', setting.interval ?? 0)
  const flags = (setting.absolute === true ? ABSOLUTE : 0) | (setting.cancelOnSet === true ? CANCEL_ON_SET : 0)
  orThrow(call(number, flags, value, interval), 'timerfd_settime', number)
}

function milliseconds(name: string, value: number): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  if (!(value >= 0 && value <= MAX_MILLISECONDS)) throw outOfRange(name, `>= 0 and <= ${MAX_MILLISECONDS}`, value)
  return value
}

/**
 * A descriptor of a process, by pidfd_open(2), that becomes readable when the process ends. It means that process even after the
 * number is reused. Nothing is read from it; who collects the exit code is the parent's business, which for children of Node is Node.
 *
 * @returns the descriptor; close it
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_ASYNCFD_UNSUPPORTED`; {@link AsyncFdError} with ESRCH (no such process), ENOSYS
 *   (before Linux 5.3)
 * @example
 * using child = new AsyncFd(sys.pidfdOpen(pid), { owned: true })
 * await child.readable()
 */
export function pidfdOpen(pid: number): number {
  const call = supported(native().sysPidfdOpen, 'pidfdOpen')
  return orThrow(call(integer('pid', pid, 1, 0x7fffffff)), 'pidfd_open')
}

/**
 * Sends a signal to the process of a pidfd, by pidfd_send_signal(2).
 *
 * @param signal a number from `os.constants.signals`; 0 only asks whether the process is there
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_ASYNCFD_UNSUPPORTED`; {@link AsyncFdError} with ESRCH (it has ended), EPERM, EBADF
 * @example
 * sys.pidfdSendSignal(pidfd, os.constants.signals.SIGTERM)
 */
export function pidfdSendSignal(fd: FdSource, signal: number): void {
  const call = supported(native().sysPidfdSendSignal, 'pidfdSendSignal')
  const number = fdOf(fd)
  orThrow(call(number, integer('signal', signal, 0, 64)), 'pidfd_send_signal', number)
}
