/**
 * Sockets: urgent data, error queues, refused datagrams, many connections, abstract names.
 *
 * Portable: bun, deno
 */
import { spawn } from 'node:child_process'
import { AsyncFd, Interest, Ready, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import {
  drain,
  feed,
  fifo,
  isPending,
  listener,
  noLeaks,
  open,
  own,
  type Port,
  pipe,
  settled,
  shut,
  take,
  tcpPair,
  udpPair,
  watch,
} from './helpers/fixtures.js'
import test from './helpers/test.js'

const { READABLE, WRITABLE, PRIORITY, ERROR } = Interest
const { AF_UNIX, AF_INET, SOCK_STREAM, SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMPING, MSG_OOB, MSG_ERRQUEUE, O_RDWR } = sys.constants
const onLinux = process.platform === 'linux' ? test : test.skip

noLeaks(test)

const sendUrgent = (fd: number) => sys.send(fd, Buffer.from('!'), 0, 1, MSG_OOB)

test('out-of-band data is PRIORITY and not readable', async (t) => {
  const [a, b] = tcpPair(t)
  const fd = watch(t, a, { interest: READABLE | WRITABLE | PRIORITY })
  const readable = fd.readable()
  const urgent = fd.ready(PRIORITY)
  t.true(await isPending(Promise.race([readable, urgent])))
  sendUrgent(b)
  const guard = await urgent
  t.is(guard.ready, Ready.PRIORITY)
  t.true(guard.isPriority)
  t.false(guard.isReadable)
  t.true(await isPending(readable))
  const byte = Buffer.alloc(1)
  t.is(sys.recv(a, byte, 0, 1, MSG_OOB), 1)
  t.is(byte.toString(), '!')
  // The kernel may tell of one byte twice, and the first guard leaves alone what is newer than itself.
  const newest = await fd.ready(PRIORITY)
  newest.clearReady()
  t.true(await isPending(fd.ready(PRIORITY).catch(() => {})))
  feed(b)
  t.true((await readable).isReadable)
})

test('data that waits unread does not hide out-of-band data', async (t) => {
  const [a, b] = tcpPair(t)
  const fd = watch(t, a, { interest: READABLE | WRITABLE | PRIORITY })
  feed(b)
  await fd.ready(READABLE | WRITABLE)
  await settled()
  const urgent = fd.ready(PRIORITY)
  t.true(await isPending(urgent))
  sendUrgent(b)
  t.true((await urgent).isPriority)
})

/** Asks for a software timestamp of each datagram sent; they come by the socket's error queue. */
const TX_SOFTWARE = (1 << 1) | (1 << 4)

onLinux("an error alone wakes: the timestamp in a socket's error queue", async (t) => {
  const [a] = udpPair(t)
  sys.setSocketOption(a, SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE)
  const fd = watch(t, a, { interest: ERROR })
  const wait = fd.ready(ERROR)
  t.true(await isPending(wait))
  feed(a)
  const guard = await wait
  t.true(guard.isError)
  const message = sys.recvMsg(a, [Buffer.alloc(64)], { flags: MSG_ERRQUEUE, controlLength: 512 })
  t.not(message, WouldBlock)
  guard.clearReady()
  const again = fd.ready(ERROR)
  t.true(await isPending(again), 'the queue is empty, so nothing is left of it')
  feed(a)
  t.true((await again).isError)
})

onLinux('an error wakes waits for both directions', async (t) => {
  const [a, b] = udpPair(t)
  const fd = watch(t, a)
  const readable = fd.readable()
  t.true(await isPending(readable))
  shut(b)
  feed(a) // nobody is there: the kernel answers with a refusal
  const guard = await readable
  t.true(guard.isError)
  await t.throwsAsync(fd.asyncIo(READABLE, take), { code: 'ECONNREFUSED' })
  t.true((await fd.writable()).isWritable)
})

test('READABLE waits on a descriptor that only ever errors wake', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, writer, { interest: READABLE })
  const wait = fd.readable()
  t.true(await isPending(wait))
  shut(reader)
  t.true((await wait).isError)
})

