/**
 * `Poller` of `asyncfd/compat`: as that of `@serialport/bindings-cpp`. serialport itself runs on it in `npm run test:install`
 * (scripts/install/projects/serialport).
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Interest } from 'asyncfd'
import { Poller, type PollerEvent } from 'asyncfd/compat'
import * as sys from 'asyncfd/sys'
import {
  drain,
  feed,
  fill,
  noLeaks,
  open,
  own,
  pipe,
  reuse,
  settled,
  shut,
  socketPair,
  take,
  tcpPair,
  watch,
} from './helpers/fixtures.js'
import { Child } from './helpers/process.js'
import { NOT_OPEN } from './helpers/sys.js'
import test, { type ExecutionContext } from './helpers/test.js'

const { O_RDONLY, SHUT_WR } = sys.constants
const onLinux = process.platform === 'linux' ? test : test.skip
const READABLE = 1
const WRITABLE = 2
const DISCONNECT = 4

noLeaks(test)

interface Told {
  event: PollerEvent
  error: (Error & { code?: string; canceled?: boolean }) | null
}

/** A Poller that the test destroys, and all that it emits. */
function polling(t: ExecutionContext, fd: number): { poller: Poller; told: Told[]; events: () => string } {
  const poller = new Poller(fd)
  const told: Told[] = []
  for (const event of ['readable', 'writable', 'disconnect'] as const) poller.on(event, (error) => told.push({ event, error }))
  t.teardown(() => {
    poller.removeAllListeners()
    poller.destroy()
  })
  return { poller, told, events: () => told.map(({ event, error }) => `${event} ${error?.code ?? error}`).join(', ') }
}

test('once() asks for its event and is told of it once, with null', async (t) => {
  const [a, b] = socketPair(t)
  const { poller, events } = polling(t, a)
  const readable = once(poller, 'readable')
  t.is(poller.listenerCount('readable'), 2)
  feed(b)
  t.deepEqual(await readable, [null])
  await settled()
  t.is(events(), 'readable null', 'though it is readable still')
  t.is(poller.listenerCount('readable'), 1)
  t.is(
    poller.once('writable', () => {}),
    poller,
  )
  await settled()
  t.is(events(), 'readable null, writable null')
})

test('what is so already is told, and not from the call that asks', async (t) => {
  const [a, b] = socketPair(t)
  const { poller, told } = polling(t, a)
  feed(b)
  for (let round = 1; round <= 3; round++) {
    const readable = once(poller, 'readable')
    t.is(told.length, round - 1)
    t.deepEqual(await readable, [null])
  }
})

test('one event does not end the wait for another', async (t) => {
  const [a, b] = socketPair(t)
  fill(a)
  const { poller, events } = polling(t, a)
  poller.poll(READABLE)
  poller.poll(WRITABLE)
  await settled()
  t.is(events(), '')
  drain(b)
  await settled()
  t.is(events(), 'writable null')
  feed(b)
  await settled()
  t.is(events(), 'writable null, readable null')
  await settled()
  t.is(events(), 'writable null, readable null', 'and neither comes unasked')
})

test('poll() takes several flags, and without any asks for nothing; on() alone asks for nothing', async (t) => {
  const [a, b] = socketPair(t)
  const { poller, events } = polling(t, a)
  feed(b)
  poller.poll()
  poller.poll(8)
  await settled()
  t.is(events(), '')
  poller.poll(READABLE | WRITABLE)
  await settled()
  t.is(events(), 'readable null, writable null')
})

onLinux('disconnect: the peer writes no more, told once, besides what there is to read', async (t) => {
  const [a, b] = tcpPair(t)
  const { poller, events } = polling(t, a)
  poller.poll(DISCONNECT)
  feed(b)
  await settled()
  t.is(events(), '', 'data is no disconnect')
  sys.shutdown(b, SHUT_WR)
  await once(poller, 'disconnect')
  await settled()
  t.is(events(), 'disconnect null')
  poller.poll(READABLE | DISCONNECT)
  await settled()
  t.is(events(), 'disconnect null, readable null, disconnect null')
})

