// Type-checked as a user's program, with the libraries checked too; then run.
import { Async, AsyncFd, AsyncFdError, Interest, TimeoutError } from 'asyncfd'
import { TcpListener, TcpStream } from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
import { interval, sleep } from 'asyncfd/time'
import { connect, withTimeouts } from 'asyncfd/timeouts'
import { setTimeout as set } from 'asyncfd/timers'

const [reader, writer]: [number, number] = sys.pipe()
const fd: AsyncFd<number> = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
sys.write(writer, new Uint8Array(5))
const count: number = await fd.asyncIo(Interest.READABLE, (inner) => sys.read(inner, Buffer.alloc(8)), { timeout: 1000 })
fd.close()
new Async(writer, { owned: true }).close()
const listener: TcpListener = await TcpListener.bind({ host: '127.0.0.1', port: 0 })
const stream: TcpStream = await TcpStream.connect(listener.localAddress)
stream.close()
listener.close()
await sleep(1)
set(() => {}, 1).unref()
const later: [typeof interval, typeof connect, typeof withTimeouts] = [interval, connect, withTimeouts]
const errors: (new (...args: never) => Error)[] = [AsyncFdError, TimeoutError]
console.log(count === 5 && later.length + errors.length === 5 ? 'works' : 'does not work')
