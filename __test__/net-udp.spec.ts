/**
 * `UdpSocket`: datagrams, whoever waits for them.
 *
 * Portable: bun, deno
 */
import { networkInterfaces } from 'node:os'
import { inspect } from 'node:util'
import { reactor } from 'asyncfd'
import { UdpSocket } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { block, isPending, noLeaks, settled, untilReadable } from './helpers/fixtures.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>
const { constants } = sys
const TYPE = { code: 'ERR_INVALID_ARG_TYPE' }
const VALUE = { code: 'ERR_INVALID_ARG_VALUE' }
const RANGE = { code: 'ERR_OUT_OF_RANGE' }
const CLOSED = { code: 'ERR_ASYNCFD_CLOSED' }

noLeaks(test)

/** The test closes it when it ends. */
async function bound(t: T, ...args: Parameters<typeof UdpSocket.bind>): Promise<UdpSocket> {
  const socket = await UdpSocket.bind(...args)
  t.teardown(() => socket.close())
  return socket
}

/** Two sockets on loopback, each with the other as its peer. */
async function pair(t: T): Promise<[UdpSocket, UdpSocket]> {
  const [a, b] = [await bound(t, '127.0.0.1:0'), await bound(t, '127.0.0.1:0')]
  await a.connect(b.localAddress)
  await b.connect(a.localAddress)
  return [a, b]
}

/** Receives a text. */
async function text(socket: UdpSocket, size = 100): Promise<string> {
  const buffer = Buffer.alloc(size)
  return buffer.toString('latin1', 0, await socket.recv(buffer))
}

const addressOf = (socket: UdpSocket, port: number) =>
  socket.localAddress.family === 'IPv6' ? { address: '::1', port } : { address: '127.0.0.1', port }

test('a datagram is waited for, and is whole, empty or cut', async (t) => {
  const [a, b] = await pair(t)
  const first = text(b)
  t.true(await isPending(first))
  t.is(await a.send(Buffer.from('first')), 5)
  t.is(await first, 'first')
  await a.send(Buffer.alloc(0))
  await a.send(Buffer.from('longer than its buffer'))
  await a.send(Buffer.from('last'))
  t.is(await text(b), '')
  t.is(await text(b, 6), 'longer')
  t.is(await text(b), 'last', 'the rest of what was cut is gone')
  const largest = Buffer.alloc(65_507, 7)
  t.is(await a.send(largest), largest.length)
  const buffer = Buffer.alloc(65_535)
  t.is(await b.recv(buffer), largest.length)
  t.true(buffer.subarray(0, largest.length).equals(largest))
  await t.throwsAsync(a.send(Buffer.alloc(65_508)), { code: 'EMSGSIZE' })
})

test('offsets of a view are kept', async (t) => {
  const [a, b] = await pair(t)
  const memory = new ArrayBuffer(12)
  await a.send(new DataView(Buffer.from('..abcd..').buffer.slice(0), 0, 0))
  await a.send(Buffer.from('..abcd..').subarray(2, 6))
  t.is(await b.recv(new Uint16Array(memory, 4, 2)), 0)
  t.is(await b.recv(new Uint16Array(memory, 4, 2)), 4)
  t.is(Buffer.from(memory).toString('latin1'), '\0\0\0\0abcd\0\0\0\0')
})

test('who sent it, and answering', async (t) => {
  const server = await bound(t, '127.0.0.1:0')
  const client = await bound(t, { host: '127.0.0.1', port: 0 })
  t.is(server.remoteAddress, null)
  const { port } = server.localAddress
  t.deepEqual(server.localAddress, { address: '127.0.0.1', port, family: 'IPv4' })
  const buffer = Buffer.alloc(10)
  const ways = [
    server.localAddress,
    { address: '127.0.0.1', port },
    { host: '127.0.0.1', port },
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    { host: 'localhost', port },
    { port },
    `:${port}`,
  ]
  for (const [i, way] of ways.entries()) {
    t.is(await client.sendTo(Buffer.from(`to ${i}`), way), 4)
    const { bytes, address } = await server.recvFrom(buffer)
    t.is(buffer.toString('latin1', 0, bytes), `to ${i}`)
    t.deepEqual(address, client.localAddress)
    await server.sendTo(buffer.subarray(0, bytes), address)
    t.deepEqual(await client.recvFrom(buffer), { bytes, address: server.localAddress })
  }
  await client.connect(`localhost:${port}`)
  t.deepEqual(client.remoteAddress, server.localAddress)
  const stranger = await bound(t, '127.0.0.1:0')
  await stranger.sendTo(Buffer.from('stranger'), client.localAddress)
  await server.sendTo(Buffer.from('peer'), client.localAddress)
  t.is(await text(client), 'peer', 'a fixed peer is the only one that is heard')
})

