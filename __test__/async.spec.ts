/**
 * `Async`: bytes in and out of any descriptor.
 *
 * Portable: bun, deno
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as breath } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Async, type AsyncOptions, reactor, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { rounds, runtimeCommand } from './helpers/child.js'
import { root } from './helpers/documents.js'
import { block, fill, isPending, noLeaks, own, pipe, release, settled, socketPair, tcpPair } from './helpers/fixtures.js'
import { Random } from './helpers/random.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>
const { SOCK_DGRAM, SOL_SOCKET, SO_SNDBUF, SHUT_WR, MSG_OOB } = sys.constants

noLeaks(test)

/** An Async that owns `fd`, and is closed when the test ends. */
function stream(t: T, fd: number, options?: AsyncOptions): Async {
  const made = new Async(release(fd), { owned: true, ...options })
  t.teardown(() => made.close())
  return made
}

const pipes = (t: T): [Async, Async] => pipe(t).map((fd) => stream(t, fd)) as [Async, Async]
const pairs: Record<string, (t: T) => [number, number]> = {
  'a Unix socket': socketPair,
  TCP: tcpPair,
  'a pipe': (t) => pipe(t).reverse() as [number, number],
}

const bytes = (length: number, seed = 1): Buffer => {
  const source = new Random(seed)
  const random = (below: number) => source.below(below)
  return Buffer.from(Uint8Array.from({ length }, () => random(256)))
}