test('a hang-up and nothing else is whatever was asked for', async (t) => {
  for (const event of ['readable', 'disconnect'] as const) {
    const [reader, writer] = pipe(t)
    const { poller, events } = polling(t, reader)
    const told = once(poller, event)
    shut(writer)
    await told
    t.is(events(), `${event} null`)
  }
})

onLinux('a terminal whose other end is gone tells an error to all, and asks for nothing any more', async (t) => {
  const { master, slave } = sys.openpty()
  own(t, master)
  const { poller, told, events } = polling(t, own(t, slave))
  poller.poll(READABLE)
  await settled()
  shut(master)
  while (told.length === 0) await settled()
  await settled()
  t.is(events(), 'readable EBADF, writable EBADF, disconnect EBADF')
  t.regex(told[0]!.error!.message, /hung up/)
})

test('stop() tells those who wait that it was canceled, and can be followed by another poll', async (t) => {
  const [a, b] = socketPair(t)
  const { poller, told, events } = polling(t, a)
  poller.poll(READABLE)
  feed(b)
  poller.stop()
  t.is(events(), 'readable ECANCELED, writable ECANCELED, disconnect ECANCELED')
  t.true(told.every(({ error }) => error?.canceled === true && error.message === 'Canceled'))
  await settled()
  t.is(told.length, 3, 'what had come is not told')
  poller.poll(READABLE)
  await settled()
  t.is(events().split(', ').at(-1), 'readable null')
})

test('stop() by a listener keeps back what comes after', async (t) => {
  const [a, b] = socketPair(t)
  const { poller, told } = polling(t, a)
  poller.once('readable', (error) => {
    if (error === null) poller.stop()
  })
  feed(b)
  while (told.length < 4) await settled()
  const { length } = told
  feed(b)
  await settled()
  t.is(told.length, length)
})

test('destroy() tells so as well, and lets go of the descriptor for good', async (t) => {
  const [a, b] = socketPair(t)
  const { poller, events } = polling(t, a)
  poller.poll(READABLE)
  poller.destroy()
  const canceled = 'readable ECANCELED, writable ECANCELED, disconnect ECANCELED'
  t.is(events(), canceled)
  poller.destroy()
  t.is(events(), `${canceled}, ${canceled}`)
  const code = 'ERR_ASYNCFD_CLOSED'
  t.throws(() => poller.poll(READABLE), { code })
  t.throws(() => poller.once('readable', () => {}), { code })
  const fd = watch(t, a)
  feed(b)
  t.is(await fd.asyncIo(Interest.READABLE, take), 1)
})

test('stop() after destroy(), as serialport may, only tells', (t) => {
  const [a] = socketPair(t)
  const { poller, told } = polling(t, a)
  poller.destroy()
  poller.stop()
  t.is(told.length, 6)
})

test('emitCanceled() tells and stops nothing', async (t) => {
  const [a, b] = socketPair(t)
  const { poller, events } = polling(t, a)
  poller.poll(READABLE)
  poller.emitCanceled()
  feed(b)
  await settled()
  t.is(events(), 'readable ECANCELED, writable ECANCELED, disconnect ECANCELED, readable null')
})

test('destroy() by a listener keeps no other Poller from its event', async (t) => {
  const [a, b] = socketPair(t)
  const [c, d] = socketPair(t)
  const first = polling(t, a).poller
  const second = polling(t, c)
  first.once('readable', () => void first.destroy())
  second.poller.poll(READABLE)
  feed(b, d)
  await settled()
  t.is(second.events(), 'readable null')
})

