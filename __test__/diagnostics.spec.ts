/**
 * What watchers are told: channels of `node:diagnostics_channel`, and NODE_DEBUG=asyncfd.
 *
 * Portable: bun, deno
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { AsyncFd, type DiagnosticEvents, Interest, TimeoutError } from 'asyncfd'
import { TcpListener, TcpStream, UnixListener, UnixStream } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { deadline, timeout } from 'asyncfd/time'
import { connect, withTimeouts } from 'asyncfd/timeouts'
import { onStoppedTime, pass } from './helpers/clock.js'
import { folder, refusedAddress } from './helpers/fixtures.js'
import { Child } from './helpers/process.js'
import { connectedPair, Fate } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

/** What is told until the test ends. */
function heard<E extends keyof DiagnosticEvents>(t: ExecutionContext<unknown>, event: E): DiagnosticEvents[E][] {
  const messages: DiagnosticEvents[E][] = []
  const name = `asyncfd:${event}`
  const note = (message: unknown) => void messages.push(message as DiagnosticEvents[E])
  subscribe(name, note)
  t.teardown(() => void unsubscribe(name, note))
  return messages
}

test.serial('connect: each attempt that is over, and why it failed', async (t) => {
  const messages = heard(t, 'connect')
  await using listener = await TcpListener.bind('127.0.0.1:0')
  const { port } = listener.localAddress
  await using _ = await TcpStream.connect(listener.localAddress)
  const refused = refusedAddress(t)
  const error = await t.throwsAsync(TcpStream.connect(refused))
  t.like(messages, [
    { address: '127.0.0.1', port },
    { address: refused.address, port: refused.port, error },
  ])
  t.is(messages.length, 2)
  t.false('error' in messages[0]!)
  t.true(messages.every(({ elapsed }) => elapsed >= 0))
})

test.serial('connect: of Unix sockets, and of asyncfd/timeouts', async (t) => {
  const messages = heard(t, 'connect')
  const path = join(folder(t), 'socket')
  await using _ = await UnixListener.bind(path)
  await using __ = await UnixStream.connect(path)
  const missing = `${path}-missing`
  await t.throwsAsync(UnixStream.connect(missing), { code: 'ENOENT' })
  await t.throwsAsync(connect({ path: missing }, {}), { code: 'ENOENT' })
  const socket = await connect({ path }, {})
  socket.destroy()
  const refused = refusedAddress(t)
  await t.throwsAsync(connect({ host: refused.address, port: refused.port }, {}), { code: 'ECONNREFUSED' })
  t.deepEqual(
    messages.map(({ address, error }) => [address, (error as { code?: string } | undefined)?.code]),
    [
      [path, undefined],
      [missing, 'ENOENT'],
      [missing, 'ENOENT'],
      [path, undefined],
      [refused.address, 'ECONNREFUSED'],
    ],
  )
})

onStoppedTime('timeout: whatever had one, with the error that its owner gets', async (t) => {
  const messages = heard(t, 'timeout')
  const [reader, writer] = sys.pipe()
  using _ = new sys.OwnedFd(writer)
  using fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
  const errors: unknown[] = []
  const note = (error: unknown) => void errors.push(error)
  fd.readable({ timeout: 5 }).catch(note)
  await pass(6)
  timeout(5, new Promise(() => {})).catch(note)
  await pass(6)
  const limit = deadline(5)
  limit.signal.addEventListener('abort', () => note(limit.signal.reason))
  await pass(6)
  const [a, b] = UnixStream.pair()
  a.setTimeouts({ idle: 5 })
  a.read(Buffer.alloc(1)).catch(note)
  await pass(6)
  await Promise.all([a.close(), b.close()])
  t.true(errors.every((error) => error instanceof TimeoutError))
  t.deepEqual(
    messages.map(({ error }) => error),
    errors as TimeoutError[],
  )
  t.is(errors.length, 4)
})

onStoppedTime('timeout: of a socket under limits', async (t) => {
  const messages = heard(t, 'timeout')
  const [socket] = await connectedPair(t)
  const fate = new Fate(socket)
  withTimeouts(socket, { idle: 5 })
  await pass(10)
  t.deepEqual(
    messages.map(({ error }) => error),
    [fate.error as TimeoutError],
  )
})

test.serial('spin: a loop that neither clears nor reads is told of once a second', async (t) => {
  const messages = heard(t, 'spin')
  const [reader, writer] = sys.pipe()
  using sender = new sys.OwnedFd(writer)
  using fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
  sys.write(sender, Buffer.from('x'))
  while (messages.length === 0) await fd.readable()
  t.is(messages.length, 1)
  t.is(messages[0]!.fd, fd.fd)
  t.is(messages[0]!.parked, 100)
  for (let i = 0; i < 1000; i++) await fd.readable()
  t.is(messages.length, 1)
})

test.serial('spin: whoever is told of something new by the kernel does not spin', async (t) => {
  const messages = heard(t, 'spin')
  const [reader, writer] = sys.pipe()
  using sender = new sys.OwnedFd(writer)
  using fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
  // Never cleared, but what comes is read, and more comes.
  for (let i = 0; i < 300; i++) {
    sys.write(sender, Buffer.from('x'))
    await new Promise(setImmediate)
    for (let wait = 0; wait < 200; wait++) await fd.readable()
    sys.read(fd.inner, Buffer.alloc(8))
  }
  t.deepEqual(messages, [])
})

test('NODE_DEBUG=asyncfd traces what happens; nothing else does', async (t) => {
  const quiet = await (await Child.start('traced', [])).ended
  t.deepEqual({ code: quiet.code, stderr: quiet.stderr }, { code: 0, stderr: '' })
  const { code, stderr } = await (await Child.start('traced', [], { NODE_DEBUG: 'asyncfd' })).ended
  t.is(code, 0)
  for (const text of [
    /reactor: (embedded|threaded) driver/,
    /fd \d+ registered/,
    /fd \d+ deregistered/,
    /timeout .*not ready within 1 ms/s,
  ])
    t.regex(stderr, text)
})