test('more peers than are remembered: each is who it is, and is answered', async (t) => {
  if (process.platform !== 'linux') return t.pass('elsewhere loopback has one address')
  const server = await bound(t, '0.0.0.0:0')
  const { port } = server.localAddress
  const buffer = Buffer.alloc(10)
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 1100; i += round === 0 ? 1 : 137) {
      const octets = [127, i % 7, i >> 8, i & 255 || 255]
      const address = octets.join('.')
      const client = sys.socket(constants.AF_INET, constants.SOCK_DGRAM)
      try {
        // As the kernel has it, so that the text is made here for the first time.
        sys.bind(client, Uint8Array.of(constants.AF_INET, 0, 0, 0, ...octets, 0, 0, 0, 0, 0, 0, 0, 0))
        sys.sendTo(client, Buffer.from('hello'), { address: '127.0.0.1', port })
        const { bytes, address: from } = await server.recvFrom(buffer)
        t.deepEqual([bytes, from], [5, sys.localAddress(client) as sys.InetAddress])
        t.is(from.address, address)
        await server.sendTo(buffer.subarray(0, bytes), from)
        t.is(sys.recv(client, buffer), 5)
      } finally {
        sys.close(client)
      }
    }
  }
})

test('an address is what it was at the call, though the datagram had to wait', async (t) => {
  const [near, far] = [await bound(t, '127.0.0.1:0'), await bound(t, '127.0.0.1:0')]
  const sender = await bound(t, '127.0.0.1:0')
  const to = { ...near.localAddress }
  const sending = [sender.sendTo(Buffer.from('a'), to), sender.sendTo(Buffer.from('b'), to, { timeout: 1000 })]
  // More than may be sent at once in one iteration of the event loop: the last ones wait for their turn.
  for (let i = 0; i < 100; i++) sending.push(sender.sendTo(Buffer.from('c'), to))
  Object.assign(to, far.localAddress)
  await Promise.all(sending)
  await t.throwsAsync(far.recv(Buffer.alloc(1), { timeout: 0 }), { code: 'ETIMEDOUT' })
  t.is(await near.recv(Buffer.alloc(1)), 1)
})

test('an IP address needs no lookup: what there is room for has gone when the call returns', async (t) => {
  const [a, b] = [await bound(t, '127.0.0.1:0'), await bound(t, '127.0.0.1:0')]
  const sending = a.sendTo(Buffer.from('now'), b.localAddress)
  untilReadable(b.fd)
  t.is(sys.recv(b.fd, Buffer.alloc(10)), 3)
  t.is(await sending, 3)
})

test('peekFrom leaves the datagram', async (t) => {
  const [a, b] = await pair(t)
  const buffer = Buffer.alloc(4)
  const peeking = b.peekFrom(buffer)
  t.true(await isPending(peeking))
  await a.send(Buffer.from('datagram'))
  t.deepEqual(await peeking, { bytes: 4, address: a.localAddress })
  t.deepEqual(await b.peekFrom(buffer), { bytes: 4, address: a.localAddress })
  t.is(await text(b), 'datagram')
  await t.throwsAsync(b.peekFrom(buffer, { timeout: 0 }), { code: 'ETIMEDOUT' })
})

