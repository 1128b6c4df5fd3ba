import { spawnSync } from 'node:child_process'
import { open as openFile } from 'node:fs/promises'
import * as sys from 'asyncfd/sys'
import { WouldBlock } from 'asyncfd/sys'
import { native } from './helpers/inside.js'
import { close, closing, NOT_OPEN, streams } from './helpers/sys.js'
import test from './helpers/test.js'

const transfers = [
  ['read', (fd: sys.FdSource, ...rest: [ArrayBufferView, number?, number?]) => sys.read(fd, ...rest)],
  ['write', (fd: sys.FdSource, ...rest: [ArrayBufferView, number?, number?]) => sys.write(fd, ...rest)],
  ['recv', (fd: sys.FdSource, ...rest: [ArrayBufferView, number?, number?]) => sys.recv(fd, ...rest)],
  ['send', (fd: sys.FdSource, ...rest: [ArrayBufferView, number?, number?]) => sys.send(fd, ...rest)],
  ['recvFrom', (fd: sys.FdSource, ...rest: [ArrayBufferView, number?, number?]) => sys.recvFrom(fd, ...rest)],
  [
    'sendTo',
    (fd: sys.FdSource, view: ArrayBufferView, ...rest: [number?, number?]) => sys.sendTo(fd, view, { path: '/none' }, ...rest),
  ],
] as const

/** Does not exist in the types of every Node. */
function detach(buffer: ArrayBuffer): void {
  structuredClone(buffer, { transfer: [buffer] })
}

test('read and write move bytes through a pipe, and an empty or full one is WouldBlock, not an error', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  const buffer = Buffer.alloc(16)
  t.is(sys.read(reader, buffer), WouldBlock)
  t.is(sys.write(writer, Buffer.from('hello')), 5)
  t.is(sys.read(reader, buffer), 5)
  t.is(buffer.toString('latin1', 0, 5), 'hello')
  const chunk = Buffer.alloc(65536)
  let written = 0
  for (let count; (count = sys.write(writer, chunk)) !== WouldBlock; ) written += count
  t.true(written >= 65536)
  close(writer)
  for (let count; (count = sys.read(reader, chunk)) !== 0; ) written -= count as number
  t.is(written, 0, 'nothing was lost, and the end of the file is 0')
})

test('offset and length count bytes, in any kind of view, and leave the rest of it alone', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  t.is(sys.write(writer, Buffer.from('abcdefgh'), 2, 4), 4)
  const words = new Uint16Array(8)
  t.is(sys.read(reader, words, 3, 4), 4)
  t.is(Buffer.from(words.buffer).toString('latin1'), `\0\0\0cdef${'\0'.repeat(9)}`)
  t.is(sys.write(writer, new DataView(Buffer.from('12345').buffer, 0, 0)), 0)
  sys.write(writer, Buffer.from('xyz'), 1)
  const backing = new ArrayBuffer(32)
  const view = new DataView(backing, 8, 8)
  t.is(sys.read(reader, view, 7), 1)
  t.is(new Uint8Array(backing)[15], 'y'.charCodeAt(0), 'no byte past the end of the view')
  t.is(new Uint8Array(backing)[16], 0)
  t.is(sys.read(reader, view, 8), 0, 'an empty rest is no error')
})

test('recv and send do the same on sockets, with flags', (t) => {
  const [a, b] = streams(t)
  const buffer = Buffer.alloc(8)
  t.is(sys.recv(a, buffer), WouldBlock)
  t.is(sys.send(b, Buffer.from('ping')), 4)
  t.is(sys.recv(a, buffer, 0, 8, sys.constants.MSG_PEEK), 4)
  t.is(sys.recv(a, buffer, 4, 4), 4, 'peeked bytes are still there')
  t.is(buffer.toString('latin1'), 'pingping')
})

