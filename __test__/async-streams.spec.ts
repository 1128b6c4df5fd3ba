/**
 * Node streams and web streams of an `Async`.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Async } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { fill, isPending, noLeaks, pipe, release, settled, socketPair, tcpPair } from './helpers/fixtures.js'
import { Child } from './helpers/process.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

noLeaks(test)

function stream(t: T, fd: number): Async {
  const made = new Async(release(fd), { owned: true })
  t.teardown(() => made.close())
  return made
}

const pair = (t: T) => socketPair(t).map((fd) => stream(t, fd)) as [Async, Async]

async function collect(readable: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of readable) all.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(all)
}

const much = Buffer.from(Uint8Array.from({ length: 2_000_000 }, (_, i) => (i * 7919) >>> 5))

test('toReadable and toWritable carry everything, and close', async (t) => {
  const [a, b] = pair(t)
  const writable = a.toWritable()
  const reading = collect(b.toReadable())
  for (let at = 0; at < much.length; at += 100_000) {
    if (!writable.write(much.subarray(at, at + 100_000))) await once(writable, 'drain')
  }
  writable.end()
  t.true((await reading).equals(much))
  await settled()
  t.true(a.closed)
  t.true(b.closed)
})

test('pipeline through a duplex that echoes', async (t) => {
  const [a, b] = tcpPair(t).map((fd) => stream(t, fd)) as [Async, Async]
  const echo = b.toDuplex()
  const echoing = pipeline(echo as Readable, echo as Writable)
  const writing = (async () => {
    await a.writeAll(much)
    sys.shutdown(a.fd, sys.constants.SHUT_WR)
  })()
  t.true((await collect(a.chunks())).equals(much))
  await Promise.all([echoing, writing])
})

for (const [what, options] of Object.entries({ bytes: { highWaterMark: 1000 }, objects: { objectMode: true } })) {
  test(`a reader of ${what} that stops stops the peer: nothing is read that nobody asked for`, async (t) => {
    const [a, b] = pair(t)
    const readable = b.toReadable(options)
    t.true(readable.readableHighWaterMark <= 1000)
    await a.writeAll(Buffer.from('first'))
    readable.read()
    await once(readable, 'readable')
    let taken = 0
    const writing = (async () => {
      for (; taken < 200; taken++) await a.writeAll(Buffer.alloc(100_000))
    })()
    t.true(await isPending(writing))
    t.true(taken < 100, `${taken} pieces went into buffers`)
    readable.destroy()
    await t.throwsAsync(writing, { code: 'EPIPE' })
  })
}

test('what is there in abundance comes in larger and larger chunks, for a large highWaterMark', async (t) => {
  /** Sizes of the chunks of what the kernel holds at most. */
  async function sizes(highWaterMark: number | undefined): Promise<{ all: number[]; total: number }> {
    const [a, b] = pair(t)
    sys.setSocketOption(a.fd, sys.constants.SOL_SOCKET, sys.constants.SO_SNDBUF, 1_000_000)
    const total = fill(a.fd)
    await a.close()
    const all: number[] = []
    const readable = b.toReadable({ highWaterMark })
    await once(
      readable.on('data', ({ length }) => void all.push(length)),
      'end',
    )
    return { all, total }
  }
  const block = 131_072
  const large = await sizes(undefined)
  t.true(large.total > 1.5 * block, `${large.total} are enough`)
  t.deepEqual(large.all.slice(0, 2), [block, Math.min(2 * block, large.total - block)])
  const small = await sizes(1000)
  t.is(Math.max(...small.all), block)
})

test('a destroyed stream closes, and its error is told', async (t) => {
  const [a, b] = pair(t)
  const readable = b.toReadable()
  readable.resume()
  await settled()
  const error = new Error('enough')
  const told = once(readable, 'error')
  readable.destroy(error)
  t.is((await told)[0], error)
  await settled()
  t.true(b.closed)
  await t.throwsAsync(a.writeAll(Buffer.from('x')), { code: 'EPIPE' })
})

test('an error of the descriptor destroys the stream with it', async (t) => {
  const [a, b] = pair(t)
  await b.close()
  const writable = a.toWritable()
  writable.write('x')
  const [error] = await once(writable, 'error')
  t.is((error as { code?: string }).code, 'EPIPE')
})

test('autoClose: false leaves the Async open', async (t) => {
  const [a, b] = pair(t)
  const writable = a.toWritable({ autoClose: false })
  writable.end('the end')
  t.is(String(await collect(b.toReadable({ autoClose: false }))), 'the end')
  await settled()
  t.false(a.closed)
  t.false(b.closed)
  await b.writeAll(Buffer.from('back'))
  t.is(await a.read(Buffer.alloc(10)), 4, 'the other direction goes on')
})

