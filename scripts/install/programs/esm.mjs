// A program of a user: every subpath loads, and a descriptor is waited for. In any runtime and any bundle.
import assert from 'node:assert/strict'
import { Async, AsyncFd, Interest } from 'asyncfd'
import * as compat from 'asyncfd/compat'
import * as net from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import * as time from 'asyncfd/time'
import * as timeouts from 'asyncfd/timeouts'
import * as timers from 'asyncfd/timers'

for (const module of [compat, net, sys, time, timeouts, timers]) assert(Object.keys(module).length > 1)
const [reader, writer] = sys.pipe()
const fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
const reading = fd.asyncIo(Interest.READABLE, (inner) => sys.read(inner, Buffer.alloc(8)))
await time.sleep(1)
sys.write(writer, Buffer.from('hello'))
assert.equal(await reading, 5)
fd.close()
await new Async(writer, { owned: true }).close()
const listener = await net.TcpListener.bind({ host: '127.0.0.1', port: 0 })
listener.close()
console.log('works')
