/**
 * What the fuzzer found in asyncfd/sys: whatever is passed, the error is a typed one.
 *
 * Portable: bun, deno
 */
import * as sys from 'asyncfd/sys'
import test from './helpers/test.js'

const ARG_TYPE = { code: 'ERR_INVALID_ARG_TYPE' }
const hostile = {
  valueOf() {
    throw new Error('valueOf was called')
  },
  toString() {
    throw new Error('toString was called')
  },
}

test('a descriptor that is no number is refused before anything of it is called', (t) => {
  for (const fd of [Symbol('fd'), 1n, hostile, '1', null, undefined, {}, Object.create(null)]) {
    t.throws(() => sys.isNonblocking(fd as never), ARG_TYPE)
    t.throws(() => sys.isNonblocking({ fd } as never), ARG_TYPE)
  }
})

test('setNonblocking with something only like a boolean does not make the descriptor blocking', (t) => {
  const [reader, writer] = sys.pipe()
  for (const on of [1, 'true', null, {}]) t.throws(() => sys.setNonblocking(reader, on as never), ARG_TYPE)
  t.true(sys.isNonblocking(reader))
  sys.close(reader)
  sys.close(writer)
})

test('options that are no object are refused by name', (t) => {
  const [reader, writer] = sys.pipe()
  for (const options of [null, 1, 'x', true]) {
    t.throws(() => sys.recvMsg(reader, [], options as never), ARG_TYPE)
    t.throws(() => sys.sendMsg(reader, [], options as never), ARG_TYPE)
    t.throws(() => sys.openpty(options as never), ARG_TYPE)
    if (process.platform !== 'linux') continue
    t.throws(() => sys.eventfd(0, options as never), ARG_TYPE)
    t.throws(() => sys.parseInotify(new Uint8Array(0), options as never), ARG_TYPE)
    t.throws(() => sys.timerfd(hostile as never), { code: 'ERR_INVALID_ARG_VALUE' })
  }
  sys.close(reader)
  sys.close(writer)
})

test('what only inherits from Uint8Array, or is a proxy of one, is none', (t) => {
  const socket = sys.socket(sys.constants.AF_UNIX, sys.constants.SOCK_STREAM)
  for (const fake of [Object.create(Uint8Array.prototype), new Proxy(new Uint8Array(8), {})]) {
    t.throws(() => sys.open(fake), ARG_TYPE)
    t.throws(() => sys.connect(socket, fake), ARG_TYPE)
    t.throws(() => sys.makeRaw({ iflag: 0, oflag: 0, cflag: 0, lflag: 0, ispeed: 0, ospeed: 0, cc: fake }), ARG_TYPE)
    t.throws(() => sys.read(socket, fake), ARG_TYPE)
  }
  sys.close(socket)
})

test('a view that lies outside of its shrunk memory does not read as the end of the file', (t) => {
  const [reader, writer] = sys.pipe()
  const socket = sys.socket(sys.constants.AF_UNIX, sys.constants.SOCK_STREAM)
  const memory = new (
    ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(length: number): void }
  )(16, {
    maxByteLength: 16,
  })
  const views = [new Uint8Array(memory, 8, 8), new BigInt64Array(memory, 8, 1), new DataView(memory, 8, 8)]
  memory.resize(4)
  for (const view of views) {
    t.throws(() => sys.read(reader, view), { code: 'ERR_INVALID_STATE' })
    t.throws(() => sys.write(writer, view), { code: 'ERR_INVALID_STATE' })
    t.throws(() => sys.readv(reader, [view]), { code: 'ERR_INVALID_STATE' })
  }
  t.throws(() => sys.open(views[0] as Uint8Array), { code: 'ERR_INVALID_STATE' })
  t.throws(() => sys.connect(socket, views[0] as Uint8Array), { code: 'ERR_INVALID_STATE' })
  for (const fd of [reader, writer, socket]) sys.close(fd)
})
