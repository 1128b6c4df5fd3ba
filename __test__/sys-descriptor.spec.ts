import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import * as sys from 'asyncfd/sys'
import { WouldBlock } from 'asyncfd/sys'
import { close, closing, descriptorsOf, fileOf, flagsOf, NOT_OPEN, READY } from './helpers/sys.js'
import test from './helpers/test.js'

const { constants } = sys

function directory(t: { teardown(fn: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'asyncfd-sys-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

test('every descriptor that is created is non-blocking and not inherited by children', (t) => {
  const dir = directory(t)
  const { master, slave } = sys.openpty()
  const listener = sys.socket(constants.AF_INET, constants.SOCK_STREAM)
  sys.bind(listener, { address: '127.0.0.1', port: 0 })
  sys.listen(listener)
  const client = sys.socket(constants.AF_INET, constants.SOCK_STREAM)
  sys.connect(client, sys.localAddress(listener) as sys.InetAddress)
  sys.poll([{ fd: listener, events: constants.POLLIN }], 1000)
  const fds = {
    pipe: sys.pipe(),
    socketpair: sys.socketpair(constants.AF_UNIX, constants.SOCK_STREAM),
    openpty: [master, slave],
    socket: [listener, client],
    accept: [sys.accept(listener) as number],
    open: [sys.open(join(dir, 'x'), constants.O_RDWR | constants.O_CREAT)],
    eventfd: [sys.eventfd()],
    timerfd: [sys.timerfd()],
    inotify: [sys.inotify()],
    pidfdOpen: [sys.pidfdOpen(process.pid)],
  }
  closing(t, ...Object.values(fds).flat())
  for (const [name, all] of Object.entries(fds)) for (const fd of all) t.deepEqual(flagsOf(fd), READY, name)
  const probe = Object.values(fds)
    .flat()
    .map((fd) => `[ -e /proc/self/fd/${fd} ] && echo ${fd}`)
    .join(';')
  t.is(spawnSync('/bin/sh', ['-c', `${probe}; true`], { encoding: 'utf8' }).stdout, '')
})

test('dup is a second number for the same file, and leaves O_NONBLOCK of the first alone', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  sys.setNonblocking(writer, false)
  const [copy] = closing(t, sys.dup(writer))
  t.deepEqual(flagsOf(copy), { cloexec: true, nonblocking: false })
  t.not(copy, writer)
  close(writer)
  sys.write(copy, Buffer.from('x'))
  t.is(sys.read(reader, Buffer.alloc(2)), 1)
  t.throws(() => sys.dup(NOT_OPEN), { code: 'EBADF' })
})

test('close closes, numbers as well as objects, and says EBADF for what is not open', (t) => {
  const [reader, writer] = sys.pipe()
  const file = fileOf(reader)
  t.is(descriptorsOf(file), 2)
  sys.close(reader)
  sys.close({ fd: writer })
  t.is(descriptorsOf(file), 0)
  t.throws(() => sys.close(NOT_OPEN), { code: 'EBADF' })
})

test('O_NONBLOCK can be set, asked and cleared', (t) => {
  const [reader] = closing(t, ...sys.pipe())
  t.true(sys.isNonblocking(reader))
  sys.setNonblocking(reader, false)
  t.false(sys.isNonblocking(reader))
  sys.setNonblocking(reader)
  t.true(sys.isNonblocking(reader))
  t.throws(() => sys.setNonblocking(NOT_OPEN), { code: 'EBADF' })
  t.throws(() => sys.isNonblocking(NOT_OPEN), { code: 'EBADF' })
})

test('an OwnedFd closes once, is refused afterwards, and close() does not close it behind its back', (t) => {
  const [reader, writer] = sys.pipe()
  const owned = new sys.OwnedFd(reader)
  t.is(owned.fd, reader)
  t.is(inspect(owned), `OwnedFd { fd: ${reader} }`)
  t.is(sys.read(owned, Buffer.alloc(1)), WouldBlock)
  sys.close(owned)
  t.true(owned.closed)
  const [reused] = closing(t, sys.dup(writer)) // as a rule the same number
  owned.close()
  owned[Symbol.dispose]()
  t.is(sys.write(reused, new Uint8Array(0)), 0, 'and was not closed by the old owner')
  t.throws(() => sys.read(owned, Buffer.alloc(1)), { code: 'ERR_INVALID_STATE' })
  t.is(inspect(owned), 'OwnedFd { closed }')
  sys.close(writer)
})

test('a taken descriptor is not closed by its former owner', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  const owned = new sys.OwnedFd(writer)
  t.is(owned.take(), writer)
  owned.close()
  t.is(sys.write(writer, Buffer.from('x')), 1)
  t.is(sys.read(reader, Buffer.alloc(1)), 1)
  t.throws(() => owned.take(), { code: 'ERR_ASYNCFD_CLOSED' })
  t.throws(() => new sys.OwnedFd('3' as never), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => new sys.OwnedFd(-1), { code: 'ERR_OUT_OF_RANGE' })
})

test('open takes text, URLs and bytes, and says what is wrong', (t) => {
  const dir = directory(t)
  const path = join(dir, 'file')
  writeFileSync(path, 'content')
  for (const name of [path, pathToFileURL(path), Buffer.from(path)]) {
    const [fd] = closing(t, sys.open(name))
    t.is(sys.read(fd, Buffer.alloc(16)), 7)
  }
  const [created] = closing(t, sys.open(join(dir, 'new'), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600))
  t.is(sys.write(created, Buffer.from('x')), 1)
  t.is(statSync(join(dir, 'new')).mode & 0o777, 0o600)
  const error = t.throws(() => sys.open(join(dir, 'none')), { code: 'ENOENT' }) as sys.AsyncFdError
  t.is(error.syscall, 'open')
  t.throws(() => sys.open('a\0b'), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const wrong of [5, null, undefined, {}]) t.throws(() => sys.open(wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => sys.open(path, 'r' as never), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => sys.open(path, 0, 0o10000), { code: 'ERR_OUT_OF_RANGE' })
})

test('a FIFO opens without waiting for the other end', (t) => {
  const path = join(directory(t), 'fifo')
  sys.mkfifo(path, 0o600)
  t.true(statSync(path).isFIFO())
  t.throws(() => sys.mkfifo(path), { code: 'EEXIST' })
  t.throws(() => sys.open(path, constants.O_WRONLY), { code: 'ENXIO' })
  const [reader] = closing(t, sys.open(path))
  const [writer] = closing(t, sys.open(path, constants.O_WRONLY))
  sys.write(writer, Buffer.from('x'))
  t.is(sys.read(reader, Buffer.alloc(2)), 1)
})

test('poll gives the bits of each descriptor in order, also those nobody asked for', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  const { POLLIN, POLLOUT, POLLHUP, POLLNVAL } = constants
  const source = { fd: reader }
  t.deepEqual(
    sys.poll(
      [
        { fd: source, events: POLLIN },
        { fd: writer, events: POLLOUT },
      ],
      0,
    ),
    [
      { fd: source, events: POLLIN, revents: 0 },
      { fd: writer, events: POLLOUT, revents: POLLOUT },
    ],
  )
  close(writer)
  t.deepEqual(
    sys
      .poll([
        { fd: reader, events: 0 },
        { fd: NOT_OPEN, events: POLLOUT },
      ])
      .map(({ revents }) => revents),
    [POLLHUP, POLLNVAL],
  )
  t.deepEqual(sys.poll([], 0), [])
})

test('poll waits as long as asked, never less, by fractions of a millisecond', (t) => {
  const [reader] = closing(t, ...sys.pipe())
  for (const timeout of [0.4, 3, 20.5]) {
    const start = process.hrtime.bigint()
    sys.poll([{ fd: reader, events: constants.POLLIN }], timeout)
    t.true(Number(process.hrtime.bigint() - start) / 1e6 >= timeout)
  }
})

test('poll refuses what is no request', (t) => {
  const [reader] = closing(t, ...sys.pipe())
  for (const wrong of [null, undefined, {}, 5]) t.throws(() => sys.poll(wrong as never, 0), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const wrong of [null, 5, { events: 1 }, { fd: 'x', events: 1 }, { fd: reader }, { fd: reader, events: '1' }]) {
    t.throws(() => sys.poll([wrong as never], 0), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.throws(() => sys.poll([{ fd: -1, events: 1 }], 0), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => sys.poll([{ fd: reader, events: 2 ** 20 }], 0), { code: 'ERR_OUT_OF_RANGE' })
  for (const wrong of [-1, Number.NaN]) t.throws(() => sys.poll([], wrong), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => sys.poll([], '5' as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

/** A shell that begins when told to, so that its signals arrive while the call waits and not before. */
const SIGNALLER = `
  import { spawn } from 'node:child_process'
  import * as sys from 'asyncfd/sys'
  let signals = 0
  process.on('SIGUSR2', () => signals++)
  const [reader, writer] = sys.pipe()
  const [starts, start] = sys.pipe()
  for (const fd of [reader, writer, starts]) sys.setNonblocking(fd, false)
  const { POLLIN } = sys.constants
  const kill = 'sleep 0.05; kill -USR2 ' + process.pid
  spawn('/bin/sh', ['-c', 'read go;' + kill + ';' + kill + ';' + kill + '; sleep 0.5; echo hi'], { stdio: [starts, writer, 'ignore'] })`

test('a signal neither ends nor lengthens poll, and no EINTR comes out', (t) => {
  const script = `${SIGNALLER}
    const began = performance.now()
    sys.write(start, Buffer.from('go\\n'))
    const [{ revents }] = sys.poll([{ fd: reader, events: POLLIN }], 300)
    const took = performance.now() - began
    setTimeout(() => console.log(JSON.stringify({ revents, took, signals })), 50)`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  t.is(child.status, 0, child.stderr)
  const { revents, took, signals } = JSON.parse(child.stdout)
  t.is(revents, 0)
  t.true(signals > 0)
  t.true(took >= 300 && took < 2000, `${took}`)
})

test('a blocking read is made again after a signal', (t) => {
  const script = `${SIGNALLER}
    sys.write(start, Buffer.from('go\\n'))
    console.log(sys.read(reader, Buffer.alloc(8)))`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  t.is(child.stdout, '3\n', child.stderr)
})

test('a file of more than 2 GiB can be opened, on 32-bit systems too', (t) => {
  const path = join(directory(t), 'large')
  writeFileSync(path, '')
  truncateSync(path, 3 * 2 ** 30) // a hole, which takes no room
  const [fd] = closing(t, sys.open(path, constants.O_RDONLY))
  t.is(sys.read(fd, new Uint8Array(8)), 8)
})

test('ioctl reads into a view and takes numbers', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  sys.write(writer, Buffer.from('12345'))
  const waiting = new Int32Array(2)
  t.is(sys.ioctl(reader, constants.FIONREAD, waiting), 0)
  t.deepEqual([...waiting], [5, 0])
  const off = Int32Array.of(0)
  sys.ioctl(reader, constants.FIONBIO, off)
  t.false(sys.isNonblocking(reader))
  const { master, slave } = sys.openpty({ cols: 7, rows: 9 })
  closing(t, master, slave)
  const size = new Uint16Array(4)
  sys.ioctl(slave, constants.TIOCGWINSZ, size)
  t.deepEqual([...size], [9, 7, 0, 0])
  t.is(sys.ioctl(slave, constants.TCFLSH, constants.TCIOFLUSH), 0)
})

test('ioctl never lets the kernel write past the view or to a number', (t) => {
  const { master, slave } = sys.openpty()
  closing(t, master, slave)
  const backing = new Uint8Array(16).fill(0xaa)
  sys.ioctl(slave, constants.TIOCGWINSZ, backing.subarray(0, 2))
  t.deepEqual([...backing.subarray(2)], Array(14).fill(0xaa), 'TIOCGWINSZ writes 8 bytes, the view has 2')
  t.throws(() => sys.ioctl(master, constants.TIOCGPTN, new Uint8Array(3)), { code: 'ERR_OUT_OF_RANGE' }, 'the request says 4')
  t.is(sys.ioctl(master, constants.TIOCGPTN, new Uint8Array(4)), 0)
  t.throws(() => sys.ioctl(slave, constants.TIOCGWINSZ, 4096), { code: 'EFAULT' })
  t.throws(() => sys.ioctl(slave, constants.TIOCGWINSZ, -1), { code: 'EFAULT' })
  // Where addresses have 32 bits these may be memory, and are not even tried.
  const code = ['arm', 'ia32'].includes(process.arch) ? 'ERANGE' : 'EFAULT'
  for (const number of [-4096, -(2 ** 20), -(2 ** 31)]) {
    t.throws(() => sys.ioctl(slave, constants.TIOCGWINSZ, number), { code }, String(number))
  }
  for (const wrong of [65536, 2 ** 40, -(2 ** 31) - 1, 0.5, Number.NaN]) {
    t.throws(() => sys.ioctl(slave, constants.TIOCGWINSZ, wrong), { code: 'ERR_OUT_OF_RANGE' })
  }
})

test('ioctl refuses wrong arguments', (t) => {
  const [reader] = closing(t, ...sys.pipe())
  for (const wrong of ['x', null, {}, 1n]) {
    t.throws(() => sys.ioctl(reader, constants.FIONREAD, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => sys.ioctl(reader, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.throws(() => sys.ioctl(reader, 2 ** 32), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => sys.ioctl(reader, constants.TIOCGWINSZ, new Uint16Array(4)), { code: 'ENOTTY' })
  t.throws(() => sys.ioctl(reader, constants.FIONREAD, new Uint8Array(new SharedArrayBuffer(4))), {
    code: 'ERR_INVALID_ARG_VALUE',
  })
})