test('several receivers take one datagram each, the oldest first; one that gave up takes none', async (t) => {
  const [a, b] = await pair(t)
  const controller = new AbortController()
  const buffers = Array.from({ length: 6 }, () => Buffer.alloc(1))
  const receiving = buffers.map((buffer, i) => b.recv(buffer, i === 2 ? { signal: controller.signal } : undefined))
  t.true(await isPending(receiving[0]!))
  controller.abort(new Error('gave up'))
  await t.throwsAsync(receiving[2]!, { message: 'gave up' })
  for (const letter of 'abcde') sys.send(a.fd, Buffer.from(letter))
  t.deepEqual(await Promise.all(receiving.filter((_, i) => i !== 2)), [1, 1, 1, 1, 1])
  t.is(Buffer.concat(buffers).toString('latin1'), 'ab\0cde')
  await t.throwsAsync(b.recv(Buffer.alloc(1), { timeout: 0 }), { code: 'ETIMEDOUT' })
})

test('sending and receiving at once, again and again, leaves the event loop its turns', async (t) => {
  const [a, b] = await pair(t)
  const count = 10_000
  const buffer = Buffer.alloc(4)
  let turns = 0
  let done = false
  const turning = (async () => {
    for (; !done; turns++) await new Promise((resolve) => setImmediate(resolve))
  })()
  for (let i = 0; i < count; i++) {
    await a.send(Buffer.from(Int32Array.of(i).buffer))
    await b.recv(buffer)
    if (buffer.readInt32LE() !== i) t.fail(`${buffer.readInt32LE()} is not ${i}`)
  }
  const seen = turns
  done = true
  await turning
  t.true(seen > 0, 'the event loop had its turns')
})

test('limits: a timeout of 0 asks once, an abort ends it, and what was there before wins', async (t) => {
  const [a, b] = await pair(t)
  const buffer = Buffer.alloc(10)
  for (const receive of [b.recv, b.recvFrom, b.peekFrom] as ((...args: Parameters<UdpSocket['recv']>) => Promise<unknown>)[]) {
    await t.throwsAsync(receive.call(b, buffer, { timeout: 0 }), { code: 'ETIMEDOUT' })
    await t.throwsAsync(receive.call(b, buffer, { timeout: 2 }), { code: 'ETIMEDOUT' })
    const reason = new Error('enough')
    t.is(await t.throwsAsync(receive.call(b, buffer, { signal: AbortSignal.abort(reason) })), reason)
    const controller = new AbortController()
    const receiving = receive.call(b, buffer, { signal: controller.signal })
    t.true(await isPending(receiving))
    controller.abort(reason)
    t.is(await t.throwsAsync(receiving), reason)
  }
  const signal = AbortSignal.abort(new Error('before'))
  await t.throwsAsync(a.send(buffer, { signal }), { message: 'before' })
  await t.throwsAsync(a.sendTo(buffer, b.localAddress, { signal }), { message: 'before' })
  await t.throwsAsync(a.sendTo(buffer, 'localhost:1', { signal }), { message: 'before' })
  await t.throwsAsync(a.connect('localhost:1', { signal }), { message: 'before' })
  await t.throwsAsync(a.connect(b.localAddress, { signal }), { message: 'before' })
  const late = b.recv(buffer, { timeout: 5 })
  sys.send(a.fd, Buffer.from('late'))
  block(20)
  t.is(await late, 4)
  t.is(await a.send(Buffer.from('in time'), { timeout: 0 }), 7)
  t.is(await text(b), 'in time', 'nothing of what was aborted was sent')
})

test('closing ends what is pending, and what comes after it', async (t) => {
  const [a, b] = await pair(t)
  const buffer = Buffer.alloc(10)
  const pending = [a.recv(buffer), a.recvFrom(buffer), a.peekFrom(buffer)]
  await settled()
  await a.close()
  for (const receiving of pending) await t.throwsAsync(receiving, CLOSED)
  t.true(a.closed)
  for (const call of [
    () => a.recv(buffer),
    () => a.recvFrom(buffer),
    () => a.peekFrom(buffer),
    () => a.send(buffer),
    () => a.sendTo(buffer, b.localAddress),
    () => a.sendTo(buffer, 'localhost:1'),
    () => a.connect(b.localAddress),
    () => a.connect('localhost:1'),
  ])
    await t.throwsAsync(call, CLOSED)
  for (const call of [
    () => a.localAddress,
    () => a.remoteAddress,
    () => a.setTtl(1),
    () => a.setBroadcast(),
    () => a.setMulticastLoop(),
    () => a.joinMulticast('239.1.2.3'),
    () => a.leaveMulticast('239.1.2.3'),
    () => a.takeError(),
  ])
    t.throws(call, CLOSED)
  await a.close()
  const sending = b.sendTo(buffer, 'localhost:1')
  b.destroy()
  await t.throwsAsync(sending, CLOSED, 'closed while the name was looked up')
})

