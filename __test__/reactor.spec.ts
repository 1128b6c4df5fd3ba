/**
 * The reactor as users see it: when it starts, which driver it has, what it counts.
 *
 * Portable: bun, deno
 */
import { AsyncFd, Interest, reactor } from 'asyncfd'
import { drain, feed, noLeaks, pipe, settled, watch } from './helpers/fixtures.js'
import { Child } from './helpers/process.js'
import test from './helpers/test.js'

const onLinux = process.platform === 'linux' ? test : test.skip
const onNode = !('bun' in process.versions) && !('deno' in process.versions)

noLeaks(test)

async function fixture(name: string, env: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const child = await Child.start('reactor', [name], env)
  const { code, signal, stdout, stderr } = await child.ended
  if (code !== 0 || signal !== null) throw new Error(`code ${code}, signal ${signal}: ${stderr}`)
  return JSON.parse(stdout)
}

for (const driver of ['embedded', 'threaded']) {
  if (driver === 'embedded' && !onNode) continue
  onLinux(`importing starts nothing: no thread, no poller, no binding (${driver} driver)`, async (t) => {
    const { before, imported, started, zero, driver: named } = await fixture('import starts nothing', { ASYNCFD_DRIVER: driver })
    t.deepEqual(imported, { ...(before as object), loaded: false })
    t.true(zero)
    t.is(named, driver)
    const { pollers, threads } = before as { pollers: number; threads: number }
    t.deepEqual(started, { pollers: pollers + 1, threads: driver === 'threaded' ? threads + 1 : threads })
  })
}

const invalid: [variable: string, value: string, choices: RegExp][] = [
  ['ASYNCFD_DRIVER', 'fast', onNode ? /must be 'embedded' or 'threaded'.*'fast'/ : /must be 'threaded' on this runtime.*'fast'/],
  ['ASYNCFD_DRIVER', 'Embedded', /must be/],
  ['ASYNCFD_POLLING', 'level', /must be 'edge' or 'oneshot'.*'level'/],
]
if (!onNode) invalid.push(['ASYNCFD_DRIVER', 'embedded', /must be 'threaded' on this runtime/])
for (const [variable, value, choices] of invalid) {
  test(`${variable}=${value} is refused with what it may be, each time, and not half started`, async (t) => {
    const { read, first, second } = await fixture('driver', { [variable]: value })
    for (const failure of variable === 'ASYNCFD_DRIVER' ? [read, first, second] : [first, second]) {
      t.regex(String(failure), /^ERR_INVALID_ARG_VALUE /)
      t.regex(String(failure), choices)
      t.regex(String(failure), new RegExp(variable))
    }
  })
}

test('a start that is kept from its processor makes no time longer or shorter', async (t) => {
  const { lost, waited, elapsed, late } = await fixture('loses its processor when it has read the clock')
  t.true(lost)
  t.true((elapsed as number) >= 1 && (elapsed as number) <= (waited as number), `${elapsed} ms of ${waited} ms`)
  t.true((late as number) >= 0 && (late as number) < 450, `${late} ms late, of the 500 that were lost`)
})

onLinux('when descriptors have run out the first call says so, keeps none, and a later one starts it', async (t) => {
  const { failures, left, fired } = await fixture('descriptors have run out')
  t.is((failures as unknown[]).length, 20)
  for (const failure of failures as NodeJS.ErrnoException[]) {
    t.like(failure, { name: 'AsyncFdError', code: 'EMFILE', errno: -24 })
    t.regex(failure.syscall!, /^(epoll_create1|eventfd|timerfd_create|socket)$/)
    t.regex(failure.message, failure.syscall === 'socket' ? /socket/ : /not started; the next call tries again.*ulimit -n/)
  }
  t.deepEqual(left, new Array(20).fill(0), 'what was free before is free again')
  t.is(fired, 'fired')
})

test('empty variables are as if they were not set', async (t) => {
  const outcome = await fixture('driver', { ASYNCFD_DRIVER: '', ASYNCFD_POLLING: '' })
  t.deepEqual(outcome, { read: 'none', first: 'none', second: 'none' })
})

test('the driver in use is the one asked for, or that of the runtime', (t) => {
  t.is(reactor.driver, (process.env.ASYNCFD_DRIVER || (onNode ? 'embedded' : 'threaded')) as typeof reactor.driver)
  t.is(reactor.backend, process.platform === 'linux' ? 'epoll' : 'kqueue')
})

test.serial('metrics count what happened', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = new AsyncFd(reader, { interest: Interest.READABLE })
  await settled()
  const before = reactor.metrics()
  t.is(before.registered, 1)
  t.is(before.refs, 0)
  const wait = fd.readable()
  t.is(reactor.metrics().refs, 1)
  feed(writer)
  const guard = await wait
  const woken = reactor.metrics()
  t.is(woken.refs, 0)
  t.is(woken.wakeups - before.wakeups, 1)
  t.true(woken.events > before.events)
  t.true(woken.turns > before.turns)
  t.true(woken.dispatches > before.dispatches)
  drain(reader)
  guard.clearReady()
  feed(writer)
  await settled()
  t.true(reactor.metrics().unwanted > woken.unwanted, 'an event that nobody waits for is noted')
  t.true((await fd.readable()).isReadable)
  fd.close()
  t.is(reactor.metrics().registered, 0)
})

test.serial('metrics are plain numbers of this moment, not a view that changes', async (t) => {
  const [reader] = pipe(t)
  const before = reactor.metrics()
  watch(t, reader)
  t.is(before.registered, 0)
  for (const [name, count] of Object.entries(reactor.metrics())) t.true(Number.isInteger(count) && count >= 0, name)
})
