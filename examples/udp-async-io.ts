/** UDP with asyncIo: wait, call, and again while the call would have blocked. */
import { createSocket } from 'node:dgram'
import { AsyncFd, Interest } from 'asyncfd'
import * as sys from 'asyncfd/sys'

// A peer of Node's that sends each datagram back.
const peer = createSocket('udp4', (message, from) => peer.send(message, from.port, from.address))
await new Promise<void>((resolve) => peer.bind(0, '127.0.0.1', resolve))

using socket = new AsyncFd(sys.socket(sys.constants.AF_INET, sys.constants.SOCK_DGRAM), { owned: true })
sys.connect(socket, { address: '127.0.0.1', port: peer.address().port })

const buffer = Buffer.alloc(2048)
let wrong = 0
for (const text of ['one', 'two', 'three']) {
  const sent = await socket.asyncIo(Interest.WRITABLE, (fd) => sys.send(fd, Buffer.from(text)))
  const count = await socket.asyncIo(Interest.READABLE, (fd) => sys.recv(fd, buffer), { timeout: 5000 })
  const reply = buffer.toString('utf8', 0, count)
  console.log(`sent ${sent} bytes, got "${reply}"`)
  if (reply !== text) wrong++
}
peer.close()
if (wrong > 0) process.exitCode = 1