/** A port that is held, and refuses what comes from anybody but another. */
async function refusing(t: T): Promise<UdpSocket> {
  const [a] = await pair(t)
  return a
}

test('a refusal of the peer rejects the next operation, and is over then', async (t) => {
  const nobody = await refusing(t)
  const socket = await bound(t, '127.0.0.1:0')
  await socket.connect(nobody.localAddress)
  const receiving = socket.recv(Buffer.alloc(1))
  t.true(await isPending(receiving))
  await socket.send(Buffer.from('x'))
  await t.throwsAsync(receiving, { code: 'ECONNREFUSED', name: 'AsyncFdError' })
  await t.throwsAsync(socket.recv(Buffer.alloc(1), { timeout: 0 }), { code: 'ETIMEDOUT' })
  await socket.send(Buffer.from('x'))
  sys.poll([{ fd: socket.fd, events: 0 }], 30_000)
  t.is((socket.takeError() as NodeJS.ErrnoException | null)?.code, 'ECONNREFUSED')
  t.is(socket.takeError(), null)
  await socket.send(Buffer.from('x'))
  sys.poll([{ fd: socket.fd, events: 0 }], 30_000)
  await t.throwsAsync(socket.send(Buffer.from('x')), { code: 'ECONNREFUSED' })
})

test('a socket without a peer has nobody to send to', async (t) => {
  const socket = await bound(t, '127.0.0.1:0')
  await t.throwsAsync(socket.send(Buffer.from('x')), { code: 'EDESTADDRREQ' })
  await t.throwsAsync(socket.sendTo(Buffer.from('x'), '127.0.0.1:0'), { code: 'EINVAL' })
})

test('binding: addresses in use, sharing them, any address, IPv6', async (t) => {
  const first = await bound(t, '127.0.0.1:0')
  await t.throwsAsync(UdpSocket.bind(first.localAddress), { code: 'EADDRINUSE', message: /bind/ })
  await t.throwsAsync(UdpSocket.bind('198.51.100.99:0'), { code: 'EADDRNOTAVAIL' })
  for (const options of [{ reuseAddress: true }, { reusePort: true }]) {
    const one = await bound(t, '127.0.0.1:0', options)
    const other = await bound(t, one.localAddress, options)
    t.deepEqual(other.localAddress, one.localAddress)
  }
  for (const anywhere of [':0', { port: 0 }, { host: '', port: 0 }])
    t.is((await bound(t, anywhere)).localAddress.address, '0.0.0.0')
  t.true(['127.0.0.1', '::1'].includes((await bound(t, 'localhost:0')).localAddress.address))
})

/** Whether this machine has IPv6 on loopback. */
function hasIPv6(): boolean {
  const fd = sys.socket(constants.AF_INET6, constants.SOCK_DGRAM)
  try {
    sys.bind(fd, { address: '::1', port: 0 })
    return true
  } catch {
    return false
  } finally {
    sys.close(fd)
  }
}

