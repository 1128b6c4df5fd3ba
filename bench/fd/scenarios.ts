/**
 * What runs in a child: one contender in one situation, of which it prints what was measured.
 *
 *   node build/bench/fd/scenarios.js SCENARIO CONTENDER PLACEMENT AMOUNT ...
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { AsyncFd, Interest, reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import type { Placement } from '../harness/child.js'
import { Meter, report } from '../harness/measure.js'
import { generator } from '../harness/random.js'
import { type Contender, contenders, type Name } from './contenders.js'
import { BEGIN, END, type TraceInfo } from './trace.js'

type Scenario = (start: () => Contender, amount: number, ...rest: string[]) => void

const BYTE = Uint8Array.of(1)
/** What adds 1 to an eventfd on a little-endian machine, and 2^56 on another; it becomes readable either way. */
const COUNT = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)

const openReader = (path: string) => fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
const openWriter = (path: string) => fs.openSync(path, fs.constants.O_WRONLY)

/** The wake-ups of a meter, and how often our own poller was asked: once per turn. */
function finish(meter: Meter): never {
  const result = meter.result()
  report({ ...result, asked: reactor.metrics().turns / (result.wakeups! + meter.warmup) })
}

/** One FIFO, fed by the contender itself: whoever is woken writes the byte of the next wake-up. */
const ownFifo: Scenario = (start, ms, fifo) => {
  const contender = start()
  const reader = openReader(fifo!)
  const writer = openWriter(fifo!)
  const meter = new Meter(ms)
  contender.start([reader], 1, () => {
    if (meter.woken()) finish(meter)
    contender.write(writer, BYTE)
  })
  contender.write(writer, BYTE)
}

/** FIFOs fed by another process (`feeder.ts`): one byte at a time, the next after the acknowledgement of the last. */
const fed: Scenario = (start, ms, acknowledgements, ...fifos) => {
  const contender = start()
  const writer = openWriter(acknowledgements!)
  const readers = fifos.map(openReader)
  const meter = new Meter(ms)
  contender.start(readers, 1, () => {
    // The feeder ends when its acknowledgements do.
    if (meter.woken()) finish(meter)
    contender.write(writer, BYTE)
  })
  contender.write(writer, BYTE)
}

/** The same with no reactor at all: the main thread blocks in read(2). What the kernel's waking and being woken cost. */
const blocked: Scenario = (_start, ms, acknowledgements, fifo) => {
  const writer = openWriter(acknowledgements!)
  const reader = fs.openSync(`/proc/self/fd/${openReader(fifo!)}`, fs.constants.O_RDONLY)
  const buffer = new Uint8Array(1)
  const meter = new Meter(ms)
  for (sys.write(writer, BYTE); sys.read(reader, buffer) === 1; sys.write(writer, BYTE)) {
    if (meter.woken()) finish(meter)
  }
}

/** Eventfds, `active` of `count` of which, spread evenly, are woken at random. */
const registered: Scenario = (start, ms, count, active) => {
  const contender = start()
  const fds = Array.from({ length: Number(count) }, () => sys.eventfd())
  const random = generator(1)
  const woken = Array.from({ length: Number(active) }, (_, i) => fds[Math.floor((i * fds.length) / Number(active))]!)
  const meter = new Meter(ms)
  contender.start(fds, 8, () => {
    if (meter.woken()) finish(meter)
    contender.write(woken[random(woken.length)]!, COUNT)
  })
  contender.write(woken[0]!, COUNT)
}

/** The same writes and reads with nobody waiting: what the kernel's share of touching so many descriptors is. */
const untouched: Scenario = (_start, ms, count) => {
  const fds = Array.from({ length: Number(count) }, () => sys.eventfd())
  const random = generator(1)
  const buffer = new Uint8Array(8)
  const meter = new Meter(ms)
  while (!meter.woken()) {
    const fd = fds[random(fds.length)]!
    sys.write(fd, COUNT)
    sys.read(fd, buffer)
  }
  finish(meter)
}

function pollers(): number[] {
  const isPoller = (fd: string) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]'
    } catch {
      return false
    }
  }
  return fs.readdirSync('/proc/self/fd').filter(isPoller).map(Number)
}

