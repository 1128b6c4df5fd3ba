/**
 * What the kernel knows of a connection.
 *
 * @module
 */
import { endianness } from 'node:os'
import { Ready } from './interest.js'
import { theReactor } from './reactor.js'
import { readyMask } from './registration.js'
import { constants } from './sys/constants.js'
import { untaken } from './sys/ioctl.js'
import { getSocketOption } from './sys/option.js'

/** What the kernel says: null where there is no descriptor to ask about. */
export type Answer = boolean | null

/** Whether a descriptor is ready, now. */
export function ask(fd: number, interest: number): Answer {
  if (fd < 0) return null
  try {
    return (theReactor().probe(fd, interest) & (readyMask(interest) | Ready.ERROR)) !== 0
  } catch {
    return false // It is being closed.
  }
}

/**
 * Where Linux's `struct tcp_info` (linux/tcp.h) has how often the wait for the peer was doubled, and how many microseconds it is now;
 * how many segments are on their way, and how many of those for the second time; how many milliseconds ago data was sent; and bytes
 * acknowledged, received, sent, sent again.
 */
const DOUBLED = 4
const WAIT_US = 8
const ON_THEIR_WAY = 24
const AGAIN_ON_THEIR_WAY = 36
const LAST_DATA_SENT = 44
const BYTES_ACKNOWLEDGED = 120
const BYTES_RECEIVED = 128
const BYTES_SENT = 200
const BYTES_SENT_AGAIN = 208
const TCP_INFO_BYTES = 216
/** As precise as the time is: it counts the ticks of the kernel, of which there are at least a hundred a second. */
const KERNEL_TICK_MS = 10

const isLittleEndian = endianness() === 'LE'

/** Null where the system does not tell, or not so much. */
function tcpInfo<N>(fd: number, end: number, read: (info: DataView) => N): N | null {
  if (process.platform !== 'linux' || fd < 0) return null
  try {
    const { buffer, byteOffset, length } = getSocketOption(fd, constants.IPPROTO_TCP, constants.TCP_INFO, TCP_INFO_BYTES)
    return length < end ? null : read(new DataView(buffer, byteOffset, length))
  } catch {
    return null // It is a Unix socket, or being closed.
  }
}

/**
 * About how long ago bytes were sent last, for the first time. Each attempt after the first waits twice as long as the one before; ahead of
 * them goes one for a single segment that was not acknowledged, a tail loss probe.
 */
export const tcpSentAgo = (fd: number): number | null =>
  tcpInfo(fd, LAST_DATA_SENT + 4, (info) => {
    const word = (at: number) => info.getUint32(at, isLittleEndian)
    const onTheirWay = word(ON_THEIR_WAY)
    const wait = onTheirWay === 0 ? 0 : word(WAIT_US) / 1000
    const first = wait / 2 ** info.getUint8(DOUBLED)
    const probed = onTheirWay === 1 && word(AGAIN_ON_THEIR_WAY) === 1 ? first : 0
    return Math.max(0, word(LAST_DATA_SENT) + wait - first + probed - KERNEL_TICK_MS)
  })

/** Milliseconds within which what is written goes out, if it can. */
const AT_ONCE_MS = 20

/**
 * Since when nothing has been sent, where nothing has been written since `since`. The kernel takes megabytes at once; over a slow
 * connection, or to a slow reader, they are on their way long after that. (Its time does not stand still where ours is paused.)
 */
export function notSentSince(fd: number, since: number, now: number): number {
  if (theReactor().isPaused) return since
  const ago = tcpSentAgo(fd)
  return ago !== null && now - ago > since + AT_ONCE_MS ? now - ago : since
}

/**
 * What was written, and is being taken little by little by who reads it: a process of this host, or a line at its pace. There while
 * something is left of it. Not over TCP, of which the kernel tells more: see {@link notSentSince}.
 */
export class Outflow {
  #left: number
  /** Who takes it in parts is slow. What was taken at one time may have been so at once, before a blocked loop could look. */
  #inParts = false

  private constructor(left: number) {
    this.#left = left
  }

  /** Of what has been written by now; null if nothing is left of it. (Nobody waits for it where our time stands still.) */
  static of(fd: number): Outflow | null {
    const left = theReactor().isPaused ? 0 : untaken(fd)
    return left === 0 || tcpSentAgo(fd) !== null ? null : new Outflow(left)
  }

  /** Whether something was taken since the last look, where nothing was written. */
  look(fd: number): boolean {
    const left = untaken(fd)
    const taken = left < this.#left && (left > 0 || this.#inParts)
    this.#inParts ||= taken
    this.#left = left
    return taken
  }

  /** Whether nothing is left. */
  get isOver(): boolean {
    return this.#left === 0
  }
}

const count = (info: DataView, at: number) => Number(info.getBigUint64(at, isLittleEndian))

/** How many bytes the peer has acknowledged. */
export const tcpAcknowledged = (fd: number): number | null =>
  tcpInfo(fd, BYTES_ACKNOWLEDGED + 8, (info) => count(info, BYTES_ACKNOWLEDGED))

/** How many bytes have come. */
export const tcpReceived = (fd: number): number | null => tcpInfo(fd, BYTES_RECEIVED + 8, (info) => count(info, BYTES_RECEIVED))

/** How many bytes have gone. What was sent again is none: nobody may be there. */
export const tcpSent = (fd: number): number | null =>
  tcpInfo(fd, TCP_INFO_BYTES, (info) => count(info, BYTES_SENT) - count(info, BYTES_SENT_AGAIN))