/** Up to ten attempts: a port that is free for IPv6 may be another process's for IPv4. */
async function attempts(attempt: () => Promise<void>): Promise<void> {
  for (let left = 9; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 0 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

const withIPv6 = hasIPv6() ? test : test.skip

withIPv6('IPv6: addresses, names, and IPv4 beside it', async (t) => {
  const [a, b] = [await bound(t, '[::1]:0'), await bound(t, { address: '::1', port: 0, family: 6 })]
  await a.sendTo(Buffer.from('six'), `[::1]:${b.localAddress.port}`)
  const buffer = Buffer.alloc(10)
  t.deepEqual(await b.recvFrom(buffer), { bytes: 3, address: a.localAddress })
  await a.connect({ host: '::1', port: b.localAddress.port })
  t.deepEqual(a.remoteAddress, b.localAddress)
  await attempts(async () => {
    const alone = await bound(t, '[::]:0', { ipv6Only: true })
    const beside = await bound(t, { host: '0.0.0.0', port: alone.localAddress.port })
    t.is(beside.localAddress.port, alone.localAddress.port)
  })
  const both = await bound(t, '[::]:0')
  const four = await bound(t, '127.0.0.1:0')
  await four.sendTo(Buffer.from('four'), addressOf(four, both.localAddress.port))
  t.is((await both.recvFrom(buffer)).address.address, '::ffff:127.0.0.1')
  const error = await t.throwsAsync(four.connect('[::1]:1'), { code: 'EAFNOSUPPORT' })
  t.is((error as Error & { address?: string }).address, '::1')
})

test('options are those of the socket', async (t) => {
  const socket = await bound(t, '127.0.0.1:0', { broadcast: true })
  const option = (level: number, name: number) => sys.getSocketOption(socket.fd, level, name)
  t.not(option(constants.SOL_SOCKET, constants.SO_BROADCAST), 0)
  t.is(socket.setBroadcast(false), socket)
  t.is(option(constants.SOL_SOCKET, constants.SO_BROADCAST), 0)
  socket.setBroadcast()
  t.not(option(constants.SOL_SOCKET, constants.SO_BROADCAST), 0)
  t.is(socket.setTtl(33).setMulticastTtl(3).setMulticastLoop(false), socket)
  t.is(option(constants.IPPROTO_IP, constants.IP_TTL), 33)
  t.is(option(constants.IPPROTO_IP, constants.IP_MULTICAST_TTL), 3)
  t.is(option(constants.IPPROTO_IP, constants.IP_MULTICAST_LOOP), 0)
  socket.setMulticastLoop().setMulticastTtl(0)
  t.is(option(constants.IPPROTO_IP, constants.IP_MULTICAST_LOOP), 1)
  t.is(option(constants.IPPROTO_IP, constants.IP_MULTICAST_TTL), 0)
  const plain = await bound(t, '127.0.0.1:0')
  await t.throwsAsync(plain.sendTo(Buffer.from('x'), '255.255.255.255:9'), { code: 'EACCES' })
})

withIPv6('options of an IPv6 socket are IPv6', async (t) => {
  const socket = await bound(t, '[::1]:0')
  const option = (name: number) => sys.getSocketOption(socket.fd, constants.IPPROTO_IPV6, name)
  socket.setTtl(34).setMulticastTtl(4).setMulticastLoop(false)
  t.is(option(constants.IPV6_UNICAST_HOPS), 34)
  t.is(option(constants.IPV6_MULTICAST_HOPS), 4)
  t.is(option(constants.IPV6_MULTICAST_LOOP), 0)
})

/** Of this process alone: Linux gives a datagram to every socket of its port, whoever on the host is the member. */
const OWN = `${(process.pid >> 8) & 0xff}.${process.pid & 0xff}`

/** Sends to a group, then to the member alone: what of it arrives. */
async function arrives(from: UdpSocket, group: string, member: UdpSocket): Promise<string> {
  const { port } = member.localAddress
  await from.sendTo(Buffer.from('to the group'), { address: group, port })
  await from.sendTo(Buffer.from('to you'), addressOf(from, port))
  const first = await text(member)
  return first === 'to you' ? first : `${first}, ${await text(member)}`
}

test('a member of an IPv4 group receives what is sent to it, until it leaves', async (t) => {
  const group = `239.255.${OWN}`
  const member = await bound(t, '0.0.0.0:0')
  const from = await bound(t, '127.0.0.1:0')
  sys.setSocketOption(from.fd, constants.IPPROTO_IP, constants.IP_MULTICAST_IF, Uint8Array.of(127, 0, 0, 1))
  from.setMulticastTtl(0)
  t.is(member.joinMulticast(group, '127.0.0.1'), member)
  t.throws(() => member.joinMulticast(group, '127.0.0.1'), { code: 'EADDRINUSE' })
  t.is(await arrives(from, group, member), 'to the group, to you')
  t.is(member.leaveMulticast(group, '127.0.0.1'), member)
  t.is(await arrives(from, group, member), 'to you')
  t.throws(() => member.leaveMulticast(group, '127.0.0.1'), { code: 'EADDRNOTAVAIL' })
  t.throws(() => member.joinMulticast('127.0.0.1', '127.0.0.1'), { code: 'EINVAL' })
  t.throws(() => member.joinMulticast(group, '198.51.100.99'), { code: 'ENODEV' })
})

/** The number of the loopback interface. */
const LOOPBACK = 1

/** Has `from` send to groups on an interface on which it can, if there is one: loopback often has no route for them. */
async function multicastInterface(from: UdpSocket, group: string): Promise<number | undefined> {
  const others = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ scopeid }) => scopeid))
  for (const number of new Set([LOOPBACK, ...others])) {
    if (number === undefined || number === 0) continue
    try {
      sys.setSocketOption(from.fd, constants.IPPROTO_IPV6, constants.IPV6_MULTICAST_IF, number)
      await from.sendTo(Buffer.from('nobody is a member yet'), { address: group, port: 9 })
      return number
    } catch {
      // no route there
    }
  }
  return undefined
}

