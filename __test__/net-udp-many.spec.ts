/**
 * Many datagrams at once: `recvMany` and `sendMany`, of `UdpSocket` and `asyncfd/sys`.
 *
 * Portable: bun, deno
 */
import { WouldBlock } from 'asyncfd'
import { UdpSocket } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { isPending, noLeaks } from './helpers/fixtures.js'
import { chooseSeed, Random } from './helpers/random.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>
const { constants } = sys
const TYPE = { code: 'ERR_INVALID_ARG_TYPE' }
const VALUE = { code: 'ERR_INVALID_ARG_VALUE' }
const RANGE = { code: 'ERR_OUT_OF_RANGE' }
const LOCAL = '127.0.0.1:0'

noLeaks(test)

/** The test closes it when it ends. */
async function bound(t: T, address = LOCAL): Promise<UdpSocket> {
  const socket = await UdpSocket.bind(address)
  t.teardown(() => socket.close())
  return socket
}

const texts = (datagrams: readonly { data: Buffer }[]) => datagrams.map(({ data }) => data.toString('latin1'))
const outgoing = (address: sys.InetAddress | undefined, ...all: string[]) =>
  all.map((text) => ({ data: Buffer.from(text, 'latin1'), address }))

/** Receives until there were `count`. */
async function gather(socket: UdpSocket, count: number): Promise<string[]> {
  const all: string[] = []
  while (all.length < count) all.push(...texts(await socket.recvMany({ timeout: 20_000 })))
  return all
}

/** Datagrams whose sender finds no room at times, which over UDP's loopback nobody sees: those of Unix sockets. */
function unixPair(t: T): [UdpSocket, UdpSocket] {
  const [a, b] = sys.socketpair(constants.AF_UNIX, constants.SOCK_DGRAM).map((fd) => new UdpSocket(fd)) as [UdpSocket, UdpSocket]
  t.teardown(() => a.close())
  t.teardown(() => b.close())
  return [a, b]
}

test('all that there are come at once, whole, in order, with who sent them', async (t) => {
  const [a, b, c] = [await bound(t), await bound(t), await bound(t)]
  t.is(await a.sendMany(outgoing(c.localAddress, 'one', '', 'three')), 3)
  t.is(await b.sendMany(outgoing(c.localAddress, 'four')), 1)
  const datagrams = await c.recvMany()
  t.deepEqual(texts(datagrams), ['one', '', 'three', 'four'])
  t.deepEqual(
    datagrams.map(({ address }) => address),
    [a, a, a, b].map(({ localAddress }) => localAddress),
  )
  t.true(Buffer.isBuffer(datagrams[0]!.data))
  // Their memory is their own.
  await a.sendMany(outgoing(c.localAddress, 'ONE', '-', 'THREE', 'FOUR'))
  t.is((await c.recvMany()).length, 4)
  t.deepEqual(texts(datagrams), ['one', '', 'three', 'four'])
  // What came is what may be sent: an echo.
  await c.sendMany(datagrams)
  t.deepEqual(await gather(a, 3), ['one', '', 'three'])
  t.deepEqual(await gather(b, 1), ['four'])
})

test('at most as many as asked for; the others come next', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  await a.sendMany(outgoing(b.localAddress, 'a', 'b', 'c', 'd', 'e'))
  t.deepEqual(texts(await b.recvMany({ max: 2 })), ['a', 'b'])
  t.deepEqual(texts(await b.recvMany({ max: 1, timeout: 1000 })), ['c'])
  const buffer = Buffer.alloc(10)
  t.is(await b.recv(buffer), 1, 'and one at a time')
  t.deepEqual(texts(await b.recvMany({ max: 64 })), ['e'])
})

test('none is waited for, until a limit, an abort or the end; none is lost by that', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  const first = b.recvMany()
  t.true(await isPending(first))
  await a.sendMany(outgoing(b.localAddress, 'first'))
  t.deepEqual(texts(await first), ['first'])
  await t.throwsAsync(b.recvMany({ timeout: 1 }), { name: 'TimeoutError' })
  const controller = new AbortController()
  const aborted = b.recvMany({ signal: controller.signal })
  await a.sendMany(outgoing(b.localAddress, 'second', 'third'))
  controller.abort()
  // It may have come first: then it is there.
  const seen = await aborted.then(texts, () => [])
  t.deepEqual([...seen, ...(await gather(b, 2 - seen.length))], ['second', 'third'])
  const reason = new Error('enough')
  t.is(await t.throwsAsync(b.recvMany({ signal: AbortSignal.abort(reason) })), reason)
  const closed = b.recvMany()
  b.close()
  await t.throwsAsync(closed, { code: 'ERR_ASYNCFD_CLOSED' })
  await t.throwsAsync(b.recvMany(), { code: 'ERR_ASYNCFD_CLOSED' })
  await t.throwsAsync(b.sendMany(outgoing(a.localAddress, 'x')), { code: 'ERR_ASYNCFD_CLOSED' })
})

