/**
 * Limits of a stream as a whole, on stopped time.
 *
 * Portable: bun, deno
 */
import { Async, reactor, type StreamTimeouts, type TimeoutError } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { clock } from 'asyncfd/time'
import { onStoppedTime, watch } from './helpers/clock.js'
import { drain, fill, noLeaks, pipe, release, settled, socketPair } from './helpers/fixtures.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

noLeaks(test)

function stream(t: T, fd: number, timeouts?: StreamTimeouts): Async {
  const made = new Async(release(fd), { owned: true })
  t.teardown(() => made.close())
  if (timeouts !== undefined) made.setTimeouts(timeouts)
  return made
}

/** Lets time pass in small steps, as it does. */
async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at++) await clock.advance(1)
  await settled()
}

onStoppedTime('idle: the stream ends when nothing has moved, never early and at most a tenth late', async (t) => {
  const [a, b] = socketPair(t)
  const idle = stream(t, a, { idle: 100 })
  const reading = watch(idle.read(Buffer.alloc(10)))
  await pass(60)
  sys.write(b, Buffer.from('x'))
  await settled()
  t.is(reading.state, 'resolved')
  const again = watch(idle.read(Buffer.alloc(10)))
  await pass(99)
  t.is(again.state, 'pending')
  await pass(12)
  t.is(again.state, 'rejected')
  const error = again.error as TimeoutError
  t.like(error, { name: 'TimeoutError', code: 'ETIMEDOUT', phase: 'idle', timeout: 100 })
  t.true(error.elapsed >= 100 && error.elapsed <= 110, `${error.elapsed}`)
  t.true(idle.closed)
  t.is(await t.throwsAsync(idle.write(Buffer.from('x'))), error, 'what comes later is told the same')
  t.is(await t.throwsAsync(idle.chunks().next()), error)
})

onStoppedTime('read: only while a read is pending', async (t) => {
  const [a, b] = socketPair(t)
  const limited = stream(t, a, { read: 50 })
  await pass(200)
  t.false(limited.closed)
  const first = watch(limited.read(Buffer.alloc(10)))
  await pass(49)
  sys.write(b, Buffer.from('in time'))
  await settled()
  t.is(first.state, 'resolved')
  await pass(100)
  const second = watch(limited.read(Buffer.alloc(10)))
  await pass(49)
  t.is(second.state, 'pending', 'counted from its own beginning')
  await pass(12)
  t.is((second.error as TimeoutError).phase, 'read')
})

onStoppedTime('write: only while a write is pending and the kernel takes nothing', async (t) => {
  const [a, b] = socketPair(t)
  const limited = stream(t, a, { write: 50 })
  const writing = watch(limited.writeAll(Buffer.alloc(3_000_000)))
  for (let i = 0; i < 5; i++) {
    await pass(40)
    t.is(writing.state, 'pending')
    t.true(drain(b) > 0)
    await settled()
  }
  await pass(70)
  const error = writing.error as TimeoutError & { bytesWritten: number }
  t.is(error.phase, 'write')
  t.true(error.bytesWritten > 0 && error.bytesWritten < 3_000_000)
})

onStoppedTime('total: whatever moves', async (t) => {
  const [a, b] = socketPair(t)
  const limited = stream(t, a, { total: 100, idle: 50 })
  for (let i = 0; i < 9; i++) {
    await pass(10)
    sys.write(b, Buffer.from('drip'))
    await limited.read(Buffer.alloc(10))
  }
  const reading = watch(limited.read(Buffer.alloc(10)))
  await pass(9)
  t.is(reading.state, 'pending')
  await pass(2)
  t.is((reading.error as TimeoutError).phase, 'total')
})

onStoppedTime('a peer that has done its part is not blamed for a blocked event loop', async (t) => {
  const [a, b] = socketPair(t)
  const limited = stream(t, a, { idle: 50, read: 50 })
  const reading = watch(limited.read(Buffer.alloc(10)))
  await pass(30)
  // All of it in one turn of the loop: the answer lies in the kernel when the limit is looked at.
  sys.write(b, Buffer.from('answer'))
  await clock.advance(40)
  await settled()
  t.is(reading.state, 'resolved')
  t.false(limited.closed)
  // Nor for a reader that has paused, with data waiting.
  sys.write(b, Buffer.from('more'))
  await pass(300)
  t.false(limited.closed)
  t.is(await limited.read(Buffer.alloc(10)), 4)
})

onStoppedTime('limits are replaced, taken away, and end with the stream', async (t) => {
  const { timers } = reactor.metrics()
  const [a] = socketPair(t)
  const limited = stream(t, a, { idle: 10, total: 10 })
  limited.setTimeouts({ idle: 1000 })
  await pass(50)
  t.false(limited.closed)
  limited.setTimeouts({})
  await settled()
  t.is(reactor.metrics().timers, timers)
  limited.setTimeouts({ read: 5, write: 5, idle: 5, total: 5 })
  await limited.close()
  await settled()
  t.is(reactor.metrics().timers, timers)
  const [c] = socketPair(t)
  const other = stream(t, c, { idle: 5 })
  sys.close(other.intoInner())
  await pass(20)
  t.is(reactor.metrics().timers, timers)
})

onStoppedTime('pipes too, and none for 0, undefined and Infinity', async (t) => {
  const [reader, writer] = pipe(t)
  const limited = stream(t, reader, { idle: 0, total: Number.POSITIVE_INFINITY, read: undefined, write: 10 })
  await pass(100)
  t.false(limited.closed)
  fill(writer)
  const full = stream(t, writer, { write: 20 })
  const writing = watch(full.write(Buffer.alloc(10)))
  await pass(30)
  t.is((writing.error as TimeoutError).phase, 'write')
})

test('bad input throws at the call', async (t) => {
  const [a] = socketPair(t)
  const limited = stream(t, a)
  for (const bad of [null, 1, 'idle', [], Buffer.alloc(1)])
    t.throws(() => limited.setTimeouts(bad as never), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const bad of ['5', null, {}]) t.throws(() => limited.setTimeouts({ idle: bad as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const bad of [-1, Number.NaN]) t.throws(() => limited.setTimeouts({ read: bad }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => limited.setTimeouts({ iddle: 5 } as never), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /did you mean "idle"/,
  })
  t.throws(() => limited.setTimeouts({ lifetime: 5 } as never), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /read, write, idle, total/,
  })
  await limited.close()
  t.throws(() => limited.setTimeouts({ idle: 5 }), { code: 'ERR_ASYNCFD_CLOSED' })
})
