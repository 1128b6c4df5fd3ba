import { mkdtempSync, rmSync } from 'node:fs'
import { networkInterfaces, constants as os, tmpdir } from 'node:os'
import { join } from 'node:path'
import * as sys from 'asyncfd/sys'
import { WouldBlock } from 'asyncfd/sys'
import { close, closing, descriptorsOf, fileOf, flagsOf, NOT_OPEN, READY, streams } from './helpers/sys.js'
import test from './helpers/test.js'

const { constants } = sys

interface Teardown {
  teardown(fn: () => void): void
}

function listening(t: Teardown, address: sys.SocketAddressInput, domain: number): number {
  const [listener] = closing(t, sys.socket(domain, constants.SOCK_STREAM))
  sys.bind(listener, address)
  sys.listen(listener)
  return listener
}

function wait(fd: number, events: number): void {
  sys.poll([{ fd, events }], 2000)
}

function uniqueName(): string {
  return `asyncfd-${process.pid}-${Math.random().toString(36).slice(2)}`
}

test('a TCP connection is made, named and shut down without blocking', (t) => {
  const listener = listening(t, { address: '127.0.0.1', port: 0 }, constants.AF_INET)
  t.is(sys.accept(listener), WouldBlock)
  t.is(sys.acceptFrom(listener), WouldBlock)
  const address = sys.localAddress(listener) as sys.InetAddress
  t.deepEqual(address, { address: '127.0.0.1', port: address.port, family: 'IPv4' })
  const [client] = closing(t, sys.socket(constants.AF_INET, constants.SOCK_STREAM))
  t.throws(() => sys.remoteAddress(client), { code: 'ENOTCONN' })
  const connected = sys.connect(client, address)
  t.true(connected === undefined || connected === WouldBlock)
  wait(client, constants.POLLOUT)
  t.is(sys.getSocketOption(client, constants.SOL_SOCKET, constants.SO_ERROR), 0)
  wait(listener, constants.POLLIN)
  const accepted = sys.acceptFrom(listener) as { fd: number; address: sys.SocketAddress }
  closing(t, accepted.fd)
  t.deepEqual(flagsOf(accepted.fd), READY)
  t.deepEqual(accepted.address, sys.localAddress(client))
  t.deepEqual(sys.remoteAddress(client), address)
  sys.send(client, Buffer.from('bye'))
  sys.shutdown(client, constants.SHUT_WR)
  t.throws(() => sys.send(client, Buffer.from('x')), { code: 'EPIPE' })
  wait(accepted.fd, constants.POLLIN)
  t.is(sys.recv(accepted.fd, Buffer.alloc(8)), 3)
  wait(accepted.fd, constants.POLLIN)
  t.is(sys.recv(accepted.fd, Buffer.alloc(8)), 0)
})

test('a connection that nobody takes fails through SO_ERROR', (t) => {
  const [unused] = closing(t, sys.socket(constants.AF_INET, constants.SOCK_STREAM))
  sys.bind(unused, { address: '127.0.0.1', port: 0 })
  const [client] = closing(t, sys.socket(constants.AF_INET, constants.SOCK_STREAM))
  let code: string | undefined
  try {
    if (sys.connect(client, sys.localAddress(unused)) === WouldBlock) {
      wait(client, constants.POLLOUT)
      t.is(sys.getSocketOption(client, constants.SOL_SOCKET, constants.SO_ERROR), os.errno.ECONNREFUSED)
      code = 'ECONNREFUSED'
    }
  } catch (error) {
    code = (error as sys.AsyncFdError).code
  }
  t.is(code, 'ECONNREFUSED')
})

test('a Unix listener with a full backlog is WouldBlock, not an error', (t) => {
  const name = { path: `\0${uniqueName()}` }
  const [listener] = closing(t, sys.socket(constants.AF_UNIX, constants.SOCK_STREAM))
  sys.bind(listener, name)
  sys.listen(listener, 0)
  const results = Array.from({ length: 4 }, () => {
    const [client] = closing(t, sys.socket(constants.AF_UNIX, constants.SOCK_STREAM))
    return sys.connect(client, name)
  })
  t.is(results[0], undefined)
  t.is(results.at(-1), WouldBlock)
})

