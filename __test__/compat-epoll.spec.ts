/**
 * `Epoll` of `asyncfd/compat`: what the `epoll` package promises, and what its users know of it without a promise. The package's own
 * tests run in `npm run test:install` (scripts/install/projects/epoll).
 *
 * Portable: bun, deno
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { AsyncFd, Interest, WouldBlock } from 'asyncfd'
import { Epoll } from 'asyncfd/compat'
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
  turns,
  watch,
} from './helpers/fixtures.js'
import { Child } from './helpers/process.js'
import { NOT_OPEN } from './helpers/sys.js'
import test, { type ExecutionContext } from './helpers/test.js'

const { EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLPRI, EPOLLERR, EPOLLHUP, EPOLLET, EPOLLONESHOT } = Epoll
const { MSG_OOB, SHUT_WR, O_RDONLY } = sys.constants
const onLinux = process.platform === 'linux' ? test : test.skip

noLeaks(test)

type Heard = [fd: number, events: number][]

/** An Epoll that the test closes, and what it said. */
function listening(t: ExecutionContext, heard: (fd: number, events: number) => void = () => {}): { epoll: Epoll; said: Heard } {
  const said: Heard = []
  const epoll = new Epoll((err, fd, events) => {
    t.is(err, null)
    said.push([fd, events])
    heard(fd, events)
  })
  t.teardown(() => {
    if (!epoll.closed) epoll.close()
  })
  return { epoll, said }
}

/** What is said of one descriptor once: it is asked of the kernel with ONESHOT, so that a level is not said again. */
async function told(t: ExecutionContext, fd: number, events: number): Promise<number[]> {
  const { epoll, said } = listening(t)
  epoll.add(fd, events | EPOLLONESHOT)
  await settled()
  epoll.remove(fd).close()
  return said.map(([, told]) => told)
}

