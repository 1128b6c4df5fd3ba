/**
 * onoff on the Epoll that the override put in the place of `epoll`. There is no GPIO here, so `fs` answers for /sys/class/gpio, and the
 * `value` of a pin is a TCP socket: the kernel tells urgent data on it as it tells an interrupt of a pin, by EPOLLPRI until it is read.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { reactor } from 'asyncfd'
import { Epoll } from 'asyncfd/compat'
import * as sys from 'asyncfd/sys'

const require = createRequire(import.meta.url)
assert.equal(require('epoll').Epoll, Epoll, 'the override is in place')

const { AF_INET, SOCK_STREAM, MSG_OOB, POLLIN } = sys.constants
const GPIO = '/sys/class/gpio/'
const byte = Buffer.from('!')

/** The pins that were exported, by number: what their files say, and the sockets of an open `value`. */
const pins = new Map()
/** The pin of an open `value`, by its descriptor. */
const values = new Map()
const real = { ...fs }

function fileOf(path) {
  const [, number, name] = /^gpio(\d+)\/(\w*)$/.exec(String(path).slice(GPIO.length)) ?? []
  return { pin: pins.get(Number(number)), name }
}
const isGpio = (path) => String(path).startsWith(GPIO)

function tcpPair() {
  const listener = sys.socket(AF_INET, SOCK_STREAM)
  sys.bind(listener, { address: '127.0.0.1', port: 0 })
  sys.listen(listener)
  const near = sys.socket(AF_INET, SOCK_STREAM)
  sys.connect(near, sys.localAddress(listener))
  sys.poll([{ fd: listener, events: POLLIN }])
  const far = sys.accept(listener)
  sys.close(listener)
  return { near, far }
}

Object.assign(fs, {
  existsSync: (path) => (isGpio(path) ? fileOf(path).pin !== undefined : real.existsSync(path)),
  writeFileSync(path, data, ...rest) {
    if (!isGpio(path)) return real.writeFileSync(path, data, ...rest)
    const { pin, name } = fileOf(path)
    if (pin !== undefined) pin[name] = String(data)
    else if (path === `${GPIO}export`) pins.set(Number(data), { direction: 'in', edge: 'none', active_low: '0', level: 0 })
    else if (path === `${GPIO}unexport`) pins.delete(Number(data))
    else throw new Error(`nobody expected ${path}`)
  },
  readFileSync: (path, ...rest) =>
    isGpio(path) ? Buffer.from(`${fileOf(path).pin[fileOf(path).name]}\n`) : real.readFileSync(path, ...rest),
  openSync(path, ...rest) {
    if (!isGpio(path)) return real.openSync(path, ...rest)
    const { pin, name } = fileOf(path)
    if (name !== 'value') return real.openSync('/dev/null', 'r+')
    pin.value = tcpPair()
    values.set(pin.value.near, pin)
    return pin.value.near
  },
  closeSync(fd) {
    const pin = values.get(fd)
    if (pin === undefined) return real.closeSync(fd)
    values.delete(fd)
    sys.close(pin.value.far)
    sys.close(fd)
  },
  readSync(fd, buffer, ...rest) {
    const pin = values.get(fd)
    if (pin === undefined) return real.readSync(fd, buffer, ...rest)
    const urgent = sys.poll([{ fd, events: sys.constants.POLLPRI }], 0)[0].revents & sys.constants.POLLPRI
    if (urgent) sys.recv(fd, Buffer.alloc(1), 0, 1, MSG_OOB)
    return buffer.write(String(pin.level))
  },
})
const { Gpio } = require('onoff')

/** The pin changes, and interrupts if it was told to. */
function change(number, level) {
  const pin = pins.get(number)
  if (pin.level === level) return
  pin.level = level
  if (pin.edge === 'both' || pin.edge === (level === 1 ? 'rising' : 'falling')) sys.send(pin.value.far, byte, 0, 1, MSG_OOB)
}

const turns = async (count) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}
/** Some interrupt has come, and whatever came before it. */
const watched = (gpio) => new Promise((resolve) => gpio.watch((error, value) => resolve({ error, value })))

// Every change is told, with its value.
const button = new Gpio(17, 'in', 'both')
assert.equal(button.readSync(), 0)
assert.equal(reactor.metrics().registered, 0, 'nothing is watched before watch()')
const seen = []
let heard = () => {}
button.watch((error, value) => {
  assert.equal(error, null)
  seen.push(value)
  heard()
})
await turns(5)
assert.deepEqual(seen, [], 'no interrupt, no call')
for (let round = 1; round <= 1000; round++) {
  const told = new Promise((resolve) => {
    heard = resolve
  })
  change(17, round % 2)
  await told
}
await turns(5)
assert.deepEqual(
  seen,
  Array.from({ length: 1000 }, (_, i) => (i + 1) % 2),
)
console.log('both edges: 1000 interrupts, 1000 calls')

// Only the edge that was asked for; several pins at once; a second listener.
const rising = new Gpio(18, 'in', 'rising')
const values18 = []
rising.watch((_, value) => values18.push(value))
const second = watched(rising)
change(18, 1)
assert.deepEqual(await second, { error: null, value: 1 })
change(18, 0)
change(17, 1)
await turns(5)
assert.deepEqual(values18, [1])
assert.equal(seen.length, 1001)
assert.equal(reactor.metrics().registered, 2)
console.log('rising only, two pins, two listeners')

// A burst is one call when debounced.
const bouncing = new Gpio(19, 'in', 'both', { debounceTimeout: 10 })
let calls = 0
const settled = new Promise((resolve) => {
  bouncing.watch((_, value) => {
    calls++
    resolve(value)
  })
})
for (const level of [1, 0, 1, 0, 1]) {
  change(19, level)
  await turns(1)
}
assert.equal(await settled, 1)
await new Promise((resolve) => setTimeout(resolve, 50))
assert.equal(calls, 1)
console.log('debounced: one call')

// Not watched any more: no call, and nothing holds the process.
rising.unwatchAll()
change(18, 1)
await turns(5)
assert.deepEqual(values18, [1])
button.unexport()
rising.unexport()
bouncing.unexport()
assert.deepEqual([...pins.keys(), ...values.keys()], [])
assert.equal(reactor.metrics().registered, 0)
console.log('unexported: the process ends by itself')
