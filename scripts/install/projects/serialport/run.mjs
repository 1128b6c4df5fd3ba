/** serialport on one end of a pseudo-terminal, waiting by our Poller, which the override put into its binding. The other end is ours. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { isMainThread, Worker } from 'node:worker_threads'
import { Async, reactor } from 'asyncfd'
import { Poller } from 'asyncfd/compat'
import * as sys from 'asyncfd/sys'
import { ReadlineParser, SerialPort } from 'serialport'

const { master, slave, path } = sys.openpty()
const device = new Async(master, { owned: true })
const within = { timeout: 10_000 }

async function opened(options = {}) {
  const port = new SerialPort({ path, baudRate: 115_200, ...options })
  await once(port, 'open')
  assert.ok(port.port.poller instanceof Poller, 'the override is in place')
  return port
}
const ended = (port) => new Promise((resolve) => port.close(resolve))
/** It has read all there was, and waits. */
async function waiting(port) {
  while (port.port.poller.listenerCount('readable') === 0) await new Promise(setImmediate)
}

{
  const port = await opened()
  const lines = port.pipe(new ReadlineParser({ delimiter: '\n' }))
  for (let round = 0; round < 100; round++) {
    const line = once(lines, 'data')
    await device.writeAll(Buffer.from(`reading ${round}\n`), within)
    assert.deepEqual(await line, [`reading ${round}`])
  }
  console.log('reads: 100 lines')

  const sent = Buffer.alloc(300_000, 'write ')
  const done = new Promise((resolve, reject) => port.write(sent, (error) => (error ? reject(error) : resolve())))
  const received = Buffer.alloc(sent.length)
  for (let at = 0; at < sent.length; ) at += await device.read(received.subarray(at), within)
  await done
  assert.ok(received.equals(sent))
  console.log(`writes: ${sent.length} bytes, with more than the kernel takes at once`)

  await waiting(port)
  assert.equal(await ended(port), null, 'closes while it waits')
  assert.match((await ended(port)).message, /not open/)
  console.log('closes while it waits; a second close is an error')
}

for (let round = 0; round < 20; round++) {
  const port = await opened()
  port.resume()
  if (round % 2 === 0) await waiting(port)
  assert.equal(await ended(port), null)
}
assert.equal(reactor.metrics().refs, 0)
console.log('opens and closes: 20 times')

{
  // A write that waits for room ends with an error when the port is closed.
  const port = await opened()
  const failed = once(port, 'error')
  port.write(Buffer.alloc(300_000))
  while (port.port.poller.listenerCount('writable') === 0) await new Promise(setImmediate)
  assert.equal(await ended(port), null)
  assert.equal((await failed)[0].canceled, true)
  await device.read(Buffer.alloc(300_000), within)
  console.log('closes while a write waits')
}

{
  const port = await opened()
  port.resume()
  await waiting(port)
  const closed = once(port, 'close')
  sys.close(slave)
  await device.close()
  const [error] = await closed
  assert.equal(error.disconnected, true)
  assert.equal(port.isOpen, false)
  console.log('disconnected: the port closes with an error')
}
assert.equal(reactor.metrics().registered, 0)

if (isMainThread) {
  // The binding's own poller knows the main thread only.
  const [code] = await once(new Worker(new URL(import.meta.url), { stdout: true }), 'exit')
  assert.equal(code, 0)
  console.log('and all of it once more in a worker')
}