test('the constructor makes the descriptor non-blocking, and throws for what cannot be polled', (t) => {
  const [reader] = pipe(t)
  sys.setNonblocking(reader, false)
  polling(t, reader)
  t.true(sys.isNonblocking(reader))
  for (const fd of ['0', undefined, null, {}] as unknown as number[]) {
    t.throws(() => new Poller(fd), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.throws(() => new Poller(-1), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => new Poller(NOT_OPEN), { code: 'EBADF' })
  if (process.platform !== 'linux') return
  t.throws(() => new Poller(open(t, fileURLToPath(import.meta.url), O_RDONLY)), { code: 'EPERM' })
})

test('poll() throws for what is no flag', (t) => {
  const [reader] = pipe(t)
  const { poller } = polling(t, reader)
  for (const flag of ['1', null, {}] as unknown as number[]) t.throws(() => poller.poll(flag), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a descriptor that was closed elsewhere: asking throws, and whoever waits is told once its number is used', async (t) => {
  const [reader] = pipe(t)
  const [other] = pipe(t)
  const { poller, events } = polling(t, reader)
  poller.poll(READABLE)
  reuse(t, reader, other)
  t.throws(() => poller.poll(READABLE), { code: 'ENOENT' })
  watch(t, reader)
  const code = 'ERR_ASYNCFD_FD_REUSED'
  t.is(events(), `readable ${code}, writable ${code}, disconnect ${code}`)
  const gone = polling(t, other).poller
  shut(other)
  t.throws(() => gone.poll(READABLE), { code: 'EBADF' })
})

test('one that asked for nothing when its number was lost does not ask for another that has its place', async (t) => {
  const [reader] = pipe(t)
  const [other] = socketPair(t)
  const [a, b] = socketPair(t)
  const { poller } = polling(t, reader)
  reuse(t, reader, other)
  watch(t, reader)
  const fd = watch(t, a)
  t.throws(() => poller.poll(WRITABLE), { code: 'ENOENT' })
  const wait = fd.readable()
  feed(b)
  t.true((await wait).isReadable)
})

test('an event of a file whose number is another by now is an error to all, and nothing is uncaught', async (t) => {
  const [reader, writer] = pipe(t)
  const [other, feeder] = pipe(t)
  const copy = own(t, sys.dup(reader)) // so that the kernel still has the file
  const { poller, events } = polling(t, copy)
  poller.poll(READABLE | DISCONNECT)
  await settled()
  feed(feeder)
  reuse(t, copy, other)
  feed(writer)
  await settled()
  t.is(events(), 'readable ENOENT, writable ENOENT, disconnect ENOENT')
})

test('a listener that is no function is refused, and nothing is asked for', async (t) => {
  const [a, b] = socketPair(t)
  const { poller, events } = polling(t, a)
  t.throws(() => poller.once('readable', null as never), { code: 'ERR_INVALID_ARG_TYPE' })
  feed(b)
  await settled()
  t.is(events(), '')
})

test('a descriptor that has an AsyncFd can be polled as well', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  const { poller } = polling(t, a)
  const readable = once(poller, 'readable')
  feed(b)
  t.deepEqual(await readable, [null])
  t.is(await fd.asyncIo(Interest.READABLE, take), 1)
  poller.destroy()
  fd.close()
  shut(a)
  // A child that is being started has it for a moment longer.
  sys.poll([{ fd: b, events: sys.constants.POLLIN }], 10_000)
  t.is(sys.read(b, Buffer.alloc(1)), 0, 'and nothing of it stays open')
})

for (const [name, said, waits] of [
  ['poller-asked', 'asked, readable null', true],
  ['poller-idle', 'idle', false],
  ['poller-stopped', 'readable AsyncFdError: Canceled', false],
] as const) {
  test(`keeps the process alive while something was asked for, and no longer: ${name}`, async (t) => {
    const child = await Child.start('compat', [name])
    if (waits) await child.said('still here')
    child.write('x')
    const { stdout, ...ended } = await child.ended
    t.deepEqual(ended, { code: 0, signal: null, stderr: '' })
    t.is(stdout.trim().replace('\nstill here', '').replaceAll('\n', ', '), said)
  })
}
