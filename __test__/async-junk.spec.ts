/**
 * What the fuzzer found in streams: options and signals that nobody writes on purpose.
 *
 * Portable: bun, deno
 */
import { AsyncFd, Interest, reactor, type WaitOptions } from 'asyncfd'
import { UnixStream } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { fill, noLeaks } from './helpers/fixtures.js'
import test, { type ExecutionContext } from './helpers/test.js'

noLeaks(test)

/** How often options are looked at, at most, by one call. */
const LOOKS = 5

/** Operations that have to wait, of a stream whose peer neither sends nor reads. */
const operations: Record<string, (stream: UnixStream, options: WaitOptions) => Promise<unknown>> = {
  'a read': (stream, options) => stream.read(Buffer.alloc(10), options),
  'a large read': (stream, options) => stream.read(Buffer.alloc(100_000), options),
  'a write': (stream, options) => stream.write(Buffer.alloc(10), options),
  'all of a write': (stream, options) => stream.writeAll(Buffer.alloc(10), options),
  'descriptors to come': (stream, options) => stream.recvFds(Buffer.alloc(10), options),
  'descriptors to go': (stream, options) => stream.sendFds([0], undefined, options),
}

function stuck(t: ExecutionContext<unknown>): UnixStream {
  const [stream, peer] = UnixStream.pair()
  t.teardown(() => {
    stream.destroy()
    peer.destroy()
  })
  fill(stream.fd)
  return stream
}

/** A signal that cannot be listened to. */
function deaf(): AbortSignal {
  const { signal } = new AbortController()
  signal.addEventListener = () => {
    throw new Error('deaf')
  }
  return signal
}

for (const [name, operation] of Object.entries(operations)) {
  test.serial(`options whose getter throws end ${name}, and nothing else`, async (t) => {
    for (let look = 0; look < LOOKS; look++) {
      const stream = stuck(t)
      let looks = 0
      const options = {
        get timeout() {
          if (looks++ === look) throw new Error('a getter')
          return 1
        },
      }
      const error = await t.throwsAsync(async () => operation(stream, options))
      t.regex(error.message, looks > look ? /^a getter$/ : /^not ready/, `look ${look}`)
      await t.throwsAsync(operation(stream, { timeout: 1 }), { code: 'ETIMEDOUT' }, 'the next one is not held against it')
    }
  })

  test.serial(`options whose getter closes the stream end ${name}, and it is not attempted`, async (t) => {
    for (let look = 0; look < LOOKS; look++) {
      const stream = stuck(t)
      let looks = 0
      const options = {
        get timeout() {
          if (looks++ === look) stream.destroy()
          return 1
        },
      }
      const error = await t.throwsAsync(async () => operation(stream, options), { instanceOf: Error })
      t.is((error as NodeJS.ErrnoException).code, looks > look ? 'ERR_ASYNCFD_CLOSED' : 'ETIMEDOUT', `look ${look}`)
    }
  })

  test.serial(`a signal that cannot be listened to ends ${name}, and nothing else`, async (t) => {
    const stream = stuck(t)
    await t.throwsAsync(async () => operation(stream, { signal: deaf(), timeout: 1 }), { message: 'deaf' })
    await t.throwsAsync(operation(stream, { timeout: 1 }), { code: 'ETIMEDOUT' })
  })
}

test.serial('a signal that cannot be listened to leaves no subscription', (t) => {
  const [reader, writer] = sys.pipe()
  const fd = new AsyncFd(reader, { owned: true })
  const before = reactor.metrics().refs
  t.throws(() => fd.subscribe(Interest.READABLE, () => {}, { signal: deaf() }), { message: 'deaf' })
  t.is(reactor.metrics().refs, before)
  fd.close()
  sys.close(writer)
})