test('a hundred connections are accepted, told apart and answered', async (t) => {
  const { fd: server, address } = listener(t)
  const listening = watch(t, server, { interest: READABLE })
  const serve = async () => {
    const echoes: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) {
      const peer = new AsyncFd(own(t, await listening.asyncIo(READABLE, (inner) => sys.accept(inner))))
      const buffer = Buffer.alloc(16)
      const echo = async () => {
        const length = await peer.asyncIo(READABLE, (inner) => sys.recv(inner, buffer))
        await peer.asyncIo(WRITABLE, (inner) => sys.send(inner, buffer, 0, length))
        peer.close()
      }
      echoes.push(echo())
    }
    await Promise.all(echoes)
  }
  const call = async (text: string) => {
    const fd = new AsyncFd(own(t, sys.socket(AF_INET, SOCK_STREAM)))
    sys.connect(fd.fd, address)
    await fd.asyncIo(WRITABLE, (inner) => sys.send(inner, Buffer.from(text)))
    const buffer = Buffer.alloc(16)
    const length = await fd.asyncIo(READABLE, (inner) => sys.recv(inner, buffer))
    fd.close()
    return buffer.toString('latin1', 0, length)
  }
  const texts = Array.from({ length: 100 }, (_, i) => `text ${i}`)
  const [answers] = await Promise.all([Promise.all(texts.map(call)), serve()])
  t.deepEqual(answers, texts)
})

test('datagrams find their way back to whoever sent them', async (t) => {
  const fds = [0, 1].map(() => own(t, sys.socket(AF_INET, SOCK_DGRAM)))
  for (const fd of fds) sys.bind(fd, { address: '127.0.0.1', port: 0 })
  const [a, b] = fds.map((fd) => watch(t, fd)) as [AsyncFd, AsyncFd]
  const buffer = Buffer.alloc(16)
  const received = b.asyncIo(READABLE, (inner) => sys.recvFrom(inner, buffer))
  t.true(await isPending(received))
  sys.sendTo(a.fd, Buffer.from('hi'), sys.localAddress(b.fd) as Port)
  const from = await received
  t.like(from, { address: sys.localAddress(a.fd) as Port })
  t.is(buffer.toString('latin1', 0, 2), 'hi')
})

onLinux('abstract Unix names carry connections', async (t) => {
  const path = `\0asyncfd-test-${process.pid}-${Math.random()}`
  const server = own(t, sys.socket(AF_UNIX, SOCK_STREAM))
  sys.bind(server, { path })
  sys.listen(server)
  const listening = watch(t, server, { interest: READABLE })
  const accepted = listening.asyncIo(READABLE, (inner) => sys.accept(inner))
  t.true(await isPending(accepted))
  const client = own(t, sys.socket(AF_UNIX, SOCK_STREAM))
  sys.connect(client, { path })
  const peer = own(t, await accepted)
  feed(client)
  t.is(await watch(t, peer).asyncIo(READABLE, take), 1)
})

test('signals interrupt no blocking wait, and none that is under way', async (t) => {
  const ignore = () => {}
  process.on('SIGWINCH', ignore)
  t.teardown(() => process.off('SIGWINCH', ignore))
  const script = 'i=0; while [ $i -lt 50 ]; do kill -WINCH $1; i=$((i+1)); done; echo x > "$2"'
  for (const blocking of [true, false]) {
    const path = fifo(t)
    const fd = watch(t, open(t, path, O_RDWR))
    const child = spawn('/bin/sh', ['-c', script, 'sh', String(process.pid), path], { stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    t.true(blocking ? fd.readableSync({ timeout: 60_000 }) : (await fd.readable()).isReadable)
    await ended
    t.is(drain(fd.fd), 2)
  }
})