/** Waits for something that the event loop brings about. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await turns()
}

test('the constants are those of epoll(7), and nobody can change them', (t) => {
  t.deepEqual(
    { EPOLLIN, EPOLLPRI, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLONESHOT, EPOLLET },
    {
      EPOLLIN: 1,
      EPOLLPRI: 2,
      EPOLLOUT: 4,
      EPOLLERR: 8,
      EPOLLHUP: 16,
      EPOLLRDHUP: 8192,
      EPOLLONESHOT: 2 ** 30,
      EPOLLET: 2 ** 31,
    },
  )
  t.throws(() => Object.assign(Epoll, { EPOLLIN: 7 }), { instanceOf: TypeError })
  t.is(Epoll.EPOLLIN, 1)
})

test('what there is to read and room to write are told apart, and only what was asked for', async (t) => {
  const [reader, writer] = pipe(t)
  const [a, b] = socketPair(t)
  feed(writer, b)
  t.deepEqual(await told(t, reader, EPOLLIN), [EPOLLIN])
  t.deepEqual(await told(t, writer, EPOLLOUT), [EPOLLOUT])
  t.deepEqual(await told(t, a, EPOLLIN), [EPOLLIN])
  t.deepEqual(await told(t, a, EPOLLOUT), [EPOLLOUT])
  t.deepEqual(await told(t, a, EPOLLIN | EPOLLOUT), [EPOLLIN | EPOLLOUT])
  t.deepEqual(await told(t, a, EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP), [])
  t.deepEqual(await told(t, a, 0), [])
})

onLinux('urgent data is EPOLLPRI, without EPOLLIN, until it is taken', async (t) => {
  const [a, b] = tcpPair(t)
  const { epoll, said } = listening(t, () => {
    if (said.length === 3) sys.recv(a, Buffer.alloc(1), 0, 1, MSG_OOB)
  })
  epoll.add(a, EPOLLPRI | EPOLLERR)
  await settled()
  feed(b)
  await settled()
  t.deepEqual(said, [], 'ordinary data is not urgent')
  sys.send(b, Buffer.from('!'), 0, 1, MSG_OOB)
  await until(() => said.length >= 3)
  await settled()
  t.deepEqual(said, [
    [a, EPOLLPRI],
    [a, EPOLLPRI],
    [a, EPOLLPRI],
  ])
})

onLinux('a peer that writes no more is EPOLLRDHUP, where that was asked for', async (t) => {
  const [a, b] = tcpPair(t)
  sys.shutdown(b, SHUT_WR)
  await settled()
  t.deepEqual(await told(t, a, EPOLLIN | EPOLLRDHUP), [EPOLLIN | EPOLLRDHUP])
  t.deepEqual(await told(t, a, EPOLLRDHUP), [EPOLLRDHUP])
  t.deepEqual(await told(t, a, EPOLLIN), [EPOLLIN])
  t.deepEqual(await told(t, a, EPOLLOUT), [EPOLLOUT])
  t.deepEqual(await told(t, a, EPOLLPRI), [])
})

test('a hang-up is EPOLLHUP, asked for or not, and not taken for EPOLLRDHUP', async (t) => {
  for (const events of [EPOLLIN | EPOLLRDHUP, EPOLLHUP, EPOLLPRI, 0]) {
    const [reader, writer] = pipe(t)
    const { epoll, said } = listening(t, (fd) => epoll.remove(fd))
    epoll.add(reader, events)
    await settled()
    shut(writer)
    await until(() => said.length > 0)
    t.is(said[0]![1] & ~EPOLLIN, EPOLLHUP)
    if (process.platform === 'linux') t.is(said[0]![1], EPOLLHUP)
  }
})

onLinux('an error is EPOLLERR, asked for or not', async (t) => {
  for (const events of [EPOLLERR, EPOLLIN, 0]) {
    const [reader, writer] = pipe(t)
    const { epoll, said } = listening(t, (fd) => epoll.remove(fd))
    epoll.add(writer, events)
    await settled()
    shut(reader)
    await until(() => said.length > 0)
    t.deepEqual(said, [[writer, EPOLLERR]])
  }
})

test('level-triggered by default: told for as long as it is so, and the event loop goes on meanwhile', async (t) => {
  const [reader, writer] = pipe(t)
  const { epoll, said } = listening(t)
  epoll.add(reader, EPOLLIN)
  await settled()
  t.is(said.length, 0)
  feed(writer)
  let iterations = 0
  await until(() => ++iterations > 0 && said.length >= 20)
  t.true(iterations > 1, `the loop had ${iterations} iterations`)
  drain(reader)
  await settled()
  const { length } = said
  await settled()
  t.is(said.length, length, 'and no more once it is not')
  t.true(said.every(([fd, events]) => fd === reader && events === EPOLLIN))
  feed(writer)
  await until(() => said.length > length)
})

test('edge-triggered: told once, and again when more comes', async (t) => {
  if (process.env.ASYNCFD_POLLING === 'oneshot') return t.pass('a backend without edges tells more often')
  const [reader, writer] = pipe(t)
  const { epoll, said } = listening(t)
  feed(writer)
  epoll.add(reader, EPOLLIN | EPOLLET)
  await settled()
  await settled()
  t.deepEqual(said, [[reader, EPOLLIN]], 'what was there before the add')
  feed(writer)
  await settled()
  t.is(said.length, 2)
  epoll.modify(reader, -(2 ** 31) | EPOLLIN)
  await settled()
  await settled()
  t.is(said.length, 3, 'modify tells anew, and the flag may be written as a negative number')
})

test('a writable descriptor under EPOLLET is told of once it was full', async (t) => {
  const [reader, writer] = pipe(t)
  const { epoll, said } = listening(t, () => fill(writer))
  epoll.add(writer, EPOLLOUT | EPOLLET)
  await until(() => said.length === 1)
  await settled()
  t.is(said.length, 1)
  drain(reader)
  await until(() => said.length === 2)
  t.deepEqual(said[1], [writer, EPOLLOUT])
})

test('EPOLLONESHOT: told once, whatever comes, until modify', async (t) => {
  const [reader, writer] = pipe(t)
  const { epoll, said } = listening(t)
  epoll.add(reader, EPOLLIN | EPOLLONESHOT)
  feed(writer)
  await until(() => said.length === 1)
  feed(writer)
  await settled()
  shut(writer)
  await settled()
  t.is(said.length, 1, 'neither more nor a hang-up is told')
  epoll.modify(reader, EPOLLIN | EPOLLONESHOT)
  t.is(said.length, 1, 'nor from within modify')
  await until(() => said.length === 2)
  t.deepEqual(said[1], [reader, EPOLLIN | EPOLLHUP])
  await settled()
  t.is(said.length, 2)
})

test('modify changes what is told, and a oneshot may be armed by its own callback', async (t) => {
  const [a, b] = socketPair(t)
  feed(b)
  const { epoll, said } = listening(t, () => {
    if (said.length === 1) epoll.modify(a, EPOLLOUT | EPOLLONESHOT)
  })
  epoll.add(a, EPOLLIN | EPOLLONESHOT)
  await until(() => said.length === 2)
  await settled()
  t.deepEqual(said, [
    [a, EPOLLIN],
    [a, EPOLLOUT],
  ])
})

test('a descriptor is added once, to one instance', (t) => {
  const [reader] = pipe(t)
  const { epoll } = listening(t)
  const other = listening(t).epoll
  t.is(epoll.add(reader, EPOLLIN), epoll)
  for (const again of [epoll, other]) {
    const error = t.throws(() => again.add(reader, EPOLLIN), { message: 'File exists', code: 'EEXIST' })
    t.like(error, { syscall: 'epoll_ctl', fd: reader })
    t.true(error?.cause instanceof Error, 'our own error says more')
  }
  t.is(epoll.remove(reader), epoll)
  t.throws(() => epoll.modify(reader, EPOLLIN), { code: 'ENOENT' })
  other.add(reader, EPOLLIN).remove(reader)
})

test('a number that was not added here is ENOENT, one that is not open EBADF', (t) => {
  const [reader] = pipe(t)
  const { epoll } = listening(t)
  const other = listening(t).epoll
  other.add(reader, EPOLLIN)
  for (const call of [() => epoll.modify(reader, EPOLLIN), () => epoll.remove(reader)]) {
    t.throws(call, { message: 'No such file or directory', code: 'ENOENT' })
  }
  other.remove(reader)
  for (const fd of [NOT_OPEN, -1]) {
    for (const call of [() => epoll.add(fd, EPOLLIN), () => epoll.modify(fd, EPOLLIN), () => epoll.remove(fd)]) {
      t.throws(call, { message: 'Bad file descriptor', code: 'EBADF' }, `${fd}`)
    }
  }
})

onLinux('a regular file cannot be added', (t) => {
  const { epoll } = listening(t)
  const file = open(t, fileURLToPath(import.meta.url), O_RDONLY)
  t.throws(() => epoll.add(file, EPOLLIN), { message: 'Operation not permitted', code: 'EPERM' })
})

test('after close() there is nothing but errors', (t) => {
  const [reader] = pipe(t)
  const { epoll } = listening(t)
  epoll.add(reader, EPOLLIN)
  t.false(epoll.closed)
  t.is(epoll.close(), null)
  t.true(epoll.closed)
  const code = 'ERR_ASYNCFD_CLOSED'
  t.throws(() => epoll.add(reader, EPOLLIN), { message: "add can't be called after calling close", code })
  t.throws(() => epoll.modify(reader, EPOLLIN), { message: "modify can't be called after calling close", code })
  t.throws(() => epoll.remove(reader), { message: "remove can't be called after calling close", code })
  t.throws(() => epoll.close(), { message: "close can't be called more than once", code })
  listening(t).epoll.add(reader, EPOLLIN).remove(reader)
})

test('bad arguments throw before anything happened', (t) => {
  const { epoll } = listening(t)
  const code = 'ERR_INVALID_ARG_TYPE'
  // @ts-expect-error a callback is needed
  t.throws(() => new Epoll(), { code })
  // @ts-expect-error it is a function
  t.throws(() => new Epoll({}), { code })
  for (const fd of ['0', null, undefined, {}, 1.5, Number.NaN, 2 ** 31, 0n] as unknown as number[]) {
    t.throws(() => epoll.add(fd, EPOLLIN), { message: 'incorrect arguments passed to add(int fd, int events)', code })
    t.throws(() => epoll.modify(fd, EPOLLIN), { message: 'incorrect arguments passed to modify(int fd, int events)', code })
    t.throws(() => epoll.remove(fd), { message: 'incorrect arguments passed to remove(int fd)', code })
  }
  const [reader] = pipe(t)
  for (const events of ['1', null, undefined, 1n] as unknown as number[]) {
    t.throws(() => epoll.add(reader, events), { code })
    t.throws(() => epoll.modify(reader, events), { code })
  }
})

for (const [how, end] of [
  ['remove()', (epoll: Epoll, fd: number) => void epoll.remove(fd)],
  ['close()', (epoll: Epoll) => void epoll.close()],
] as const) {
  test(`${how} by the callback keeps back what its batch holds for others`, async (t) => {
    const pipes = Array.from({ length: 5 }, () => pipe(t))
    const { epoll, said } = listening(t, () => {
      for (const [reader] of pipes) if (!epoll.closed) end(epoll, reader)
    })
    for (const [reader] of pipes) epoll.add(reader, EPOLLIN)
    feed(...pipes.map(([, writer]) => writer))
    await until(() => said.length > 0)
    await settled()
    t.is(said.length, 1)
  })
}

test('a descriptor added anew by the callback is told of under its new events alone', async (t) => {
  const [a, b] = socketPair(t)
  const [c, d] = socketPair(t)
  const { epoll, said } = listening(t, () => {
    if (said.length > 1) return void epoll.close()
    epoll.remove(a).remove(c).add(c, EPOLLOUT)
  })
  epoll.add(a, EPOLLIN).add(c, EPOLLIN)
  feed(b, d)
  await until(() => said.length === 2)
  t.is(said[0]![1], EPOLLIN)
  t.deepEqual(said[1], [c, EPOLLOUT])
})

test('a closed descriptor whose number is another file is forgotten, and the number can be added again', async (t) => {
  const [reader, writer] = pipe(t)
  const [other, feeder] = pipe(t)
  const first = listening(t)
  const second = listening(t)
  first.epoll.add(reader, EPOLLIN)
  reuse(t, reader, other)
  // A child that is being started has it for a moment longer.
  sys.poll([{ fd: writer, events: 0 }], 10_000)
  t.throws(() => sys.write(writer, Buffer.from('x')), { code: 'EPIPE' }, 'the Epoll does not keep the file open')
  second.epoll.add(reader, EPOLLIN | EPOLLONESHOT)
  feed(feeder)
  await until(() => second.said.length === 1)
  t.deepEqual(first.said, [])
  t.throws(() => first.epoll.remove(reader), { code: 'ENOENT' })
  t.throws(() => first.epoll.add(reader, EPOLLIN), { code: 'EEXIST' })
  second.epoll.remove(reader)
})

test('remove() of a descriptor that was closed before says so, and forgets it', async (t) => {
  const [reader, writer] = pipe(t)
  const [other, feeder] = pipe(t)
  const { epoll, said } = listening(t)
  epoll.add(reader, EPOLLIN).add(writer, EPOLLOUT | EPOLLONESHOT)
  shut(reader)
  t.throws(() => epoll.modify(reader, EPOLLIN), { code: 'EBADF' })
  t.throws(() => epoll.remove(reader), { code: 'EBADF' })
  reuse(t, writer, other)
  feed(feeder)
  t.throws(() => epoll.modify(writer, EPOLLIN), { code: 'ENOENT' })
  await settled()
  t.true(said.every(([fd]) => fd !== reader))
  t.throws(() => epoll.remove(writer), { code: 'ENOENT' })
  t.is(take(other), 1, 'the other file was left alone')
})

test('close() forgets descriptors that were closed before', (t) => {
  const [reader] = pipe(t)
  const { epoll } = listening(t)
  epoll.add(reader, EPOLLIN)
  shut(reader)
  t.is(epoll.close(), null)
})

test('a descriptor that has an AsyncFd can be added as well, and each hears of it', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const { epoll, said } = listening(t)
  epoll.add(reader, EPOLLIN | EPOLLONESHOT)
  t.throws(() => epoll.add(reader, EPOLLIN), { code: 'EEXIST' })
  feed(writer)
  await until(() => said.length === 1)
  t.deepEqual(said, [[reader, EPOLLIN]])
  t.is((await fd.asyncIo(Interest.READABLE, take)) as number, 1)
  epoll.modify(reader, EPOLLIN)
  feed(writer)
  await until(() => said.length >= 2)
  epoll.remove(reader).add(reader, EPOLLIN).remove(reader)
  t.is((await fd.asyncIo(Interest.READABLE, take)) as number, 1)
  t.is(take(reader), WouldBlock)
})

test('a descriptor shared with an AsyncFd is let go of at the end: its peer sees the end', async (t) => {
  const [a, b] = socketPair(t)
  const fd = watch(t, a)
  const { epoll } = listening(t)
  epoll.add(a, EPOLLIN)
  fd.close()
  t.throws(() => epoll.add(a, EPOLLIN), { code: 'EEXIST' }, 'though the number itself is free')
  epoll.close()
  shut(a)
  // A child that is being started has it for a moment longer.
  sys.poll([{ fd: b, events: sys.constants.POLLIN }], 10_000)
  t.is(sys.read(b, Buffer.alloc(1)), 0)
})

test('a thousand descriptors, each told of under its own number', async (t) => {
  const pairs = Array.from({ length: 500 }, () => socketPair(t))
  const fds = pairs.flat()
  const { epoll, said } = listening(t)
  for (const fd of fds) epoll.add(fd, EPOLLIN | EPOLLONESHOT)
  feed(...fds)
  await until(() => said.length >= fds.length)
  await settled()
  t.deepEqual(
    said.map(([fd]) => fd).sort((a, b) => a - b),
    [...fds].sort((a, b) => a - b),
  )
  t.true(said.every(([, events]) => events === EPOLLIN))
  for (const fd of fds) epoll.remove(fd)
})

test('the callback has the asynchronous context of the constructor', async (t) => {
  const [reader, writer] = pipe(t)
  const storage = new AsyncLocalStorage<string>()
  let seen: string | undefined
  const epoll = storage.run('made here', () => new Epoll(() => (seen = storage.getStore())))
  storage.run('added here', () => epoll.add(reader, EPOLLIN | EPOLLONESHOT))
  feed(writer)
  await until(() => seen !== undefined)
  epoll.close()
  t.is(seen, 'made here')
})

test('an AsyncFd of a number that was added is EEXIST, of a duplicate it is not', (t) => {
  const [reader] = pipe(t)
  const { epoll } = listening(t)
  epoll.add(reader, EPOLLIN)
  t.throws(() => new AsyncFd(reader), { code: 'EEXIST' })
  watch(t, own(t, sys.dup(reader)))
})

test('the packages that stand in for others are of this version, and ask for it', (t) => {
  const require = createRequire(import.meta.url)
  const { version } = require('asyncfd/package.json')
  for (const name of ['epoll', 'serialport-bindings']) {
    const manifest = require(`../../compat/${name}/package.json`)
    t.is(manifest.version, version)
    t.is(manifest.dependencies.asyncfd, `^${version}`)
  }
})

for (const [name, said] of Object.entries({
  'epoll-added': 'added, event, removed',
  'epoll-oneshot': 'added, event, removed',
  'epoll-removed': 'removed',
  'epoll-closed': 'closed',
  'epoll-unused': 'nothing added',
  'epoll-throws': 'added, uncaught boom, uncaught boom, removed',
  'epoll-collected': 'added, collected, event, removed',
})) {
  test(`keeps the process alive while something is added, and no longer: ${name}`, async (t) => {
    const child = await Child.start('compat', [name])
    if (said.startsWith('added')) await child.said('still here')
    child.write('x')
    const { stdout, ...ended } = await child.ended
    t.deepEqual(ended, { code: 0, signal: null, stderr: '' })
    t.is(stdout.trim().replace('\nstill here', '').replaceAll('\n', ', '), said)
  })
}

test('workers each have their own, and watch the same descriptor', async (t) => {
  const [reader, writer] = pipe(t)
  const { epoll, said } = listening(t)
  epoll.add(reader, EPOLLIN | EPOLLONESHOT)
  const script = new URL('./fixtures/compat.js', import.meta.url)
  const workers = [1, 2].map(() => new Worker(script, { workerData: { name: 'worker', fd: reader } }))
  const messages = await Promise.all(
    workers.map(async (worker) => {
      const [there] = await once(worker, 'message')
      const event = once(worker, 'message')
      return { there, event: event.then(([message]) => message as unknown) }
    }),
  )
  feed(writer)
  for (const { there, event } of messages) {
    t.is(there, 'there')
    t.deepEqual(await event, [reader, EPOLLIN])
  }
  for (const worker of workers) await worker.terminate()
  await until(() => said.length === 1)
})
