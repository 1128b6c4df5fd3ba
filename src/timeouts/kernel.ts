/**
 * What the kernel knows of a connection.
 *
 * @module
 */
import { endianness } from 'node:os'
import { Ready } from '../interest.js'
import { theReactor } from '../reactor.js'
import { readyMask } from '../registration.js'
import { constants } from '../sys/constants.js'
import { getSocketOption } from '../sys/option.js'

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

/** Where Linux's `struct tcp_info` has how long ago data was sent last, in milliseconds; and bytes received, sent, sent again (linux/tcp.h). */
const LAST_DATA_SENT = 44
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

/** At most how long ago bytes were sent last; what was sent again counts. */
export const tcpSentAgo = (fd: number): number | null =>
  tcpInfo(fd, LAST_DATA_SENT + 4, (info) => Math.max(0, info.getUint32(LAST_DATA_SENT, isLittleEndian) - KERNEL_TICK_MS))

const count = (info: DataView, at: number) => Number(info.getBigUint64(at, isLittleEndian))

/** How many bytes have come. */
export const tcpReceived = (fd: number): number | null => tcpInfo(fd, BYTES_RECEIVED + 8, (info) => count(info, BYTES_RECEIVED))

/** How many bytes have gone. What was sent again is none: nobody may be there. */
export const tcpSent = (fd: number): number | null =>
  tcpInfo(fd, TCP_INFO_BYTES, (info) => count(info, BYTES_SENT) - count(info, BYTES_SENT_AGAIN))