test('IPv6 addresses keep their scope, by number and by the name of an interface', (t) => {
  const [fd] = closing(t, sys.socket(constants.AF_INET6, constants.SOCK_DGRAM))
  sys.bind(fd, { address: '::1', port: 0, family: 6 })
  const { port } = sys.localAddress(fd) as sys.InetAddress
  t.deepEqual(sys.localAddress(fd), { address: '::1', port, family: 'IPv6' })
  const [name] = Object.keys(networkInterfaces())
  for (const address of [
    { address: `fe80::1%${name}`, port: 9 },
    { address: 'fe80::1', port: 9, scopeId: 1 },
  ]) {
    const [other] = closing(t, sys.socket(constants.AF_INET6, constants.SOCK_DGRAM))
    try {
      sys.connect(other, address)
      t.true((sys.remoteAddress(other) as sys.InetAddress).scopeId! > 0)
    } catch (error) {
      // What the kernel says where there is no IPv6 but on the loopback; without a scope it would be EINVAL.
      t.is((error as sys.AsyncFdError).code, 'ENETUNREACH')
    }
  }
  t.throws(() => sys.connect(fd, { address: 'fe80::1%no-such-if', port: 9 }), { code: 'ENODEV' })
  t.throws(() => sys.connect(fd, { address: 'fe80::1', port: 9 }), { code: 'EINVAL' })
})

test('Unix sockets are named by path, by abstract name, or not at all', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'asyncfd-sys-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  for (const path of [join(dir, 'sócket'), `\0${uniqueName()}\0with nul`]) {
    const listener = listening(t, { path }, constants.AF_UNIX)
    t.deepEqual(sys.localAddress(listener), { path })
    const [client] = closing(t, sys.socket(constants.AF_UNIX, constants.SOCK_STREAM))
    t.is(sys.connect(client, { path }), undefined)
    t.deepEqual(sys.remoteAddress(client), { path })
    t.deepEqual(sys.localAddress(client), { path: '' })
  }
})

test('a Unix path that does not fit is refused, not cut off', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'asyncfd-sys-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const [fd] = closing(t, sys.socket(constants.AF_UNIX, constants.SOCK_STREAM))
  for (const length of [108, 129, 5000]) {
    const path = join(dir, 'x'.repeat(length - dir.length - 1))
    t.throws(() => sys.bind(fd, { path }), { code: 'ENAMETOOLONG' })
    t.throws(() => sys.connect(fd, { path }), { code: 'ENAMETOOLONG' })
  }
  const path = join(dir, 'x'.repeat(107 - dir.length - 1))
  sys.bind(fd, { path })
  t.deepEqual(sys.localAddress(fd), { path })
  t.throws(() => sys.bind(fd, new Uint8Array(129)), { code: 'ENAMETOOLONG' })
})

test('families we do not know travel as bytes, and so do Unix names that are no UTF-8', (t) => {
  const [netlink] = closing(t, sys.socket(constants.AF_NETLINK, constants.SOCK_RAW, constants.NETLINK_ROUTE))
  const address = new Uint8Array(12)
  new Uint16Array(address.buffer)[0] = constants.AF_NETLINK
  sys.bind(netlink, address)
  const local = sys.localAddress(netlink) as Uint8Array
  t.is(local.length, 12)
  t.is(new Uint16Array(Uint8Array.from(local).buffer)[0], constants.AF_NETLINK)
  const [unix] = closing(t, sys.socket(constants.AF_UNIX, constants.SOCK_STREAM))
  const name = Buffer.concat([Buffer.from([constants.AF_UNIX, 0, 0, 0xff, 0xfe]), Buffer.from(uniqueName())])
  sys.bind(unix, name)
  const bound = sys.localAddress(unix) as Buffer
  t.deepEqual([...bound], [...name], 'the whole sockaddr, so that it can be used to connect')
  sys.listen(unix)
  const [client] = closing(t, sys.socket(constants.AF_UNIX, constants.SOCK_STREAM))
  t.is(sys.connect(client, bound), undefined)
})