withIPv6('a member of an IPv6 group receives what is sent to it, until it leaves', async (t) => {
  const member = await bound(t, '[::]:0')
  const from = await bound(t, '[::]:0')
  // Of the interface-local scope: it does not leave this host.
  const group = `ff01::7:1.2.${OWN}`
  const [high, low] = OWN.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
  const found = await multicastInterface(from.setMulticastTtl(0), group)
  const via = found ?? LOOPBACK
  t.is(member.joinMulticast(group, via), member)
  t.throws(() => member.joinMulticast(`ff01:0:0:0:0:7:102:${high}${low}`, via), { code: 'EADDRINUSE' }, 'another way to write it')
  if (found !== undefined) t.is(await arrives(from, group, member), 'to the group, to you')
  t.is(member.leaveMulticast(`ff01::0007:102:${high}${low}`, via), member)
  if (found !== undefined) t.is(await arrives(from, group, member), 'to you')
  t.throws(() => member.leaveMulticast(group, via), { code: 'EADDRNOTAVAIL' })
  for (const all of ['ff01::1:2:3:4:5:6', 'ff05:1:2:3:4:5:6::', 'ff05:1:2:3:4:5:6:7'])
    member.joinMulticast(all, LOOPBACK).leaveMulticast(all, LOOPBACK)
  t.throws(() => member.joinMulticast('::1', LOOPBACK), { code: 'EINVAL' })
})

