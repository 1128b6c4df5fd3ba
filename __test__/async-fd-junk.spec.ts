/**
 * What the fuzzer found in AsyncFd: arguments and getters that nobody writes on purpose.
 *
 * Portable: bun, deno
 */
import { AsyncFd, Interest, Ready, reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import test from './helpers/test.js'

const OUT_OF_RANGE = { code: 'ERR_OUT_OF_RANGE' }
const ARG_TYPE = { code: 'ERR_INVALID_ARG_TYPE' }

function open(t: { teardown(end: () => void): void }, inner?: (fd: number) => { readonly fd: number }): AsyncFd<unknown> {
  const [reader, writer] = sys.pipe()
  const fd = new AsyncFd<unknown>((inner?.(reader) ?? reader) as number, { interest: Interest.READABLE })
  t.teardown(() => {
    fd.close()
    sys.close(reader)
    sys.close(writer)
  })
  return fd
}

test.serial('an interest above 32 bits does not wait for nothing, for ever, and hold the process', async (t) => {
  const fd = open(t)
  const before = reactor.metrics().refs
  for (const interest of [2 ** 32, 2 ** 53, 1e300, -(2 ** 32), 0.5, Number.NaN, Infinity, -0, 2 ** 32 + 1]) {
    t.throws(() => fd.ready(interest), OUT_OF_RANGE, `${interest}`)
    t.throws(() => fd.subscribe(interest, () => {}), OUT_OF_RANGE)
    t.throws(() => fd.setInterest(interest), OUT_OF_RANGE)
    t.throws(() => new AsyncFd(0, { interest }), OUT_OF_RANGE)
  }
  t.is(reactor.metrics().refs, before)
  const [, writer] = sys.pipe()
  const writable = new AsyncFd(writer, { owned: true })
  const guard = await writable.writable()
  for (const bits of [2 ** 32, 1e300, 0.5, Number.NaN, 64])
    t.throws(() => guard.clearReadyMatching(bits), OUT_OF_RANGE, `${bits}`)
  t.is(guard.ready, Ready.WRITABLE)
  writable.close()
})

test.serial('an inner object whose getter closes the AsyncFd leaves no wait that never ends', async (t) => {
  const before = reactor.metrics().refs
  for (const wait of ['readable', 'hangup'] as const) {
    let armed = false
    const fd: AsyncFd<unknown> = open(t, (number) => ({
      get fd() {
        if (armed) fd.close()
        return number
      },
    }))
    armed = true
    await t.throwsAsync(async () => fd[wait](), { code: 'ERR_ASYNCFD_CLOSED' })
  }
  t.is(reactor.metrics().refs, before)
})

test.serial('options whose getter closes the AsyncFd leave no wait and no subscription that never ends', async (t) => {
  const before = reactor.metrics().refs
  const closing = (fd: AsyncFd<unknown>, after: number) => {
    let reads = 0
    return {
      get signal(): undefined {
        if (reads++ === after) fd.close()
        return undefined
      },
      timeout: 60_000,
    }
  }
  for (const after of [0, 1, 2]) {
    const fd = open(t)
    await t.throwsAsync(async () => fd.readable(closing(fd, after)), { code: 'ERR_ASYNCFD_CLOSED' })
  }
  for (const after of [1]) {
    const fd = open(t)
    await new Promise<void>((resolve) => {
      fd.subscribe(Interest.READABLE, (guard) => guard === null && resolve(), closing(fd, after))
    })
  }
  t.is(reactor.metrics().refs, before)
})

test.serial('an owned number must be the descriptor itself: of another it is not known whose it is', (t) => {
  const [reader, writer] = sys.pipe()
  for (const inner of [writer, Number.NaN, -1]) {
    t.throws(() => new AsyncFd(inner, { fd: reader, owned: true }), { code: 'ERR_INVALID_ARG_VALUE', message: /options\.fd/ })
  }
  new AsyncFd(writer, { fd: reader }).close()
  new AsyncFd(reader, { fd: reader, owned: true }).close()
  t.throws(() => sys.isNonblocking(reader), { code: 'EBADF' })
  sys.close(writer)
})

test.serial('an inner that nothing can end cannot be owned', (t) => {
  const [reader, writer] = sys.pipe()
  for (const inner of [undefined, null, 'x', Symbol('inner')])
    t.throws(() => new AsyncFd(inner, { fd: reader, owned: true }), ARG_TYPE)
  new AsyncFd(undefined, { fd: reader }).close()
  sys.close(reader)
  sys.close(writer)
})

test.serial('what is no function is refused by name', async (t) => {
  const [, writer] = sys.pipe()
  const fd = new AsyncFd(writer, { owned: true })
  const guard = await fd.writable()
  t.throws(() => guard.tryIo(undefined as never), ARG_TYPE)
  fd.close()
})

test.serial('a listener that closes the descriptor elsewhere causes no uncaught exception', async (t) => {
  const [reader, writer] = sys.pipe()
  const fd = new AsyncFd(reader)
  const uncaught: unknown[] = []
  const note = (error: unknown) => uncaught.push(error)
  process.on('uncaughtException', note)
  await new Promise<void>((resolve) => {
    fd.subscribe(Interest.READABLE, (guard) => {
      if (guard === null) return
      sys.close(reader)
      resolve()
    })
    sys.write(writer, Buffer.from('x'))
  })
  t.notThrows(() => fd.subscribe(Interest.READABLE, () => {}))
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 1))
  process.off('uncaughtException', note)
  t.deepEqual(uncaught, [])
  fd.close()
  sys.close(writer)
})