test('an address that is none throws before anything happened', (t) => {
  const [fd] = closing(t, sys.socket(constants.AF_INET, constants.SOCK_DGRAM))
  const type: unknown[] = [null, undefined, 5, 'localhost:80', { port: 1 }, { address: 1, port: 1 }, { address: '1.2.3.4' }]
  type.push({ address: '1.2.3.4', port: '80' }, { path: 5 }, { address: '::1', port: 1, scopeId: '1' })
  const value: unknown[] = [{ address: 'localhost', port: 1 }, { address: '', port: 1 }, { path: 'a\0b' }]
  value.push({ address: '::1', port: 1, family: 'IPv4' }, { address: '1.2.3.4', port: 1, family: 6 })
  const range: unknown[] = [
    { address: '1.2.3.4', port: -1 },
    { address: '1.2.3.4', port: 65536 },
    { address: '1.2.3.4', port: 1.5 },
  ]
  range.push({ address: '::1', port: 1, scopeId: -1 }, { address: '::1', port: 1, flowInfo: 2 ** 32 })
  const cases = { ERR_INVALID_ARG_TYPE: type, ERR_INVALID_ARG_VALUE: value, ERR_OUT_OF_RANGE: range }
  for (const [code, addresses] of Object.entries(cases)) {
    for (const address of addresses as sys.SocketAddressInput[]) {
      t.throws(() => sys.bind(fd, address), { code })
      t.throws(() => sys.connect(fd, address), { code })
      t.throws(() => sys.sendTo(fd, Buffer.alloc(1), address), { code })
    }
  }
})

test('datagrams come with their sender', (t) => {
  const [a, b] = closing(
    t,
    sys.socket(constants.AF_INET, constants.SOCK_DGRAM),
    sys.socket(constants.AF_INET, constants.SOCK_DGRAM),
  )
  for (const fd of [a, b]) sys.bind(fd, { address: '127.0.0.1', port: 0 })
  const buffer = Buffer.alloc(16)
  t.is(sys.recvFrom(a, buffer), WouldBlock)
  t.is(sys.sendTo(b, Buffer.from('-hello-'), sys.localAddress(a), 1, 5), 5)
  wait(a, constants.POLLIN)
  t.deepEqual(sys.recvFrom(a, buffer, 2), { bytes: 5, address: sys.localAddress(b) })
  t.is(buffer.toString('latin1', 2, 7), 'hello')
  sys.sendTo(b, Buffer.alloc(9), sys.localAddress(a))
  wait(a, constants.POLLIN)
  t.is((sys.recvFrom(a, buffer, 0, 2, constants.MSG_TRUNC) as { bytes: number }).bytes, 9)
  const [c, d] = streams(t)
  sys.send(c, Buffer.from('x'))
  t.deepEqual(sys.recvFrom(d, buffer), { bytes: 1, address: undefined })
})