test('bad input throws at the call, before anything is sent', async (t) => {
  const [a, b] = await pair(t)
  const detached = new Uint8Array(8)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const buffer = Buffer.from('x')
  const to = b.localAddress
  const transfers: ((buffer: never, options?: never) => unknown)[] = [
    (buffer, options) => a.send(buffer, options),
    (buffer, options) => a.sendTo(buffer, to, options),
    (buffer, options) => a.sendTo(buffer, 'localhost:1', options),
    (buffer, options) => a.recv(buffer, options),
    (buffer, options) => a.recvFrom(buffer, options),
    (buffer, options) => a.peekFrom(buffer, options),
  ]
  for (const transfer of transfers) {
    for (const junk of [undefined, null, 1, 'text', {}, [], new ArrayBuffer(8)]) t.throws(() => transfer(junk as never), TYPE)
    t.throws(() => transfer(new Uint8Array(new SharedArrayBuffer(8)) as never), VALUE)
    t.throws(() => transfer(detached as never), { code: 'ERR_INVALID_STATE' })
    t.throws(() => transfer(buffer as never, { timeout: -1 } as never), RANGE)
    t.throws(() => transfer(buffer as never, { signal: {} } as never), TYPE)
    t.throws(() => transfer(buffer as never, null as never), TYPE)
  }
  const addresses: [unknown, { code: string }][] = [
    [undefined, TYPE],
    [null, TYPE],
    [1, TYPE],
    [{}, TYPE],
    [{ host: 1, port: 1 }, TYPE],
    [{ host: 'x\0y', port: 1 }, VALUE],
    [{ address: 'localhost', port: 1 }, VALUE],
    [{ address: '127.0.0.1', port: 1, family: 6 }, VALUE],
    [{ address: 5, port: 1 }, TYPE],
    ['localhost', VALUE],
    ['::1:80', VALUE],
    ['[localhost]:80', VALUE],
    ['127.0.0.1:65536', RANGE],
    [{ host: '127.0.0.1', port: -1 }, RANGE],
    [{ host: '127.0.0.1', port: 1.5 }, RANGE],
    [{ host: '127.0.0.1', port: '1' }, TYPE],
  ]
  for (const [address, error] of addresses) {
    t.throws(() => UdpSocket.bind(address as never), error)
    t.throws(() => a.connect(address as never), error)
    t.throws(() => a.sendTo(buffer, address as never), error)
  }
  t.throws(() => a.connect(to, null as never), TYPE)
  t.throws(() => a.connect(to, { timeout: 'x' as never }), TYPE)
  t.throws(() => UdpSocket.bind('127.0.0.1:0', null as never), TYPE)
  for (const name of ['reuseAddress', 'reusePort', 'ipv6Only', 'broadcast'])
    t.throws(() => UdpSocket.bind('127.0.0.1:0', { [name]: 1 }), TYPE)
  for (const set of [a.setBroadcast, a.setMulticastLoop]) t.throws(() => set.call(a, 1 as never), TYPE)
  for (const hops of [-1, 256, 1.5, Number.NaN]) {
    t.throws(() => a.setTtl(hops), RANGE)
    t.throws(() => a.setMulticastTtl(hops), RANGE)
  }
  t.throws(() => a.setTtl(0), RANGE)
  t.throws(() => a.setTtl('1' as never), TYPE)
  for (const membership of [a.joinMulticast, a.leaveMulticast] as ((...args: never[]) => unknown)[]) {
    const call = (...args: unknown[]) => membership.call(a, ...(args as never[]))
    t.throws(() => call(), TYPE)
    t.throws(() => call(1), TYPE)
    t.throws(() => call('example.org'), VALUE)
    t.throws(() => call('ff02::1%lo', 1), VALUE)
    t.throws(() => call('239.1.2.3', 1), TYPE)
    t.throws(() => call('239.1.2.3', 'lo'), VALUE)
    t.throws(() => call('239.1.2.3', '::1'), VALUE)
    t.throws(() => call('ff02::1', 'lo'), TYPE)
    t.throws(() => call('ff02::1', -1), RANGE)
  }
  t.throws(() => new UdpSocket('x' as never))
  await t.throwsAsync(b.recv(Buffer.alloc(1), { timeout: 0 }), { code: 'ETIMEDOUT' }, 'nothing was sent')
})

test('a buffer that is transferred away while it is waited for is refused, and no datagram is lost', async (t) => {
  const [a, b] = await pair(t)
  const buffer = new Uint8Array(8)
  const receiving = b.recvFrom(buffer)
  t.true(await isPending(receiving))
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] })
  await a.send(Buffer.from('data'))
  await t.throwsAsync(receiving, { code: 'ERR_INVALID_STATE' })
  t.is(await text(b), 'data')
})

test('a socket of somebody else is taken over, and given away', async (t) => {
  const fd = sys.socket(constants.AF_INET, constants.SOCK_DGRAM)
  sys.bind(fd, { address: '127.0.0.1', port: 0 })
  const socket = new UdpSocket(fd)
  t.teardown(() => socket.close())
  const from = await bound(t, '127.0.0.1:0')
  await from.sendTo(Buffer.from('x'), socket.localAddress)
  t.is(await text(socket), 'x')
  t.regex(inspect(socket), /^UdpSocket \{ fd: \d+, .*127\.0\.0\.1/s)
  const receiving = socket.recv(Buffer.alloc(1))
  await settled()
  t.is(socket.intoInner(), fd)
  await t.throwsAsync(receiving, CLOSED)
  t.true(socket.closed)
  t.regex(inspect(socket), /closed/)
  sys.close(fd)
})

test.serial('what is pending keeps the process, unless it is unref', async (t) => {
  const [a] = await pair(t)
  const before = reactor.metrics().refs
  t.false(a.hasRef())
  const receiving = a.recv(Buffer.alloc(1), { timeout: 5 })
  t.true(a.hasRef())
  t.is(a.unref(), a)
  t.is(reactor.metrics().refs, before)
  a.ref()
  await t.throwsAsync(receiving, { code: 'ETIMEDOUT' })
  t.is(reactor.metrics().refs, before)
})
