/**
 * Sends so many bytes over a connection of its own, as fast as they are taken.
 *
 *     node send.js PORT BYTES
 *
 * @module
 */
import { TcpStream } from 'asyncfd/net'

const [, , port, bytes] = process.argv
const piece = Buffer.alloc(1 << 20, 'x')
await using stream = await TcpStream.connect({ address: '127.0.0.1', port: Number(port) })
for (let left = Number(bytes); left > 0; left -= piece.length) await stream.writeAll(piece.subarray(0, left))
console.log(JSON.stringify({ bytes: Number(bytes) }))
