import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { constants as os, tmpdir } from 'node:os'
import { join } from 'node:path'
import * as sys from 'asyncfd/sys'
import { WouldBlock } from 'asyncfd/sys'
import { native } from './helpers/inside.js'
import { closing } from './helpers/sys.js'
import test from './helpers/test.js'

const { constants } = sys

function counter(fd: number): bigint | typeof WouldBlock {
  const value = new BigUint64Array(1)
  return sys.read(fd, value) === WouldBlock ? WouldBlock : value[0]!
}

test('an eventfd counts, and a semaphore gives one at a time', (t) => {
  const [event, semaphore] = closing(t, sys.eventfd(), sys.eventfd(2, { semaphore: true }))
  t.is(counter(event), WouldBlock)
  t.is(sys.write(event, BigUint64Array.of(2n)), 8)
  sys.write(event, BigUint64Array.of(40n))
  t.is(counter(event), 42n)
  t.deepEqual([counter(semaphore), counter(semaphore), counter(semaphore)], [1n, 1n, WouldBlock])
  const [full] = closing(t, sys.eventfd(2 ** 32 - 1))
  t.is(counter(full), 2n ** 32n - 1n)
  for (const wrong of [-1, 2 ** 32, 0.5, Number.NaN]) t.throws(() => sys.eventfd(wrong), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => sys.eventfd('1' as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a timerfd fires not before its time, repeats, and stops', (t) => {
  const [timer] = closing(t, sys.timerfd())
  t.is(counter(timer), WouldBlock)
  const start = process.hrtime.bigint()
  sys.setTimerfd(timer, { value: 5.5, interval: 1 })
  sys.poll([{ fd: timer, events: constants.POLLIN }], 2000)
  t.true(process.hrtime.bigint() - start >= 5_500_000n)
  t.true((counter(timer) as bigint) >= 1n)
  sys.poll([{ fd: timer, events: constants.POLLIN }], 2000)
  t.true((counter(timer) as bigint) >= 1n, 'again')
  sys.setTimerfd(timer, { value: 0 })
  sys.poll([{ fd: timer, events: constants.POLLIN }], 5)
  t.is(counter(timer), WouldBlock)
})

test('a time too short for the kernel fires at once instead of stopping the timer', (t) => {
  const [timer] = closing(t, sys.timerfd())
  sys.setTimerfd(timer, { value: 1e-9 })
  t.is(sys.poll([{ fd: timer, events: constants.POLLIN }], 2000)[0]!.revents, constants.POLLIN)
})

test('a timerfd by the clock on the wall takes an instant', (t) => {
  const [timer] = closing(t, sys.timerfd('realtime'))
  const at = Date.now() + 20
  sys.setTimerfd(timer, { value: at, absolute: true, cancelOnSet: true })
  sys.poll([{ fd: timer, events: constants.POLLIN }], 2000)
  t.is(counter(timer), 1n)
  t.true(Date.now() >= at)
  closing(t, sys.timerfd('boottime'))
})

test('an instant after 2038 can be waited for, on 32-bit systems too', (t) => {
  const [timer] = closing(t, sys.timerfd('realtime'))
  t.notThrows(() => sys.setTimerfd(timer, { value: Date.UTC(2100, 0), absolute: true }))
})

test('nonsense for a timerfd throws', (t) => {
  const [timer, reader] = closing(t, sys.timerfd(), ...sys.pipe())
  for (const wrong of ['sundial', 'toString', null, 5])
    t.throws(() => sys.timerfd(wrong as never), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const wrong of [null, 5, {}, { value: '1' }, { value: 1, interval: '1' }]) {
    t.throws(() => sys.setTimerfd(timer, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => sys.setTimerfd(timer, { value }), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => sys.setTimerfd(reader!, { value: 1 }), { code: 'EINVAL' })
})

test('inotify tells what happened to which file', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'asyncfd-sys-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const { IN_CREATE, IN_MOVED_FROM, IN_MOVED_TO, IN_IGNORED } = constants
  const [watcher] = closing(t, sys.inotify())
  const watch = sys.inotifyAddWatch(watcher, dir, IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO)
  const buffer = Buffer.alloc(4096)
  t.is(sys.read(watcher, buffer), WouldBlock)
  writeFileSync(join(dir, 'näme'), '')
  renameSync(join(dir, 'näme'), join(dir, 'b'))
  const bytes = buffer.subarray(0, sys.read(watcher, buffer) as number)
  const events = sys.parseInotify(bytes)
  t.deepEqual(
    events.map(({ mask, name }) => ({ mask, name })),
    [
      { mask: IN_CREATE, name: 'näme' },
      { mask: IN_MOVED_FROM, name: 'näme' },
      { mask: IN_MOVED_TO, name: 'b' },
    ],
  )
  t.true(events.every((event) => event.watch === watch))
  t.true(events[1]!.cookie !== 0 && events[1]!.cookie === events[2]!.cookie)
  t.deepEqual(sys.parseInotify(bytes, { encoding: 'buffer' })[2]!.name, Buffer.from('b'))
  const copy = Buffer.concat([Buffer.alloc(1), bytes]).subarray(1)
  t.deepEqual(sys.parseInotify(copy), events, 'also where the bytes are not aligned')
  for (const length of [1, 15, 17, bytes.length - 1]) {
    t.throws(() => sys.parseInotify(bytes.subarray(0, length)), { code: 'ERR_INVALID_ARG_VALUE' })
  }
  t.deepEqual(sys.parseInotify(bytes.subarray(0, 0)), [])
  sys.inotifyRemoveWatch(watcher, watch)
  const rest = sys.read(watcher, buffer) as number
  t.deepEqual(sys.parseInotify(buffer.subarray(0, rest)), [{ watch, mask: IN_IGNORED, cookie: 0, name: '' }])
})

test('inotify refuses what cannot be watched', (t) => {
  const [watcher, reader] = closing(t, sys.inotify(), ...sys.pipe())
  t.throws(() => sys.inotifyAddWatch(watcher, '/no/such/file', constants.IN_OPEN), { code: 'ENOENT' })
  t.throws(() => sys.inotifyAddWatch(watcher, '/tmp', 0), { code: 'EINVAL' })
  t.throws(() => sys.inotifyAddWatch(reader!, '/tmp', constants.IN_OPEN), { code: 'EINVAL' })
  t.throws(() => sys.inotifyAddWatch(watcher, 5 as never, 1), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => sys.inotifyAddWatch(watcher, '/tmp', '1' as never), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => sys.inotifyRemoveWatch(watcher, 99), { code: 'EINVAL' })
  t.throws(() => sys.parseInotify('x' as never), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => sys.parseInotify(Buffer.alloc(0), { encoding: 'hex' as never }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a pidfd becomes readable when its process ends, and signals that process only', async (t) => {
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const [pidfd] = closing(t, sys.pidfdOpen(child.pid!))
  t.is(sys.poll([{ fd: pidfd, events: constants.POLLIN }], 0)[0]!.revents, 0)
  sys.pidfdSendSignal(pidfd, 0)
  sys.pidfdSendSignal(pidfd, os.signals.SIGTERM)
  t.is(sys.poll([{ fd: pidfd, events: constants.POLLIN }], 5000)[0]!.revents & constants.POLLIN, constants.POLLIN)
  const [, signal] = await once(child, 'exit')
  t.is(signal, 'SIGTERM')
  t.throws(() => sys.pidfdSendSignal(pidfd, 0), { code: 'ESRCH' })
  t.throws(() => sys.pidfdOpen(child.pid!), { code: 'ESRCH' })
  for (const wrong of [0, -1, 1.5, 2 ** 31]) t.throws(() => sys.pidfdOpen(wrong), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => sys.pidfdSendSignal(pidfd, 65), { code: 'ERR_OUT_OF_RANGE' })
})

test('the constants are the kernel headers, all of them, and cannot be changed', (t) => {
  t.deepEqual(Object.entries(constants).sort(), Object.entries(native().sysConstants()).sort())
  t.is(constants.O_RDWR, 2)
  t.is(constants.POLLIN, 1)
  t.is(constants.SOL_SOCKET, 1)
  t.throws(() => Object.assign(constants, { POLLIN: 7 }), { instanceOf: TypeError })
})

test('importing loads nothing, and what is missing says so', (t) => {
  const script = `
    import { createRequire } from 'node:module'
    import * as sys from 'asyncfd/sys'
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.endsWith('.node'))
    const before = loaded()
    const binding = (await import(process.argv[1] + '/dist/native.js')).native()
    for (const name of Object.keys(binding)) if (/eventfd|timerfd|inotify|pidfd/i.test(name)) delete binding[name]
    const { sysConstants } = binding
    binding.sysConstants = () => ({ ...sysConstants(), IN_CREATE: undefined })
    const codes = []
    for (const fn of [() => sys.eventfd(), () => sys.timerfd(), () => sys.setTimerfd(3, { value: 1 }), () => sys.inotify(),
      () => sys.inotifyAddWatch(3, '/', 1), () => sys.inotifyRemoveWatch(3, 1), () => sys.pidfdOpen(1),
      () => sys.pidfdSendSignal(3, 0), () => sys.constants.IN_CREATE, () => sys.constants.IN_CREATE])
      try { fn(); codes.push('none') } catch (error) { codes.push(error.code) }
    console.log(JSON.stringify({ before, codes }))`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, process.cwd()], { encoding: 'utf8' })
  t.is(child.stderr, '')
  const { before, codes } = JSON.parse(child.stdout)
  t.false(before)
  t.deepEqual(codes, Array(10).fill('ERR_ASYNCFD_UNSUPPORTED'))
})
