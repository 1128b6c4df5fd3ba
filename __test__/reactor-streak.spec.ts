/**
 * A turn looks for more while events keep coming. Here they come without end: whoever is woken makes the next event.
 *
 * Portable: bun, deno
 */
import { AsyncFd, Interest, reactor, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { rounds } from './helpers/child.js'
import test from './helpers/test.js'

const BYTE = Uint8Array.of(1)
const WAKEUPS = rounds(5000)
/** Looks of one turn, or dispatches of the threaded driver, before the loop goes on; and the promise tier reads two a turn. */
const PER_BREATH = 2 * 33

/** A pipe whose reader is registered; both ends are closed at the end of the test. */
function openPipe(t: { teardown(end: () => void): void }): { fd: AsyncFd; writer: number } {
  const [reader, writer] = sys.pipe()
  const fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
  t.teardown(() => {
    fd.close()
    sys.close(writer)
  })
  return { fd, writer }
}

/** Starts immediates, one after the other; the function returned ends them and gives the most wake-ups between two. */
function countBetweenBreaths(woken: () => number): () => number {
  let [before, most, ended] = [0, 0, false]
  const breathe = () => {
    most = Math.max(most, woken() - before)
    before = woken()
    if (!ended) setImmediate(breathe)
  }
  setImmediate(breathe)
  return () => {
    ended = true
    return most
  }
}

test.serial('a listener that makes its own next event gets each exactly once, and setImmediate breathes', async (t) => {
  const { fd, writer } = openPipe(t)
  const buffer = new Uint8Array(2)
  let woken = 0
  const breaths = countBetweenBreaths(() => woken)
  const before = reactor.metrics()
  await new Promise<void>((resolve) => {
    fd.subscribe(Interest.READABLE, (guard) => {
      const count = guard === null ? 0 : sys.read(fd, buffer)
      if (count === WouldBlock || count === 0) return
      if (++woken === WAKEUPS) resolve()
      else sys.write(writer, BYTE)
    })
    sys.write(writer, BYTE)
  })
  t.is(woken, WAKEUPS)
  t.is(reactor.metrics().wakeups - before.wakeups, WAKEUPS)
  const most = breaths()
  t.true(most <= PER_BREATH, `${most} wake-ups between two immediates`)
})

test.serial('a promise that makes its own next event gets each exactly once, and setImmediate breathes', async (t) => {
  const { fd, writer } = openPipe(t)
  const buffer = new Uint8Array(2)
  let woken = 0
  const breaths = countBetweenBreaths(() => woken)
  sys.write(writer, BYTE)
  while (woken < WAKEUPS) {
    const guard = await fd.readable()
    while (guard.tryIo((inner) => sys.read(inner, buffer)) !== WouldBlock) woken++
    if (woken < WAKEUPS) sys.write(writer, BYTE)
  }
  t.is(woken, WAKEUPS)
  const most = breaths()
  t.true(most <= PER_BREATH, `${most} wake-ups between two immediates`)
})

test.serial('what a listener puts off to a microtask runs before the loop goes on, however hot the streak', async (t) => {
  const { fd, writer } = openPipe(t)
  const buffer = new Uint8Array(2)
  let [woken, microtasks, most] = [0, 0, 0]
  await new Promise<void>((resolve) => {
    fd.subscribe(Interest.READABLE, (guard) => {
      const count = guard === null ? 0 : sys.read(fd, buffer)
      if (count === WouldBlock || count === 0) return
      woken++
      queueMicrotask(() => microtasks++)
      setImmediate(() => {
        most = Math.max(most, woken - microtasks)
      })
      if (woken === WAKEUPS) setImmediate(resolve)
      else sys.write(writer, BYTE)
    })
    sys.write(writer, BYTE)
  })
  t.is(most, 0, 'microtasks that had not run when an immediate did')
})