test('boundaries are kept, whatever their sizes and wherever they go', async (t) => {
  const seed = chooseSeed()
  t.log(`ASYNCFD_SEED=${seed}`)
  const random = new Random(seed)
  const [sender, ...receivers] = [await bound(t), await bound(t), await bound(t)] as [UdpSocket, ...UdpSocket[]]
  for (let round = 0; round < 30; round++) {
    // Runs of one size to one peer are what may be sent as one: those of others end them.
    const size = random.pick([1, 2, 100, 1200, 1472, 1473, 3000])
    const sizes = [size, size, size, size, size - 1, size + 1, 0, 1]
    const sent = receivers.map((): string[] => [])
    const datagrams = Array.from({ length: 1 + random.below(150) }, (_, i) => {
      const to = random.below(10) === 0 ? 1 : 0
      const text = `${i}:`.padEnd(random.pick(sizes), String.fromCharCode(97 + (i % 26))).slice(0, random.pick(sizes))
      sent[to]!.push(text)
      return { data: Buffer.from(text), address: receivers[to]!.localAddress }
    })
    // Received meanwhile: the kernel drops what a receiver has no room for.
    for (let at = 0; at < datagrams.length; at += 20) {
      const part = datagrams.slice(at, at + 20)
      t.is(await sender.sendMany(part), part.length)
      for (const [i, receiver] of receivers.entries()) {
        const expected = part.filter(({ address }) => address.port === receiver.localAddress.port).length
        t.deepEqual(await gather(receiver, expected), sent[i]!.splice(0, expected))
      }
    }
  }
})

test('a list may be long, and one of each size', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  const all = Array.from({ length: 200 }, (_, i) => `${i}`)
  const sending = a.sendMany(outgoing(b.localAddress, ...all))
  t.deepEqual(await gather(b, 200), all)
  t.is(await sending, 200)
  t.is(await a.sendMany([]), 0)
  const sizes = [65_507, 1, 65_507]
  await a.sendMany(sizes.map((size) => ({ data: Buffer.alloc(size, size), address: b.localAddress })))
  t.deepEqual(
    (await b.recvMany()).map(({ data }) => [data.length, data.equals(Buffer.alloc(data.length, data.length))]),
    sizes.map((size) => [size, true]),
  )
})

test('any view, and addresses of any form', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  const { port } = b.localAddress
  const memory = Buffer.from('..abcd..')
  await a.sendMany([
    { data: memory.subarray(2, 6), address: `127.0.0.1:${port}` },
    { data: new DataView(memory.buffer, memory.byteOffset + 2, 2), address: { host: '127.0.0.1', port } },
    { data: new Uint16Array(new Uint8Array([97, 98]).buffer), address: { address: '127.0.0.1', port, family: 4 } },
  ])
  t.deepEqual(await gather(b, 3), ['abcd', 'ab', 'ab'])
})

test('to the peer of a connected socket, which may refuse', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  await t.throwsAsync(a.sendMany([{ data: Buffer.from('x') }]), { code: 'EDESTADDRREQ' })
  await a.connect(b.localAddress)
  t.is(await a.sendMany(outgoing(undefined, 'to', 'my', 'peer')), 3)
  t.deepEqual(texts(await b.recvMany()), ['to', 'my', 'peer'])
  b.close()
  await a.sendMany(outgoing(undefined, 'nobody'))
  // Nor are those refused that would go as one; each time the error is told once.
  for (const text of ['there', 'is']) {
    const error = await t.throwsAsync(a.sendMany(outgoing(undefined, 'is', text)), { code: 'ECONNREFUSED' })
    t.is((error as { datagramsSent?: number }).datagramsSent, 0)
    t.is(await a.sendMany(outgoing(undefined, 'again')), 1)
  }
})

test('what is wrong with one says how many were sent before', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  const datagrams = outgoing(b.localAddress, 'a', 'b', 'c'.repeat(65_508), 'd')
  const error = (await t.throwsAsync(a.sendMany(datagrams), { code: 'EMSGSIZE' })) as sys.AsyncFdError & { datagramsSent: number }
  t.like(error, { syscall: 'sendmmsg', datagramsSent: 2 })
  t.deepEqual(await gather(b, 2), ['a', 'b'])
})

test('where there is no room, it waits, and sends the rest in order', async (t) => {
  const [a, b] = unixPair(t)
  const all = Array.from({ length: 300 }, (_, i) => `${i}`.padStart(1000))
  const datagrams = outgoing(undefined, ...all)
  const sending = a.sendMany(datagrams)
  // The list is the caller's again.
  datagrams.length = 0
  t.true(await isPending(sending))
  t.deepEqual(await gather(b, 300), all)
  t.is(await sending, 300)
})