test('a range that does not lie inside the buffer throws before anything happened', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  sys.write(writer, Buffer.from('kept'))
  const buffer = Buffer.alloc(8)
  const ranges = [
    [-1],
    [9],
    [0.5],
    [Number.NaN],
    [0, 9],
    [8, 1],
    [0, -1],
    [0, 1.5],
    [0, Number.NaN],
    [Number.POSITIVE_INFINITY],
    [0, Number.POSITIVE_INFINITY],
    [2 ** 53, 2 ** 53],
    [-4, 4],
  ]
  for (const range of ranges) {
    for (const [name, transfer] of transfers) {
      t.throws(() => transfer(reader, buffer, ...range), { code: 'ERR_OUT_OF_RANGE' }, `${name} ${range}`)
    }
  }
  for (const wrong of ['0', null, {}, 1n]) {
    t.throws(() => sys.read(reader, buffer, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => sys.read(reader, buffer, 0, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.is(sys.read(reader, buffer), 4)
})

test('what is no view is refused, in particular an ArrayBuffer and a string', (t) => {
  const [reader] = closing(t, ...sys.pipe())
  for (const wrong of [new ArrayBuffer(8), 'text', null, undefined, 5, {}, [1, 2], () => 0]) {
    for (const [name, transfer] of transfers) {
      t.throws(() => transfer(reader, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' }, name)
    }
  }
})

test('shared memory is refused, because another thread could change it under the system call', (t) => {
  const [reader] = closing(t, ...sys.pipe())
  for (const [name, transfer] of transfers) {
    const error = t.throws(() => transfer(reader, new Uint8Array(new SharedArrayBuffer(8))), { code: 'ERR_INVALID_ARG_VALUE' })
    t.regex(error.message, /copy/, name)
  }
})

test('a detached buffer is named as such instead of reading nothing for ever', (t) => {
  const [reader] = closing(t, ...sys.pipe())
  for (const [name, transfer] of transfers) {
    for (const make of [(b: ArrayBuffer) => new Uint8Array(b), (b: ArrayBuffer) => new DataView(b)]) {
      const buffer = new ArrayBuffer(8)
      const view = make(buffer)
      detach(buffer)
      const error = t.throws(() => transfer(reader, view), { code: 'ERR_INVALID_STATE' })
      t.regex(error.message, /detached/, name)
    }
  }
})

test('a resizable buffer is read into by its current length', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  const buffer = Reflect.construct(ArrayBuffer, [16, { maxByteLength: 32 }]) as ArrayBuffer & { resize(size: number): void }
  const view = new Uint8Array(buffer)
  buffer.resize(4)
  sys.write(writer, Buffer.from('abcdefgh'))
  t.is(sys.read(reader, view), 4)
  t.throws(() => sys.read(reader, view, 0, 5), { code: 'ERR_OUT_OF_RANGE' })
  buffer.resize(32)
  t.is(sys.read(reader, view, 4), 4)
  t.is(Buffer.from(buffer).toString('latin1', 0, 8), 'abcdefgh')
  const fixed = new Uint8Array(buffer, 8, 8)
  buffer.resize(10)
  t.throws(
    () => sys.read(reader, fixed, 0, 1),
    { code: 'ERR_INVALID_STATE', message: /shrunk/ },
    'a view past the end has no bytes',
  )
})

test('whatever is no descriptor throws at the call', (t) => {
  const buffer = Buffer.alloc(1)
  for (const wrong of [Number.NaN, 1.5, '3', null, undefined, {}, { fd: '3' }, { fd: null }, true, 3n, Symbol('fd')]) {
    t.throws(() => sys.read(wrong as never, buffer), { code: 'ERR_INVALID_ARG_TYPE' }, String(typeof wrong))
  }
  for (const wrong of [-1, 2 ** 31, -(2 ** 31), 2 ** 53, { fd: -2 }, { fd: 2 ** 31 }]) {
    t.throws(() => sys.read(wrong, buffer), { code: 'ERR_OUT_OF_RANGE' })
  }
})

test('a closed FileHandle is said to be closed', async (t) => {
  const handle = await openFile('/dev/null')
  t.is(sys.read(handle, Buffer.alloc(1)), 0)
  await handle.close()
  const error = t.throws(() => sys.read(handle, Buffer.alloc(1)), { code: 'ERR_INVALID_STATE' })
  t.regex(error.message, /closed/)
})

test('a failed call carries code, errno, syscall and fd', (t) => {
  for (const [name, transfer] of transfers) {
    const error = t.throws(() => transfer(NOT_OPEN, Buffer.alloc(1)), { code: 'EBADF', instanceOf: sys.AsyncFdError })
    t.is((error as sys.AsyncFdError).errno, -9)
    t.is((error as sys.AsyncFdError).syscall, name.toLowerCase())
    t.is((error as sys.AsyncFdError).fd, NOT_OPEN)
  }
})

test('writing where nobody reads is EPIPE, and no signal ends the process', (t) => {
  const script = `
    import * as sys from 'asyncfd/sys'
    const codes = []
    const text = Buffer.from('x')
    const attempt = (fn) => { try { fn() } catch (error) { codes.push(error.code) } }
    const [reader, writer] = sys.pipe()
    sys.close(reader)
    attempt(() => sys.write(writer, text))
    process.on('SIGPIPE', () => process.exit(99)) // from here on Node does not ignore the signal
    const [a, b] = sys.socketpair(sys.constants.AF_UNIX, sys.constants.SOCK_STREAM)
    sys.close(b)
    attempt(() => sys.send(a, text))
    attempt(() => sys.sendMsg(a, [text]))
    attempt(() => sys.sendTo(a, text, { path: '/none' }))
    setTimeout(() => console.log(codes.join()), 50)`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  t.is(child.signal, null)
  t.is(child.status, 0, child.stderr)
  t.regex(child.stdout.trim(), /^EPIPE,EPIPE,EPIPE,(EPIPE|EISCONN)$/)
})

test('readv and writev use several buffers in order, and refuse what is no array of views', (t) => {
  const [reader, writer] = closing(t, ...sys.pipe())
  const [a, b] = [Buffer.alloc(3), new DataView(new ArrayBuffer(4))]
  t.is(sys.readv(reader, [a, b]), WouldBlock)
  t.is(sys.writev(writer, [Buffer.from('ab'), new Uint8Array(0), Buffer.from('cdefgh')]), 8)
  t.is(sys.readv(reader, [a, b]), 7)
  t.is(a.toString() + Buffer.from(b.buffer).toString(), 'abcdefg')
  for (const wrong of [a, null, undefined, {}, 'text']) {
    t.throws(() => sys.readv(reader, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => sys.writev(writer, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  const error = t.throws(() => sys.writev(writer, [a, 'x' as never]), { code: 'ERR_INVALID_ARG_TYPE' })
  t.regex(error.message, /buffers\[1\]/)
  t.throws(() => sys.readv(reader, Array(1025).fill(a)), { code: 'ERR_OUT_OF_RANGE' })
  t.is(sys.writev(writer, Array(1024).fill(new Uint8Array(1))), 1024)
  t.throws(() => sys.readv(reader, [new Uint8Array(new SharedArrayBuffer(1))]), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('the native functions survive arguments that no TypeScript let through', (t) => {
  const binding = native() as unknown as Record<string, (...args: unknown[]) => unknown>
  const [reader, writer] = closing(t, ...sys.pipe())
  sys.write(writer, Buffer.from('kept'))
  const detached = new Uint8Array(8)
  detach(detached.buffer)
  const junk = [undefined, null, 'x', Number.NaN, -1, 1.5, 2 ** 31, 2 ** 40, {}, [], Symbol('s'), 1n, detached, new Uint8Array(0)]
  for (const hot of ['sysRead', 'sysRecv']) {
    const call = (...args: unknown[]) => binding[hot]!(...args) as number
    for (const wrong of junk) {
      t.true(call(reader, wrong, 0, 1, 0) < 0)
      t.true(call(wrong, Buffer.alloc(4), 8, 1, 0) < 0)
      t.true(call(reader, Buffer.alloc(4), 4, wrong, 0) <= 0)
    }
    t.is(call(), -22)
    t.is(call(reader, Buffer.alloc(4), 1, 4, 0), -34)
    t.is(call(reader, Buffer.alloc(4), Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0), -34)
  }
  t.is(sys.read(reader, Buffer.alloc(8)), 4)
})

test('a getter in an array of buffers that detaches an earlier one cannot make the kernel write to freed memory', (t) => {
  const { sysReadv } = native() as unknown as { sysReadv(fd: number, views: unknown): number }
  const [reader, writer] = closing(t, ...sys.pipe())
  sys.write(writer, Buffer.from('12345678'))
  const first = new Uint8Array(1 << 20)
  const views: unknown[] = [first]
  Object.defineProperty(views, 1, {
    get() {
      detach(first.buffer)
      return new Uint8Array(4)
    },
  })
  t.is(sysReadv(reader, views), 4, 'the detached one has no room any more')
  const throwing = Object.defineProperty([new Uint8Array(4)], 1, {
    get() {
      throw new RangeError('mine')
    },
  })
  t.throws(() => sysReadv(reader, throwing), { message: 'mine' })
})
