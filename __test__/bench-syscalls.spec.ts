/**
 * Once: strace counts the same system calls whatever runs the specs; the embedded driver is what it is about
 */
import { count, traceWakeups, untraceable } from '../bench/fd/trace.js'
import test from './helpers/test.js'

const WAKEUPS = 300
const unavailable = untraceable() ?? (process.env.ASYNCFD_DRIVER === 'threaded' ? 'it is about the embedded driver' : null)
const traced = unavailable === null ? test.serial : test.serial.skip
const title = (text: string) => (unavailable === null ? text : `${text} (${unavailable})`)

for (const tier of ['callback', 'promise']) {
  traced(title(`a turn that wakes one descriptor makes one system call of ours: ${tier} tier`), async (t) => {
    const { ours, libuv, data } = await traceWakeups(tier, WAKEUPS)
    t.is(ours, 1, "waits on the poller's descriptor, per wake-up")
    t.is(libuv, 1, "waits of libuv's loop on its own descriptor, per wake-up")
    t.is(data, tier === 'callback' ? 2 : 3, 'reads and writes of the byte, per wake-up')
  })

  traced(title(`waking costs no lock, no notification and no bookkeeping in the kernel: ${tier} tier`), async (t) => {
    const { other, names } = await traceWakeups(tier, WAKEUPS)
    // The collector and the compiler of V8 work on other threads, whenever they like.
    t.true(other < 0.5, `${other} other calls per wake-up: ${names.join(', ')}`)
    t.false(
      names.some((name) => name === 'epoll_ctl' || name.startsWith('timerfd') || name.startsWith('eventfd')),
      names.join(', '),
    )
  })
}

test("a trace is counted between its marks, by descriptor, a thread's interrupted call once", (t) => {
  const trace = `7  epoll_wait(9, [], 1024, 0) = 0
7  statx(AT_FDCWD, "/asyncfd-bench-begin", AT_STATX_SYNC_AS_STAT, STATX_ALL, 0x7f) = -1 ENOENT
7  epoll_pwait(4, [{events=EPOLLIN}], 1024, -1, NULL, 8) = 1
7  epoll_pwait(9, [{events=EPOLLIN}], 1024, 0, NULL, 8) = 1
7  read(20, "\\1", 1) = 1
8  futex(0x5581, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>
7  write(21, "\\1", 1) = 1
8  <... futex resumed>) = 0
7  write(5, "x", 1) = 1
7  statx(AT_FDCWD, "/asyncfd-bench-end", AT_STATX_SYNC_AS_STAT, STATX_ALL, 0x7f) = -1 ENOENT
7  read(20, "\\1", 1) = 1`
  t.deepEqual(count(trace, { poller: 9, reader: 20, writer: 21 }, 1), {
    ours: 1,
    libuv: 1,
    data: 2,
    other: 2,
    total: 6,
    names: ['futex', 'write'],
  })
  t.throws(() => count('', { poller: 9, reader: 20, writer: 21 }, 1), { message: 'the trace lacks its marks' })
})