test('strings, encodings, several writes at once', async (t) => {
  const [a, b] = pair(t)
  const writable = a.toWritable()
  writable.cork()
  writable.write('é')
  writable.write('ff', 'hex')
  writable.write(Uint8Array.of(1, 2))
  writable.uncork()
  writable.end()
  t.deepEqual([...(await collect(b.toReadable()))], [0xc3, 0xa9, 0xff, 1, 2])
})

test('readableStream: bytes until the end, with readers and with buffers of their own', async (t) => {
  const [a, b] = pair(t)
  t.is(b.readableStream, b.readableStream)
  const writing = a.writeAll(much).then(() => a.close())
  t.true((await collect(b.readableStream as AsyncIterable<Uint8Array>)).equals(much))
  await writing
  const [c, d] = pair(t)
  await c.writeAll(Buffer.from('hello'))
  const reader = d.readableStream.getReader({ mode: 'byob' })
  const { value } = await reader.read(new Uint8Array(3))
  t.is(Buffer.from(value as Uint8Array).toString(), 'hel')
  const rest = await reader.read(new Uint8Array(3))
  t.is(Buffer.from(rest.value as Uint8Array).toString(), 'lo')
  const last = reader.read(new Uint8Array(3))
  t.true(await isPending(last))
  await c.close()
  t.true((await last).done)
})

test('cancelling a readableStream closes; aborting a writableStream destroys', async (t) => {
  const [a, b] = pair(t)
  await b.readableStream.cancel()
  t.true(b.closed)
  await a.writableStream.abort()
  t.true(a.closed)
})

test('writableStream waits for room, and its end half-closes', async (t) => {
  const [a, b] = pair(t)
  t.is(a.writableStream, a.writableStream)
  const writer = a.writableStream.getWriter()
  const writing = writer.write(much)
  t.true(await isPending(writing))
  const reading = collect(b.chunks())
  await writing
  await writer.close()
  t.true((await reading).equals(much))
  t.false(a.closed)
  const junk = pair(t)[0].writableStream.getWriter()
  await t.throwsAsync(junk.write('text' as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('pipes have no half to close: ending the writer closes it', async (t) => {
  const [reader, writer] = pipe(t).map((fd) => stream(t, fd)) as [Async, Async]
  writer.toWritable().end('bye')
  t.is(String(await collect(reader.chunks())), 'bye')
})

test('what was written before the stream is destroyed is sent, if there is room', async (t) => {
  for (const way of ['toDuplex', 'toWritable'] as const) {
    const [a, b] = pair(t)
    const writable: Writable = a[way]()
    const told: string[] = []
    for (const text of ['one,', 'two,', 'three']) writable.write(text, () => told.push(text))
    t.deepEqual(told, [], 'nobody is called back from within the call')
    writable.destroy()
    t.is(String(await collect(b.chunks())), 'one,two,three')
    await settled()
    t.is(told.length, 3)
  }
})

test('what is corked when the stream is destroyed is not written', async (t) => {
  const [a, b] = pair(t)
  const writable = a.toWritable()
  writable.write('said')
  writable.cork()
  writable.write('unsaid')
  writable.destroy()
  t.is(String(await collect(b.chunks())), 'said')
})

test('a paused stream is told of the end, if nothing is left to be read', async (t) => {
  const [a, b] = pair(t)
  const paused = a.toDuplex().resume().pause()
  sys.shutdown(b.fd, sys.constants.SHUT_WR)
  await once(paused, 'end')
  const [c, d] = pair(t)
  const unread = c.toDuplex().pause()
  let ended = false
  unread.once('end', () => {
    ended = true
  })
  unread.on('data', () => {})
  unread.pause()
  await d.writeAll(Buffer.from('unread'))
  sys.shutdown(d.fd, sys.constants.SHUT_WR)
  await settled()
  t.false(ended)
  const ending = once(unread, 'end')
  unread.resume()
  await ending
})

test('what a listener or a callback throws is uncaught, and no error of the stream', async (t) => {
  const expected = {
    data: ['data first', 'uncaught boom', 'data second', 'closed'],
    paused: ['data first', 'uncaught boom', 'data second', 'closed'],
    callback: ['uncaught boom', 'written', 'closed'],
    drain: ['uncaught boom', 'closed'],
  }
  for (const [how, lines] of Object.entries(expected)) {
    const { code, stdout, stderr } = await (await Child.start('throwing-streams', [how])).ended
    t.is(code, 0, `${how}\n${stderr}`)
    t.deepEqual(stdout.trim().split('\n').sort(), lines.sort(), how)
  }
})