const mark = (path: string) => void fs.existsSync(path)

/** As `ownFifo`, for a number of wake-ups, between two marks that strace sees. */
const traced: Scenario = (start, count, fifo) => {
  const others = pollers()
  const contender = start()
  const reader = openReader(fifo!)
  const writer = openWriter(fifo!)
  let left = Number(count) + WARMUP_WAKEUPS
  contender.start([reader], 1, () => {
    left--
    if (left === Number(count)) mark(BEGIN)
    if (left === 0) {
      mark(END)
      const info: TraceInfo = { poller: pollers().find((fd) => !others.includes(fd)) ?? -1, reader, writer }
      report({ ...info })
    }
    contender.write(writer, BYTE)
  })
  contender.write(writer, BYTE)
}

/** Lets what is compiled or loaded at first use do so before the first mark. */
const WARMUP_WAKEUPS = 200

/** Calls `act` until the time is up, after a warm-up; prints nanoseconds of each. */
async function perOperation(ms: number, act: () => unknown): Promise<void> {
  const batch = async (limit: number) => {
    const from = performance.now()
    for (let count = 0; ; ) {
      for (let i = 0; i < 256; i++) {
        const result = act()
        if (result instanceof Promise) await result
      }
      count += 256
      const elapsed = performance.now() - from
      if (elapsed >= limit) return (elapsed * 1e6) / count
    }
  }
  await batch(ms / 3)
  report({ ns: await batch(ms) })
}

const costs: Record<string, () => () => unknown> = {
  'AsyncFd and close': () => {
    const fd = sys.eventfd()
    return () => new AsyncFd(fd, { interest: Interest.READABLE }).close()
  },
  'epoll add and remove': () => {
    const { add, remove } = contenders.epoll()
    const fd = sys.eventfd()
    return () => {
      add(fd)
      remove(fd)
    }
  },
  'await readable() of what is ready': () => {
    const fd = new AsyncFd(sys.eventfd(1), { interest: Interest.READABLE })
    return () => fd.readable()
  },
  'await of a resolved promise': () => () => Promise.resolve(BYTE),
  'guard.tryIo of nothing': () => {
    const fd = new AsyncFd(sys.eventfd(1), { interest: Interest.READABLE })
    let guard: Awaited<ReturnType<typeof fd.readable>> | undefined
    void fd.readable().then((first) => {
      guard = first
    })
    return () => guard?.tryIo(() => 1)
  },
  'sys.read of a byte': () => {
    const fd = fs.openSync('/dev/zero', 'r')
    const buffer = new Uint8Array(1)
    return () => sys.read(fd, buffer)
  },
  'fs.readSync of a byte': () => {
    const fd = fs.openSync('/dev/zero', 'r')
    const buffer = new Uint8Array(1)
    return () => fs.readSync(fd, buffer, 0, 1, null)
  },
  'sys.read of nothing': () => {
    const fd = sys.eventfd()
    const buffer = new Uint8Array(8)
    return () => sys.read(fd, buffer)
  },
  'fs.readSync of nothing': () => {
    const fd = sys.eventfd()
    const buffer = new Uint8Array(8)
    return () => {
      try {
        return fs.readSync(fd, buffer, 0, 8, null)
      } catch (error) {
        return (error as NodeJS.ErrnoException).code
      }
    }
  },
}

/** Starts a contender; what threads it starts go to the other core if it is to have them apart. */
function place(name: Name, placement: Placement): Contender {
  const threads = () => fs.readdirSync('/proc/self/task')
  if (placement !== 'apart') return contenders[name]()
  const before = threads()
  const contender = contenders[name]()
  for (const thread of threads()) {
    const core = thread === String(process.pid) ? '0' : '1'
    if (core === '0' || !before.includes(thread)) spawnSync('taskset', ['-pc', core, thread])
  }
  return contender
}

const scenarios: Record<string, Scenario> = { ownFifo, fed, blocked, registered, untouched, traced }
const [scenario, name, placement, amount, ...rest] = process.argv.slice(2)
if (scenario === 'cost') await perOperation(Number(amount), costs[name!]!())
else scenarios[scenario!]!(() => place(name as Name, placement as Placement), Number(amount), ...rest)