test('socket options are integers, booleans or bytes', (t) => {
  const [tcp] = closing(t, sys.socket(constants.AF_INET, constants.SOCK_STREAM))
  const noDelay = () => sys.getSocketOption(tcp, constants.IPPROTO_TCP, constants.TCP_NODELAY)
  sys.setSocketOption(tcp, constants.IPPROTO_TCP, constants.TCP_NODELAY, true)
  t.not(noDelay(), 0)
  sys.setSocketOption(tcp, constants.IPPROTO_TCP, constants.TCP_NODELAY, 0)
  t.is(noDelay(), 0)
  sys.setSocketOption(tcp, constants.SOL_SOCKET, constants.SO_LINGER, Int32Array.of(1, 7))
  const linger = sys.getSocketOption(tcp, constants.SOL_SOCKET, constants.SO_LINGER, 64)
  t.is(linger.length, 8, 'only as long as the value is')
  t.is(linger.readInt32LE(4), 7)
  t.is(sys.getSocketOption(tcp, constants.SOL_SOCKET, constants.SO_TYPE), constants.SOCK_STREAM)
  t.throws(() => sys.getSocketOption(tcp, constants.SOL_SOCKET, 9999), { code: 'ENOPROTOOPT' })
  for (const wrong of ['1', null, undefined, {}]) {
    t.throws(() => sys.setSocketOption(tcp, 1, 2, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => sys.getSocketOption(tcp, wrong as never, 2), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.throws(() => sys.setSocketOption(tcp, 1, 2, 2 ** 40), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => sys.getSocketOption(tcp, 1, 2, 65536), { code: 'ERR_OUT_OF_RANGE' })
})

test('wrong domains and descriptors throw what the kernel says', (t) => {
  t.throws(() => sys.socket(9999, constants.SOCK_STREAM), { code: 'EAFNOSUPPORT' })
  t.throws(() => sys.socket('1' as never, 1), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => sys.socketpair(constants.AF_INET, constants.SOCK_STREAM), { code: 'EOPNOTSUPP' })
  const [reader] = closing(t, ...sys.pipe())
  const room = Buffer.alloc(1)
  const calls = [
    () => sys.accept(reader),
    () => sys.listen(reader),
    () => sys.bind(reader, { path: '' }),
    () => sys.shutdown(reader, 0),
    () => sys.recv(reader, room),
    () => sys.send(reader, room),
    () => sys.recvMsg(reader, [room]),
    () => sys.localAddress(reader),
    () => sys.remoteAddress(reader),
  ]
  for (const call of calls) t.throws(call, { code: 'ENOTSOCK' }, `${call}`)
})

test('descriptors travel with a message, arrive close-on-exec, and keep their own flags', (t) => {
  const [a, b] = streams(t)
  const [reader, writer] = closing(t, ...sys.pipe())
  sys.setNonblocking(writer, false)
  const owned = { fd: writer }
  t.is(sys.sendMsg(a, [Buffer.from('he'), Buffer.from('re')], { fds: [reader, owned] }), 4)
  const [first, second] = [Buffer.alloc(3), Buffer.alloc(8)]
  const message = sys.recvMsg(b, [first, second], { maxFds: 4 }) as sys.ReceivedMessage
  t.is(message.bytes, 4)
  t.is(first.toString() + second.toString('latin1', 0, 1), 'here')
  t.is(message.fds.length, 2)
  closing(t, ...message.fds)
  t.deepEqual(flagsOf(message.fds[0]!), { cloexec: true, nonblocking: true })
  t.deepEqual(flagsOf(message.fds[1]!), { cloexec: true, nonblocking: false })
  t.is(message.address, undefined)
  t.deepEqual(message.control, [])
  sys.write(message.fds[1]!, Buffer.from('x'))
  t.is(sys.read(reader, Buffer.alloc(1)), 1)
})

test('descriptors that nobody asked for are closed, not leaked', (t) => {
  const [a, b] = streams(t)
  const byte = Buffer.from('x')
  const files = [fileOf(a), fileOf(b)]
  for (let i = 0; i < 50; i++) {
    sys.sendMsg(a, [byte], { fds: [a, b] })
    const options = [{}, { maxFds: 1 }, { controlLength: 256 }, { maxFds: 1, controlLength: 64 }][i % 4]!
    const message = sys.recvMsg(b, [byte], options) as sys.ReceivedMessage
    t.not(message.flags & constants.MSG_CTRUNC, 0)
    t.is(message.fds.length, (options as sys.RecvMsgOptions).maxFds ?? 0)
    message.fds.forEach(sys.close)
    sys.sendMsg(a, [byte], { fds: [a, b] })
    sys.recv(b, byte)
  }
  t.deepEqual(files.map(descriptorsOf), [1, 1])
})

test('bad arguments to recvMsg and sendMsg throw before a descriptor arrives or leaves', (t) => {
  const [a, b] = streams(t)
  const byte = Buffer.from('x')
  sys.sendMsg(a, [byte], { fds: [a] })
  const file = fileOf(a)
  const wrong: [object, string][] = [
    [{ maxFds: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ maxFds: 254 }, 'ERR_OUT_OF_RANGE'],
    [{ maxFds: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ maxFds: 1, controlLength: 65537 }, 'ERR_OUT_OF_RANGE'],
    [{ maxFds: 1, flags: '0' }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of wrong) t.throws(() => sys.recvMsg(b, [byte], options), { code })
  t.throws(() => sys.recvMsg(b, byte as never, { maxFds: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => sys.recvMsg(b, ['x' as never], { maxFds: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
  const sends: [object, string][] = [
    [{ fds: [-1] }, 'ERR_OUT_OF_RANGE'],
    [{ fds: ['1'] }, 'ERR_INVALID_ARG_TYPE'],
    [{ fds: 3 }, 'ERR_INVALID_ARG_TYPE'],
    [{ fds: Array(254).fill(a) }, 'ERR_OUT_OF_RANGE'],
    [{ fds: [NOT_OPEN] }, 'EBADF'],
    [{ control: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ control: [null] }, 'ERR_INVALID_ARG_TYPE'],
    [{ control: [{ level: 1, type: 2, data: 'x' }] }, 'ERR_INVALID_ARG_TYPE'],
    [{ control: [{ level: 1, type: 2, data: Buffer.alloc(70000) }] }, 'ERR_OUT_OF_RANGE'],
    [{ address: 'x' }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of sends) t.throws(() => sys.sendMsg(a, [byte], options), { code })
  t.is(descriptorsOf(file), 1)
  t.is((sys.recvMsg(b, [byte]) as sys.ReceivedMessage).bytes, 1)
  t.is(sys.recvMsg(b, [byte]), WouldBlock)
})

test('descriptors without a byte on a stream are refused, because the kernel would drop them in silence', (t) => {
  const [a] = streams(t)
  t.throws(() => sys.sendMsg(a, [], { fds: [a] }), { code: 'ERR_INVALID_ARG_VALUE' })
  const [c, d] = closing(t, ...sys.socketpair(constants.AF_UNIX, constants.SOCK_SEQPACKET))
  t.is(sys.sendMsg(c, [], { fds: [c] }), 0)
  const message = sys.recvMsg(d, [], { maxFds: 1 }) as sys.ReceivedMessage
  t.is(message.fds.length, 1)
  sys.close(message.fds[0]!)
})

test('credentials go out and come in as control messages, next to descriptors', (t) => {
  const [a, b] = streams(t)
  sys.setSocketOption(b, constants.SOL_SOCKET, constants.SO_PASSCRED, true)
  const data = Buffer.from(Int32Array.of(process.pid, process.getuid!(), process.getgid!()).buffer)
  const credentials = { level: constants.SOL_SOCKET, type: constants.SCM_CREDENTIALS, data }
  sys.sendMsg(a, [Buffer.from('x')], { fds: [a], control: [credentials] })
  const message = sys.recvMsg(b, [Buffer.alloc(4)], { maxFds: 1, controlLength: 128 }) as sys.ReceivedMessage
  closing(t, ...message.fds)
  t.is(message.fds.length, 1)
  t.deepEqual(message.control, [credentials])
  sys.sendMsg(a, [Buffer.from('x')])
  const crowded = sys.recvMsg(b, [Buffer.alloc(4)], { maxFds: 8 }) as sys.ReceivedMessage
  t.deepEqual(crowded.control, [], 'room for descriptors is not room for other messages')
  t.not(crowded.flags & constants.MSG_CTRUNC, 0)
  t.is(crowded.bytes, 1)
})

test('sendMsg and recvMsg carry addresses, and the error queue can be read', (t) => {
  const [a, b] = closing(
    t,
    sys.socket(constants.AF_INET, constants.SOCK_DGRAM),
    sys.socket(constants.AF_INET, constants.SOCK_DGRAM),
  )
  for (const fd of [a, b]) sys.bind(fd, { address: '127.0.0.1', port: 0 })
  const address = sys.localAddress(b)
  sys.setSocketOption(a, constants.SOL_IP, constants.IP_RECVERR, true)
  t.is(sys.sendMsg(a, [Buffer.from('hi')], { address }), 2)
  wait(b, constants.POLLIN)
  const message = sys.recvMsg(b, [Buffer.alloc(1)]) as sys.ReceivedMessage
  t.deepEqual(message.address, sys.localAddress(a))
  t.not(message.flags & constants.MSG_TRUNC, 0)
  t.is(sys.recvMsg(a, [Buffer.alloc(1)], { flags: constants.MSG_ERRQUEUE }), WouldBlock)
  close(b)
  sys.sendMsg(a, [Buffer.from('hi')], { address })
  wait(a, 0)
  const queued = sys.recvMsg(a, [Buffer.alloc(8)], { flags: constants.MSG_ERRQUEUE, controlLength: 512 }) as sys.ReceivedMessage
  t.not(queued.flags & constants.MSG_ERRQUEUE, 0)
  t.is(queued.control[0]!.type, constants.IP_RECVERR)
  t.is(queued.control[0]!.data.readInt32LE(0), os.errno.ECONNREFUSED)
})
