/**
 * System calls per wake-up, counted by strace between two marks: `stat` of paths that do not exist.
 *
 * strace slows the child so much that no turn finds reason to look twice: what is counted is the isolated wake-up.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as sys from 'asyncfd/sys'
import { script, start } from '../harness/child.js'

export const BEGIN = '/asyncfd-bench-begin'
export const END = '/asyncfd-bench-end'

/** What the child knows of itself, to read its trace by. */
export type TraceInfo = {
  /** The epoll descriptor that the contender added to the process, or -1. */
  poller: number
  reader: number
  writer: number
}

/** Calls per wake-up, by what they are for. */
export interface Calls {
  /** Waits on the contender's own poller. */
  ours: number
  /** Waits of libuv's loop on its own. */
  libuv: number
  /** The reads and writes of the byte that woke. */
  data: number
  /** All else: locks, notifications between threads, loop bookkeeping. */
  other: number
  total: number
  /** The names among `other`. */
  names: string[]
}

/** Why calls cannot be counted here, or null. */
export function untraceable(): string | null {
  if (process.platform !== 'linux') return 'strace is for Linux'
  const { status } = spawnSync('strace', ['-o', '/dev/null', 'true'])
  if (status === 0) return null
  return status === null ? 'strace is not installed' : 'strace may not trace here'
}

/** Runs a contender under strace for `wakeups` wake-ups of one FIFO. */
export async function traceWakeups(contender: string, wakeups: number): Promise<Calls> {
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-trace-'))
  try {
    const [fifo, trace] = [join(folder, 'fifo'), join(folder, 'trace')]
    sys.mkfifo(fifo)
    const child = [process.execPath, script('fd/scenarios.js'), 'traced', contender, 'any', String(wakeups), fifo]
    const info = (await start('strace', ['-f', '-qq', '-o', trace, ...child]).measured) as TraceInfo
    return count(readFileSync(trace, 'utf8'), info, wakeups)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Counts the calls of all threads between the marks. A call that another thread interrupts has a second line, `resumed`. */
export function count(trace: string, { poller, reader, writer }: TraceInfo, wakeups: number): Calls {
  const lines = trace.split('\n')
  const from = lines.findIndex((line) => line.includes(BEGIN))
  const to = lines.findIndex((line) => line.includes(END))
  if (from < 0 || to < from) throw new Error('the trace lacks its marks')
  const calls = { ours: 0, libuv: 0, data: 0, other: 0, total: 0 }
  const names = new Set<string>()
  for (const line of lines.slice(from + 1, to)) {
    const [, name, fd] = /^\d+\s+([a-z_0-9]+)\((-?\d+)?/.exec(line) ?? []
    if (name === undefined) continue
    calls.total++
    if (name.startsWith('epoll_') && name.includes('wait')) calls[Number(fd) === poller ? 'ours' : 'libuv']++
    else if (/^(read|write)v?$/.test(name) && (Number(fd) === reader || Number(fd) === writer)) calls.data++
    else {
      calls.other++
      names.add(name)
    }
  }
  const { ours, libuv, data, other, total } = calls
  const each = (calls: number) => calls / wakeups
  return { ours: each(ours), libuv: each(libuv), data: each(data), other: each(other), total: each(total), names: [...names] }
}
