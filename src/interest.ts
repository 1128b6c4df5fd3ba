/**
 * Interest and readiness: small sets of bits that share their values, so that an interest can be held against what
 * is ready with one `&`.
 *
 * @module
 */

/**
 * What to wait for. Combine with `|`.
 *
 * @example
 * const guard = await fd.ready(Interest.READABLE | Interest.WRITABLE)
 * if (guard.isReadable) sys.read(fd, buffer)
 */
export const Interest = {
  /** Data to read, end of file, or an incoming connection. */
  READABLE: 1,
  /** Room to write, or a finished connect. */
  WRITABLE: 2,
  /** Out-of-band data: TCP `MSG_OOB`, sysfs GPIO, packet mode of a PTY. */
  PRIORITY: 16,
  /** An error condition, such as an entry in a socket's error queue. */
  ERROR: 32,
} as const

/**
 * What was seen.
 *
 * @example
 * const { ready } = await fd.readable()
 * if ((ready & Ready.READ_CLOSED) !== 0) console.log('the peer sends no more')
 */
export const Ready = {
  /** Nothing. */
  EMPTY: 0,
  /** As {@link Interest}. */
  READABLE: 1,
  /** As {@link Interest}. */
  WRITABLE: 2,
  /** The peer will send no more. Implies readable. */
  READ_CLOSED: 4,
  /** Nothing can be written any more. Implies writable. */
  WRITE_CLOSED: 8,
  /** As {@link Interest}. */
  PRIORITY: 16,
  /** As {@link Interest}; comes unasked. */
  ERROR: 32,
  /** All of these. */
  ALL: 63,
} as const

const NAMES = ['READABLE', 'WRITABLE', 'READ_CLOSED', 'WRITE_CLOSED', 'PRIORITY', 'ERROR'] as const

/**
 * Shows a set of ready bits or an interest: `'READABLE | READ_CLOSED'`, `'EMPTY'`.
 *
 * @example
 * const { ready } = await fd.readable()
 * console.log(readyToString(ready)) // 'READABLE', or 'READABLE | READ_CLOSED' at the end
 */
export function readyToString(bits: number): string {
  const names = NAMES.filter((name) => (bits & Ready[name]) !== 0)
  const unknown = bits & ~Ready.ALL
  if (unknown !== 0) names.push(`0x${(unknown >>> 0).toString(16)}` as never)
  return names.length === 0 ? 'EMPTY' : names.join(' | ')
}