for (const [what, make] of Object.entries(pairs)) {
  test(`${what}: a read waits for data, gives what is there, and 0 at the end`, async (t) => {
    const [a, b] = make(t).map((fd) => stream(t, fd)) as [Async, Async]
    const buffer = Buffer.alloc(16)
    const reading = b.read(buffer)
    t.true(await isPending(reading))
    t.is(await a.write(Buffer.from('hello')), 5)
    t.is(await reading, 5)
    t.is(buffer.toString('latin1', 0, 5), 'hello')
    await a.writeAll(Buffer.from('more than sixteen bytes'))
    t.is(await b.read(buffer), 16)
    t.is(await b.read(buffer), 7)
    await a.close()
    t.is(await b.read(buffer), 0)
    t.is(await b.read(buffer), 0)
  })

  test(`${what}: a write waits for room, and writeAll writes all`, async (t) => {
    const [a, b] = make(t).map((fd) => stream(t, fd)) as [Async, Async]
    const piece = bytes(1_000_000)
    const sent = Buffer.concat(Array.from({ length: 12 }, () => piece))
    const writing = a.writeAll(sent).then(() => a.close())
    t.true(await isPending(writing))
    const got: Buffer[] = []
    for await (const chunk of b.chunks()) got.push(chunk)
    await writing
    t.true(Buffer.concat(got).equals(sent))
  })

  test(`${what}: an abort or expiry of reads and writes loses no byte`, async (t) => {
    const [a, b] = make(t).map((fd) => stream(t, fd)) as [Async, Async]
    const source = new Random(9)
    const random = (below: number) => source.below(below)
    const sent = bytes(rounds(400_000))
    const hash = createHash('sha256')
    const ends = () => {
      const kind = random(4)
      if (kind === 0) return { timeout: random(3) / 4 }
      if (kind === 1) return { signal: AbortSignal.abort('before') }
      if (kind > 2) return {}
      const controller = new AbortController()
      if (random(2) === 0) queueMicrotask(() => controller.abort('soon'))
      else setTimeout(() => controller.abort('later'), 0)
      return { signal: controller.signal, timeout: random(2) === 0 ? 0.1 : undefined }
    }
    const ended = (error: unknown) => {
      if (error === 'before' || error === 'soon' || error === 'later' || (error as { code?: string }).code === 'ETIMEDOUT') return
      throw error
    }
    const writing = (async () => {
      for (let at = 0; at < sent.length; ) {
        const part = sent.subarray(at, at + 1 + random(4000))
        try {
          if (random(2) === 0) at += await a.write(part, ends())
          else {
            await a.writeAll(part, { timeout: random(2) })
            at += part.length
          }
        } catch (error) {
          at += (error as { bytesWritten?: number }).bytesWritten ?? 0
          ended(error)
        }
      }
      await a.close()
    })()
    let total = 0
    const buffer = Buffer.alloc(5000)
    for (;;) {
      try {
        const count = await b.read(buffer.subarray(0, 1 + random(buffer.length)), ends())
        if (count === 0) break
        hash.update(buffer.subarray(0, count))
        total += count
      } catch (error) {
        ended(error)
      }
    }
    await writing
    t.is(total, sent.length)
    t.is(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'))
  })
}

test('both directions at once, and a half-close ends one of them', async (t) => {
  const [a, b] = socketPair(t).map((fd) => stream(t, fd)) as [Async, Async]
  const sent = [bytes(500_000, 1), bytes(700_000, 2)] as const
  const send = async (from: Async, data: Buffer) => {
    await from.writeAll(data)
    sys.shutdown(from.fd, SHUT_WR)
  }
  const take = async (from: Async) => {
    const got: Buffer[] = []
    for await (const chunk of from.chunks()) got.push(chunk)
    return Buffer.concat(got)
  }
  const [, , got, back] = await Promise.all([send(a, sent[0]), send(b, sent[1]), take(b), take(a)])
  t.true(got.equals(sent[0]))
  t.true(back.equals(sent[1]))
})

test('a second read, or write, at once is refused, and the first goes on', async (t) => {
  const [a, b] = socketPair(t).map((fd) => stream(t, fd)) as [Async, Async]
  const buffer = Buffer.alloc(4)
  const reading = a.read(buffer)
  await t.throwsAsync(a.read(Buffer.alloc(1)), { code: 'ERR_ASYNCFD_BUSY', message: /read/ })
  await t.throwsAsync(a.chunks().next(), { code: 'ERR_ASYNCFD_BUSY' })
  await b.write(Buffer.from('data'))
  t.is(await reading, 4)
  fill(a.fd)
  const writing = a.writeAll(Buffer.from('x'))
  await t.throwsAsync(a.write(Buffer.from('y')), { code: 'ERR_ASYNCFD_BUSY', message: /write/ })
  t.true(await isPending(writing))
  for (const piece = Buffer.alloc(65_536); (await b.read(piece)) === piece.length; );
  await writing
})

test('writing nothing sends nothing: no empty message', async (t) => {
  const [a, b] = socketPair(t, SOCK_DGRAM).map((fd) => stream(t, fd)) as [Async, Async]
  await a.writeAll(Buffer.alloc(0))
  await a.write(Buffer.alloc(0))
  await a.writeAll(Buffer.from('first'))
  t.is(await b.read(Buffer.alloc(10)), 5)
})

test('readWith and writeWith: system calls of the user, several pending, errors passed on', async (t) => {
  const [a, b] = socketPair(t, SOCK_DGRAM).map((fd) => stream(t, fd)) as [Async, Async]
  const receive = () => b.readWith((fd) => sys.recvFrom(fd, Buffer.alloc(10)))
  const both = [receive(), receive()]
  t.true(await isPending(both[0]!))
  await a.writeWith((fd) => sys.send(fd, Buffer.from('one')))
  await a.writeWith((fd) => sys.send(fd, Buffer.from('three')))
  t.deepEqual(
    (await Promise.all(both)).map(({ bytes }) => bytes),
    [3, 5],
  )
  const error = new Error('its own')
  t.is(await t.throwsAsync(b.readWith(() => { throw error })), error) // biome-ignore format: one line says it
  t.is(await b.readWith(() => 'at once'), 'at once')
  await t.throwsAsync(b.readWith((() => Promise.resolve()) as never), { code: 'ERR_ASYNCFD_PROMISE' })
})

test('options: a timeout of 0 asks once, an aborted signal asks nothing', async (t) => {
  const [reader, writer] = pipes(t)
  const buffer = Buffer.alloc(4)
  await t.throwsAsync(reader.read(buffer, { timeout: 0 }), { code: 'ETIMEDOUT' })
  await writer.write(Buffer.from('now'))
  await t.throwsAsync(reader.read(buffer, { signal: AbortSignal.abort(new Error('no')) }), { message: 'no' })
  t.is(await reader.read(buffer, { timeout: 0 }), 3)
  const late = reader.read(buffer, { timeout: 5 })
  await t.throwsAsync(late, { code: 'ETIMEDOUT' })
})

test('what came while the loop was blocked wins over the timeout', async (t) => {
  const [reader, writer] = pipes(t)
  const reading = reader.read(Buffer.alloc(4), { timeout: 5 })
  sys.write(writer.fd, Buffer.from('late'))
  block(20)
  t.is(await reading, 4)
})

test('closing while reading, writing, iterating', async (t) => {
  const [a] = socketPair(t).map((fd) => stream(t, fd)) as [Async, Async]
  fill(a.fd)
  const reading = a.read(Buffer.alloc(1))
  const writing = a.writeAll(Buffer.alloc(10))
  await settled()
  await a.close()
  await t.throwsAsync(reading, { code: 'ERR_ASYNCFD_CLOSED' })
  const error = await t.throwsAsync(writing, { code: 'ERR_ASYNCFD_CLOSED' })
  t.is((error as { bytesWritten?: number }).bytesWritten, 0)
  for (const call of [
    () => a.read(Buffer.alloc(1)),
    () => a.write(Buffer.alloc(1)),
    () => a.readable(),
    () => a.readWith(() => 1),
  ])
    await t.throwsAsync(call, { code: 'ERR_ASYNCFD_CLOSED' })
  await a.close()
  t.true(a.closed)
  const [b] = socketPair(t).map((fd) => stream(t, fd)) as [Async, Async]
  const chunk = b.chunks().next()
  await settled()
  b.destroy()
  t.deepEqual(await chunk, { done: true, value: undefined })
  t.deepEqual(await b.lines().next(), { done: true, value: undefined })
})

test('a peer that vanishes: EPIPE without a signal, ECONNRESET, and bytesWritten', async (t) => {
  const [a, b] = socketPair(t).map((fd) => stream(t, fd)) as [Async, Async]
  await b.close()
  await t.throwsAsync(a.write(Buffer.from('x')), { code: 'EPIPE' })
  const [client, server] = tcpPair(t).map((fd) => stream(t, fd)) as [Async, Async]
  await client.write(Buffer.from('unread'))
  await server.readable()
  await server.close()
  await t.throwsAsync(client.read(Buffer.alloc(1)), { code: 'ECONNRESET' })
  const [c, d] = socketPair(t).map((fd) => stream(t, fd)) as [Async, Async]
  const writing = c.writeAll(Buffer.alloc(5_000_000))
  t.true(await isPending(writing))
  await d.close()
  const error = (await t.throwsAsync(writing, { code: 'EPIPE' })) as Error & { bytesWritten: number }
  t.true(error.bytesWritten > 0 && error.bytesWritten < 5_000_000, `${error.bytesWritten}`)
})

test('tiny socket buffers: everything arrives', async (t) => {
  const [a, b] = tcpPair(t)
  sys.setSocketOption(a, SOL_SOCKET, SO_SNDBUF, 1)
  const [from, to] = [stream(t, a), stream(t, b)]
  const sent = bytes(200_000)
  const writing = from.writeAll(sent).then(() => from.close())
  const got: Buffer[] = []
  for await (const chunk of to.chunks({ size: 777 })) {
    t.true(chunk.length <= 777)
    got.push(chunk)
  }
  await writing
  t.true(Buffer.concat(got).equals(sent))
})

test('urgent data among the rest does not strand what follows it', async (t) => {
  const [a, b] = tcpPair(t)
  const [from, to] = [stream(t, a), stream(t, b)]
  const buffer = Buffer.alloc(100)
  const reading = to.read(buffer)
  sys.send(from.fd, Buffer.from('abc'))
  sys.send(from.fd, Buffer.from('!'), 0, 1, MSG_OOB)
  sys.send(from.fd, Buffer.from('def'))
  let text = buffer.toString('latin1', 0, await reading)
  while (text.length < 6) text += buffer.toString('latin1', 0, await to.read(buffer))
  t.is(text, 'abcdef')
})

test('a stream that is always ready leaves the event loop its turns', async (t) => {
  const [reader, writer] = pipes(t)
  let done = false
  let breaths = 0
  const breathing = (async () => {
    for (; !done; breaths++) await breath()
  })()
  const buffer = Buffer.alloc(64)
  for (let i = 0; i < 20_000; i++) {
    await writer.write(buffer)
    await reader.read(buffer)
  }
  done = true
  await breathing
  t.true(breaths > 5, `${breaths} breaths`)
})

test('lent chunks are memory of ours until the next is asked for; copies live on', async (t) => {
  const [reader, writer] = pipes(t)
  const lent = reader.chunks({ lend: true, size: 4 })
  await writer.write(Buffer.from('onetwofour'))
  const first = (await lent.next()).value as Buffer
  t.is(first.toString(), 'onet')
  const second = (await lent.next()).value as Buffer
  t.is(second.toString(), 'wofo', 'one as long as the first')
  const third = (await lent.next()).value as Buffer
  t.is(third.toString(), 'ur')
  t.is(third.buffer, first.buffer, 'the block of the first, given back, is the next to be taken')
  await lent.return?.()
  const copies = reader.chunks({ size: 4 })
  await writer.write(Buffer.from('onetwo'))
  const copy = (await copies.next()).value as Buffer
  await copies.next()
  t.is(copy.toString(), 'onet')
})

test('chunks that follow a full one live on as well, whether they are long or short', async (t) => {
  const [reader, writer] = pipes(t)
  const chunks = reader.chunks({ size: 64 })
  const sizes = [64, 64, 40, 64, 10, 64, 64, 33, 32, 64]
  const sent = sizes.map((size, i) => bytes(size, i))
  const got: Buffer[] = []
  for (const piece of sent) {
    await writer.writeAll(piece)
    got.push((await chunks.next()).value)
    // Finds nothing, and what it would have been read into is kept for the next.
    await t.throwsAsync(reader.chunks({ size: 64, timeout: 0 }).next(), { code: 'ETIMEDOUT' })
  }
  t.deepEqual(got, sent)
  for (const chunk of got) chunk.fill(0)
  await writer.writeAll(sent[0]!)
  const last = (await chunks.next()).value
  for (const chunk of got) chunk.fill(1)
  t.deepEqual(last, sent[0], 'no two have memory in common')
})

test('after a large chunk the next is read to where it stays, with room to see that it is all; after a full one with more', async (t) => {
  const [reader, writer] = pipes(t)
  const chunks = reader.chunks()
  const got: Buffer[] = []
  const sizes = [40_000, 40_000, 1000, 50_000, 33_000, 60_000]
  const sent = sizes.map((size, i) => bytes(size, i))
  for (const piece of sent) {
    const next = chunks.next()
    t.true(await isPending(next))
    await writer.writeAll(piece)
    got.push((await next).value)
  }
  got.push((await chunks.next()).value)
  t.true(Buffer.concat(got).equals(Buffer.concat(sent)))
  t.deepEqual(
    got.map(({ length }) => length),
    [40_000, 40_000, 1000, 50_000, 33_000, 37_125, 22_875],
  )
  // What is small is cut from memory of several.
  const memory = got.filter(({ length }) => length > 32_768).map(({ buffer }) => buffer)
  t.deepEqual(
    memory.map(({ byteLength }) => byteLength),
    // Those that no large one came before are copies.
    [40_000, 45_000, 50_000, 56_250, 37_125],
  )
  t.is(new Set(memory).size, memory.length)
  const next = chunks.next()
  await settled()
  await reader.close()
  t.deepEqual(await next, { done: true, value: undefined }, 'closed by its own user, it is over')
})

test('more chunks lent at once than the pool has blocks: each is its own', async (t) => {
  const streams = Array.from({ length: 80 }, () => pipes(t))
  const iterators = streams.map(([reader]) => reader.chunks({ lend: true }))
  for (let round = 0; round < 3; round++) {
    const reading = iterators.map((iterator) => iterator.next())
    await settled()
    streams.forEach(([, writer], i) => {
      sys.write(writer.fd, Buffer.from(`${round} of ${i}`))
    })
    const chunks = await Promise.all(reading)
    t.deepEqual(
      chunks.map(({ value }) => String(value)),
      streams.map((_, i) => `${round} of ${i}`),
    )
  }
  for (const iterator of iterators) await iterator.return?.()
})

test('ASYNCFD_POISON shows who keeps a lent chunk too long', async (t) => {
  const program = `import { Async } from 'asyncfd'
    import * as sys from 'asyncfd/sys'
    const [reader, writer] = sys.pipe()
    const chunks = new Async(reader, { owned: true }).chunks({ lend: true })
    sys.write(writer, Buffer.from('kept'))
    const { value } = await chunks.next()
    const before = value.toString()
    await chunks.return()
    console.log(before, value.toString('hex'))`
  // Modules are found from where the program lies.
  const file = join(root, 'build', `poison-${process.pid}.mjs`)
  writeFileSync(file, program)
  t.teardown(() => rmSync(file))
  const [command, args] = runtimeCommand(file)
  const { stdout } = await promisify(execFile)(command, args, { env: { ...process.env, ASYNCFD_POISON: '1' }, cwd: root })
  t.is(stdout.trim(), 'kept dbdbdbdb')
})

test('an aborted chunk throws, and the next call goes on where it was', async (t) => {
  const [reader, writer] = pipes(t)
  const chunks = reader.chunks({ timeout: 5 })
  await t.throwsAsync(chunks.next(), { code: 'ETIMEDOUT' })
  await writer.write(Buffer.from('data'))
  t.is(String((await chunks.next()).value), 'data')
})

test('lines: delimiters over chunks, CRLF, characters over chunks, the rest at the end', async (t) => {
  const collect = async (pieces: (string | Buffer)[], options?: Parameters<Async['lines']>[0]) => {
    const [reader, writer] = pipes(t)
    const feeding = (async () => {
      for (const piece of pieces) {
        await writer.writeAll(Buffer.from(piece as string))
        await settled()
      }
      await writer.close()
    })()
    const all: string[] = []
    try {
      for await (const line of reader.lines(options)) all.push(line)
    } finally {
      await feeding
    }
    return all
  }
  t.deepEqual(await collect(['a\nb', 'c\n', '\n', 'd']), ['a', 'bc', '', 'd'])
  t.deepEqual(await collect(['a\r', '\nb\r\nc\rd\n']), ['a', 'b', 'c\rd'])
  t.deepEqual(await collect([Buffer.from('é€\n').subarray(0, 3), Buffer.from('é€\n').subarray(3)]), ['é€'])
  t.deepEqual(await collect(['one-', '-two--', 'three'], { delimiter: '--' }), ['one', 'two', 'three'])
  t.deepEqual(await collect(['a\r\nb'], { delimiter: '\r\n' }), ['a', 'b'])
  t.deepEqual(await collect(['é\n'], { encoding: 'latin1' }), ['Ã©'])
  t.deepEqual(await collect([]), [])
  t.deepEqual(await collect(['12345\n'], { maxLength: 5 }), ['12345'])
  await t.throwsAsync(collect(['12345\n123456\n'], { maxLength: 5 }), { code: 'ERR_ASYNCFD_LINE_TOO_LONG' })
})

test('a line without an end stops before memory does', async (t) => {
  const [reader, writer] = pipes(t)
  const writing = writer.writeAll(Buffer.alloc(1_000_000, 'x')).catch((error: Error) => error)
  const lines = reader.lines({ maxLength: 1000 })
  await t.throwsAsync(lines.next(), { code: 'ERR_ASYNCFD_LINE_TOO_LONG' })
  t.true((await lines.next()).done)
  await reader.close()
  await writing
})

test('terminals: EIO of a master whose other end is closed is the end', async (t) => {
  const { master, slave } = sys.openpty()
  const [a, b] = [stream(t, own(t, master)), stream(t, own(t, slave))]
  sys.tcsetattr(b.fd, sys.makeRaw(sys.tcgetattr(b.fd)))
  await b.writeAll(Buffer.from('from the child'))
  const buffer = Buffer.alloc(100)
  t.is(await a.read(buffer), 14)
  const reading = a.read(buffer)
  await b.close()
  t.is(await reading, 0)
  t.is(await a.read(buffer), 0)
})

test('O_NONBLOCK is set, unless it is said to be set already', (t) => {
  const [a, b] = socketPair(t)
  for (const fd of [a, b]) sys.setNonblocking(fd, false)
  stream(t, a)
  t.true(sys.isNonblocking(a))
  stream(t, b, { nonblocking: 'already' })
  t.false(sys.isNonblocking(b))
})

test('intoInner leaves the descriptor open; only what is owned is closed', async (t) => {
  const [a, b] = socketPair(t)
  const first = new Async(a)
  t.is(first.intoInner(), a)
  t.true(first.closed)
  const again = new Async({ fd: a, name: 'an object' })
  t.is(again.inner.name, 'an object')
  await again.close()
  t.is(sys.write(b, Buffer.from('x')), 1, 'the other end is still open')
  const closed: string[] = []
  const inner = { fd: a, [Symbol.asyncDispose]: async () => { await breath(); closed.push('inner') } } // biome-ignore format: one line says it
  await new Async(inner, { owned: true }).close()
  t.deepEqual(closed, ['inner'])
})

test('bad input throws at the call', async (t) => {
  const [reader, writer] = pipes(t)
  const detached = new Uint8Array(8)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const type = { code: 'ERR_INVALID_ARG_TYPE' }
  for (const junk of [undefined, null, 1, 'text', {}, [], new ArrayBuffer(8)]) {
    for (const method of ['read', 'write', 'writeAll'] as const) t.throws(() => reader[method](junk as never), type)
  }
  for (const method of ['read', 'write', 'writeAll'] as const) {
    t.throws(() => reader[method](new Uint8Array(new SharedArrayBuffer(8))), { code: 'ERR_INVALID_ARG_VALUE' })
    t.throws(() => reader[method](detached), { code: 'ERR_INVALID_STATE' })
    t.throws(() => reader[method](Buffer.alloc(1), { timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => reader[method](Buffer.alloc(1), { timeout: Number.NaN }), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => reader[method](Buffer.alloc(1), { signal: {} as never }), type)
    t.throws(() => reader[method](Buffer.alloc(1), null as never), type)
  }
  for (const size of [0, -1, 1.5, 131_073, Number.NaN]) t.throws(() => reader.chunks({ size }), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => reader.chunks({ size: '1' as never }), type)
  t.throws(() => reader.chunks({ lend: 1 as never }), type)
  t.throws(() => reader.chunks(null as never), type)
  t.throws(() => reader.lines({ delimiter: '' }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => reader.lines({ delimiter: 1 as never }), type)
  t.throws(() => reader.lines({ maxLength: 0 }), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => reader.lines({ encoding: 'klingon' as never }), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const method of ['toReadable', 'toWritable', 'toDuplex'] as const) {
    t.throws(() => reader[method](null as never), type)
    t.throws(() => reader[method]({ autoClose: 1 as never }), type)
  }
  t.throws(() => reader.readWith(1 as never), type)
  t.throws(() => new Async('x' as never), type)
  t.throws(() => new Async(-1), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => new Async(reader.fd), { code: 'EEXIST' })
  t.throws(() => new Async(2 ** 30), { code: 'EBADF' })
  t.throws(() => new Async(own(t, sys.open('/dev/null', sys.constants.O_RDWR))), { code: 'EPERM' })
  t.throws(() => new Async(1, { nonblocking: 'leave' as never }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.is(await reader.read(Buffer.alloc(0)), 0, 'nothing asked, nothing waited for')
  t.is(await writer.write(Buffer.alloc(0)), 0)
  await writer.writeAll(Buffer.alloc(0))
})

// Alone: with the pool empty the bytes would stay in the kernel.
test.serial('a buffer that is transferred away in the middle of a read is refused, and no byte is lost', async (t) => {
  const [reader, writer] = pipes(t)
  const buffer = new Uint8Array(8)
  const reading = reader.read(buffer)
  t.true(await isPending(reading))
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] })
  await writer.write(Buffer.from('data'))
  await t.throwsAsync(reading, { code: 'ERR_INVALID_STATE' })
  const own = () => reader.readWith((fd) => sys.read(fd, Buffer.alloc(8)))
  await t.throwsAsync(own(), { code: 'ERR_INVALID_STATE' }, 'it would get what comes after')
  t.is(await reader.read(Buffer.alloc(3)), 3)
  t.is(await reader.read(Buffer.alloc(8)), 1)
  t.true(await isPending(reader.read(Buffer.alloc(8), { timeout: 100 }).catch(() => {})))
  fill(writer.fd)
  const sent = new Uint8Array(100_000)
  const writing = writer.writeAll(sent)
  t.true(await isPending(writing))
  structuredClone(sent.buffer, { transfer: [sent.buffer] })
  const piece = Buffer.alloc(65_536)
  await reader.read(piece)
  await t.throwsAsync(writing, { code: 'ERR_INVALID_STATE' })
})

test.serial('pending reads keep the process, unref does not count', async (t) => {
  const [reader] = pipes(t)
  const before = reactor.metrics().refs
  t.false(reader.hasRef())
  const reading = reader.read(Buffer.alloc(1), { timeout: 5 })
  t.true(reader.hasRef())
  t.is(reactor.metrics().refs, before + 1)
  reader.unref()
  t.false(reader.hasRef())
  t.is(reactor.metrics().refs, before)
  reader.ref()
  await t.throwsAsync(reading, { code: 'ETIMEDOUT' })
  t.is(reactor.metrics().refs, before)
})

test('WouldBlock of a closure waits for the next event, however often', async (t) => {
  const [reader, writer] = pipes(t)
  let calls = 0
  const reading = reader.readWith((fd) => {
    calls++
    const count = sys.read(fd, Buffer.alloc(1))
    return count === WouldBlock || calls < 4 ? WouldBlock : count
  })
  for (let i = 0; i < 6 && (await isPending(reading)); i++) await writer.write(Buffer.from('x'))
  t.is(await reading, 1)
  t.true(calls >= 4)
})