test('a limit or an end says how many were sent', async (t) => {
  const [a, b] = unixPair(t)
  const datagrams = outgoing(undefined, ...Array.from({ length: 300 }, () => 'x'.repeat(1000)))
  const error = (await t.throwsAsync(a.sendMany(datagrams, { timeout: 1 }), { name: 'TimeoutError' })) as Error & {
    datagramsSent: number
  }
  t.true(error.datagramsSent > 0 && error.datagramsSent < 300)
  t.is((await gather(b, error.datagramsSent)).length, error.datagramsSent)
  const reason = new Error('enough')
  const controller = new AbortController()
  const sending = a.sendMany(datagrams, { signal: controller.signal })
  controller.abort(reason)
  t.is(await t.throwsAsync(sending), reason)
  t.false('datagramsSent' in reason, 'the reason is the caller’s own')
  const cut = a.sendMany(datagrams)
  a.close()
  await t.throwsAsync(cut, { code: 'ERR_ASYNCFD_CLOSED' })
})

test('memory that is taken away while it waits is not sent as something else', async (t) => {
  const [a, b] = unixPair(t)
  const datagrams = Array.from({ length: 300 }, () => ({ data: new Uint8Array(new ArrayBuffer(1000)).fill(120) }))
  const sending = a.sendMany(datagrams)
  const last = datagrams.at(-1)!.data
  structuredClone(last, { transfer: [last.buffer] })
  const error = t.throwsAsync(sending, { code: 'ERR_INVALID_STATE' }) as Promise<unknown> as Promise<{ datagramsSent: number }>
  const sizes = new Set<number>()
  for (let count = 0; count < 299; ) {
    const received = await b.recvMany({ timeout: 20_000 })
    count += received.length
    for (const { data } of received) sizes.add(data.length)
  }
  t.is((await error).datagramsSent, 299)
  t.deepEqual([...sizes], [1000])
})

test('who is always ready leaves others their turn', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  const more = outgoing(b.localAddress, ...Array.from({ length: 100 }, () => 'x'))
  await a.sendMany(more)
  let [received, seen] = [0, -1]
  setImmediate(() => {
    seen = received
  })
  // As many are there as are received.
  while (seen < 0 && received < 1_000_000) {
    const { length } = await b.recvMany({ max: 16 })
    received += length
    sys.sendMany(a.fd, more.slice(0, length))
  }
  // Other runtimes have a turn of ours before their own.
  const most = 'bun' in process.versions || 'deno' in process.versions ? 10_000 : 128
  t.true(seen >= 0 && seen <= most, `${seen} before the event loop went on`)
})

test('bad input throws at the call, and nothing is sent', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  const address = b.localAddress
  const data = Buffer.from('good')
  const good = { data, address }
  const shared = new Uint8Array(new SharedArrayBuffer(4))
  const gone = new Uint8Array(4)
  structuredClone(gone, { transfer: [gone.buffer] })
  const send = (datagrams: unknown, options?: unknown) => () => a.sendMany(datagrams as never, options as never)
  for (const wrong of [undefined, null, 'x', 5, {}, { length: 1, 0: good }]) t.throws(send(wrong), TYPE)
  for (const wrong of [undefined, null, 'x', 5, {}, { data: 'x' }, { data: new ArrayBuffer(4) }, { data: [1], address }]) {
    t.throws(send([good, wrong]), TYPE)
  }
  t.throws(send([good, { data, address: 5 }]), TYPE)
  t.throws(send([good, { data: shared, address }]), VALUE)
  t.throws(send([good, { data: gone, address }]), { code: 'ERR_INVALID_STATE' })
  t.throws(send([good, { data, address: 'localhost:80' }]), { ...VALUE, message: /lookupHost/ })
  t.throws(send([good, { data, address: { address: 'localhost', port: 80 } }]), VALUE)
  t.throws(send([good, { data, address: { host: '127.0.0.1', port: 65_536 } }]), RANGE)
  t.throws(send([good], { timeout: -1 }), RANGE)
  t.throws(send([good], { signal: {} }), TYPE)
  for (const max of [0, 65, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) t.throws(() => b.recvMany({ max }), RANGE)
  t.throws(() => b.recvMany({ max: '5' as never }), TYPE)
  t.throws(() => b.recvMany({ timeout: 'x' as never }), TYPE)
  t.throws(() => b.recvMany(5 as never), TYPE)
  t.is(sys.recvMany(b.fd), WouldBlock)
})

