/**
 * Registers and deregisters again and again, and watches what the process holds meanwhile. Used by the short spec and by
 * `npm run soak registrations`.
 */
import { setImmediate } from 'node:timers'
import { AsyncFd, Interest, reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { holdings } from './workers.js'

/** What happens between the constructor and `close()`. */
export const cycles = {
  /** Nothing: registered and deregistered. */
  plain: (fd) => new AsyncFd(fd).close(),
  /** A wait is started and aborted. */
  aborted: (fd) => {
    const registered = new AsyncFd(fd)
    const controller = new AbortController()
    registered.readable({ signal: controller.signal }).catch(() => {})
    controller.abort()
    registered.close()
  },
  /** A wait with a deadline is pending when it is closed. */
  pending: (fd) => {
    const registered = new AsyncFd(fd)
    registered.readable({ timeout: 3_600_000 }).catch(() => {})
    registered.close()
  },
  /** A subscription and wakers are there when it is closed. */
  subscribed: (fd) => {
    const registered = new AsyncFd(fd)
    registered.subscribe(Interest.READABLE, () => {})
    registered.pollReadReady(() => {})
    registered.pollReadReady(() => {})
    registered.close()
  },
  /** The descriptor is closed first. */
  'closed before': (fd) => {
    const copy = sys.dup(fd)
    const registered = new AsyncFd(copy)
    registered.readable().catch(() => {})
    sys.close(copy)
    registered.close()
  },
  /** The descriptor is closed by the AsyncFd. */
  owned: (fd) => {
    const registered = new AsyncFd(sys.dup(fd), { owned: true })
    registered.readable().catch(() => {})
    registered.close()
  },
  /** The descriptor is closed and its number registered anew before the first registration is ended. */
  reused: (fd) => {
    const copy = sys.dup(fd)
    const lost = new AsyncFd(copy)
    lost.readable().catch(() => {})
    sys.close(copy)
    const again = sys.eventfd()
    const next = new AsyncFd(again, { owned: true })
    lost.close()
    next.close()
  },
} satisfies Record<string, (fd: number) => void>
export type Cycle = keyof typeof cycles

export interface Sample {
  done: number
  rss_mib: number
  fds: number
  threads: number
  registered: number
}

const CYCLES_PER_TURN = 500
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Runs `count` cycles and samples `samples` times. The first sample comes after a tenth: by then everything has its size. */
export async function manyRegistrations(
  cycle: Cycle,
  count: number,
  { samples = 10, report = (_: Sample) => {} } = {},
): Promise<Sample[]> {
  const [reader, writer] = sys.pipe()
  sys.write(writer, Buffer.from('x')) // so that each registration has an event on its way when it ends
  const first = new AsyncFd(reader)
  await first.readable() // so that the driver's thread has its name by now
  first.close()
  const taken: Sample[] = []
  const every = Math.max(1, Math.floor(count / samples))
  try {
    for (let done = 0; done < count; ) {
      const until = Math.min(count, done + CYCLES_PER_TURN, (taken.length + 1) * every)
      for (; done < until; done++) cycles[cycle](reader)
      await turn()
      if (done >= (taken.length + 1) * every) {
        globalThis.gc?.()
        const { registered } = reactor.metrics()
        const sample = { done, rss_mib: Math.round(process.memoryUsage.rss() / 2 ** 20), ...holdings(), registered }
        taken.push(sample)
        report(sample)
      }
    }
  } finally {
    sys.close(reader)
    sys.close(writer)
  }
  return taken
}
