import { spawnSync } from 'node:child_process'
import * as sys from 'asyncfd/sys'
import { WouldBlock } from 'asyncfd/sys'
import { close, closing } from './helpers/sys.js'
import test from './helpers/test.js'

const { constants } = sys

interface Teardown {
  teardown(fn: () => void): void
}

function pty(t: Teardown, size?: { cols?: number; rows?: number }) {
  const pty = sys.openpty(size)
  closing(t, pty.master, pty.slave)
  return pty
}

/** The next `length` characters of what a terminal printed: the kernel may hand on its line end later than the line. */
function text(master: number, length: number): string {
  const buffer = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    sys.poll([{ fd: master, events: constants.POLLIN }])
    const count = sys.read(master, buffer.subarray(at))
    if (count !== WouldBlock) at += count
  }
  return buffer.toString('latin1')
}

test('a pseudo-terminal has the size asked for, a name, and two ends that talk', (t) => {
  const { master, slave, path } = pty(t, { cols: 120, rows: 40 })
  t.regex(path, /^\/dev\/pts\/\d+$/)
  t.deepEqual(sys.getWinsize(slave), { cols: 120, rows: 40, width: 0, height: 0 })
  t.is(sys.read(master, Buffer.alloc(8)), WouldBlock)
  sys.write(slave, Buffer.from('out\n'))
  t.is(text(master, 5), 'out\r\n')
  const child = spawnSync('stty', ['size'], { stdio: [slave, 'pipe', 'pipe'], encoding: 'utf8' })
  t.is(child.stdout.trim(), '40 120')
  t.deepEqual(sys.getWinsize(pty(t).master), { cols: 80, rows: 24, width: 0, height: 0 })
})

test('a master whose slave is closed says EIO', (t) => {
  const { master, slave } = pty(t)
  close(slave)
  t.throws(() => sys.read(master, Buffer.alloc(1)), { code: 'EIO' })
})

test('the size can be changed, and nonsense is refused', (t) => {
  const { master, slave } = pty(t)
  sys.setWinsize(master, { cols: 10, rows: 20, width: 30, height: 40 })
  t.deepEqual(sys.getWinsize(slave), { cols: 10, rows: 20, width: 30, height: 40 })
  for (const wrong of [null, undefined, 5, { cols: 1 }, { cols: '1', rows: 1 }]) {
    t.throws(() => sys.setWinsize(master, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const wrong of [
    { cols: -1, rows: 1 },
    { cols: 1, rows: 65536 },
    { cols: 1.5, rows: 1 },
  ]) {
    t.throws(() => sys.setWinsize(master, wrong), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => sys.openpty(wrong), { code: 'ERR_OUT_OF_RANGE' })
  }
  const [reader] = closing(t, ...sys.pipe())
  t.throws(() => sys.setWinsize(reader, { cols: 1, rows: 1 }), { code: 'ENOTTY' })
  t.throws(() => sys.getWinsize(reader), { code: 'ENOTTY' })
})

test('raw mode is that of cfmakeraw, and what was set is what is asked', (t) => {
  const { master, slave } = pty(t)
  const cooked = sys.tcgetattr(slave)
  t.not(cooked.lflag & constants.ICANON, 0)
  const raw = sys.makeRaw(cooked)
  t.not(cooked.lflag & constants.ICANON, 0, 'the original is left alone')
  t.is(raw.lflag & (constants.ICANON | constants.ECHO | constants.ISIG | constants.IEXTEN), 0)
  t.is(raw.oflag & constants.OPOST, 0)
  t.is(raw.cflag & constants.CSIZE, constants.CS8)
  t.deepEqual([raw.cc[constants.VMIN], raw.cc[constants.VTIME]], [1, 0])
  for (const when of ['now', 'drain', 'flush'] as const) {
    sys.tcsetattr(slave, cooked, when)
    sys.tcsetattr(slave, raw, when)
    t.deepEqual(sys.tcgetattr(slave), raw)
  }
  sys.write(slave, Buffer.from('a\n'))
  t.is(text(master, 2), 'a\n')
})

test('any speed can be set, and a named one is what other programs see', (t) => {
  const { slave } = pty(t)
  for (const [ispeed, ospeed] of [
    [9600, 9600],
    [115200, 115200],
    [250000, 250000],
    [1200, 31250],
  ] as const) {
    sys.tcsetattr(slave, { ...sys.tcgetattr(slave), ispeed, ospeed })
    const now = sys.tcgetattr(slave)
    t.deepEqual([now.ispeed, now.ospeed], [ispeed, ospeed])
  }
  sys.tcsetattr(slave, { ...sys.tcgetattr(slave), ispeed: 19200, ospeed: 19200 })
  t.is(spawnSync('stty', ['speed'], { stdio: [slave, 'pipe', 'pipe'], encoding: 'utf8' }).stdout.trim(), '19200')
})

test('attributes that are none throw before anything happened', (t) => {
  const { slave } = pty(t)
  const now = sys.tcgetattr(slave)
  for (const wrong of [null, undefined, 5, {}, { ...now, cc: [] }, { ...now, iflag: '1' }, { ...now, ispeed: null }]) {
    t.throws(() => sys.tcsetattr(slave, wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => sys.makeRaw(wrong as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const wrong of [
    { ...now, lflag: 2 ** 32 },
    { ...now, ospeed: -1 },
    { ...now, cc: new Uint8Array(0) },
  ]) {
    t.throws(() => sys.tcsetattr(slave, wrong), { code: 'ERR_OUT_OF_RANGE' })
  }
  t.throws(() => sys.tcsetattr(slave, now, 'soon' as never), { code: 'ERR_INVALID_ARG_VALUE' })
  t.deepEqual(sys.tcgetattr(slave), now)
  const [reader] = closing(t, ...sys.pipe())
  t.throws(() => sys.tcgetattr(reader), { code: 'ENOTTY' })
  t.throws(() => sys.tcsetattr(reader, now), { code: 'ENOTTY' })
})