test('getters that send others meanwhile mix nothing up', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  const address = b.localAddress
  const meanwhile = {
    get data() {
      sys.sendMany(a.fd, outgoing(address, 'inner', 'inner too'))
      return Buffer.from('outer')
    },
    address,
  }
  const withGetter = {
    get address() {
      sys.sendMany(a.fd, outgoing(a.localAddress, 'to myself'))
      return '127.0.0.1'
    },
    port: address.port,
  }
  await a.sendMany([meanwhile, { data: Buffer.from('last'), address: withGetter }])
  t.deepEqual(await gather(b, 4), ['inner', 'inner too', 'outer', 'last'])
  t.deepEqual(await gather(a, 1), ['to myself'])
})

test('IPv6', async (t) => {
  const [a, b] = [await bound(t, '[::1]:0'), await bound(t, '[::1]:0')]
  await a.sendMany(outgoing(b.localAddress, 'x', 'y', 'zz'))
  const datagrams = await b.recvMany()
  t.deepEqual(texts(datagrams), ['x', 'y', 'zz'])
  for (const { address } of datagrams) t.deepEqual(address, a.localAddress)
})

test('sys: WouldBlock, names of Unix sockets, and what is wrong', (t) => {
  const [a, b] = sys.socketpair(constants.AF_UNIX, constants.SOCK_DGRAM) as [number, number]
  t.teardown(() => sys.close(a))
  t.teardown(() => sys.close(b))
  t.is(sys.recvMany(b), WouldBlock)
  t.is(sys.sendMany(a, []), 0)
  t.is(sys.sendMany(a, outgoing(undefined, 'x', 'y', 'z')), 3)
  t.deepEqual(texts(sys.recvMany(b, 2) as sys.Datagram[]), ['x', 'y'])
  t.deepEqual(sys.recvMany(b), [{ data: Buffer.from('z'), address: undefined }])
  while (sys.sendMany(a, outgoing(undefined, 'full', 'full')) !== WouldBlock);
  t.throws(() => sys.recvMany(999_999), { code: 'EBADF' })
  t.throws(() => sys.sendMany(999_999, outgoing(undefined, 'x')), { code: 'EBADF' })
  t.throws(() => sys.recvMany('x' as never), TYPE)
  t.throws(() => sys.recvMany(b, 0), RANGE)
  t.throws(() => sys.sendMany(a, 'x' as never), TYPE)
  t.throws(() => sys.sendMany(a, [{ data: Buffer.from('x'), address: { path: 'p'.repeat(200) } }]), { code: 'ENAMETOOLONG' })
  t.is(
    sys.sendMany(
      a,
      Array.from({ length: 100 }, () => ({ data: Buffer.alloc(0) })),
    ),
    WouldBlock,
  )
})

const linux = process.platform === 'linux' ? test : test.skip

linux('sys: from a Unix socket with a name; 64 at most', (t) => {
  const make = () => {
    const fd = sys.socket(constants.AF_UNIX, constants.SOCK_DGRAM)
    t.teardown(() => sys.close(fd))
    const path = `\0asyncfd-many-${process.pid}-${fd}`
    sys.bind(fd, { path })
    return [fd, path] as const
  }
  const [[a, from], [b, path]] = [make(), make()]
  t.is(sys.sendMany(a, outgoing({ path } as never, 'x')), 1)
  t.deepEqual(sys.recvMany(b), [{ data: Buffer.from('x'), address: { path: from } }])
  const udp = sys.socket(constants.AF_INET, constants.SOCK_DGRAM)
  t.teardown(() => sys.close(udp))
  sys.bind(udp, { address: '127.0.0.1', port: 0 })
  const address = sys.localAddress(udp) as sys.InetAddress
  t.is(sys.sendMany(udp, outgoing(address, ...Array.from({ length: 100 }, (_, i) => `${i}`))), 64)
  t.is((sys.recvMany(udp) as sys.Datagram[]).length, 64)
})

linux('where a route does not segment, each goes by itself', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  // Without checksums nothing is segmented.
  const SO_NO_CHECK = 11
  sys.setSocketOption(a.fd, constants.SOL_SOCKET, SO_NO_CHECK, true)
  t.is(await a.sendMany(outgoing(b.localAddress, 'ab', 'cd', 'e', 'fg')), 4)
  t.deepEqual(await gather(b, 4), ['ab', 'cd', 'e', 'fg'])
})

linux('a socket that segments what it sends by itself goes on to', async (t) => {
  const [a, b] = [await bound(t), await bound(t)]
  const SOL_UDP = 17
  try {
    sys.setSocketOption(a.fd, SOL_UDP, constants.UDP_SEGMENT as number, 2)
  } catch {
    t.log('this kernel does not segment')
    t.pass()
    return
  }
  await a.sendMany(outgoing(b.localAddress, 'abcd', 'efgh'))
  t.deepEqual(await gather(b, 4), ['ab', 'cd', 'ef', 'gh'])
})
