/**
 * `asyncfd/net`: sockets, as tokio's. Every stream is an `Async`: it reads and writes with its methods.
 *
 * @module
 */
export { type InetAddressInput, type Lookup, lookupHost } from './address.js'
export { TcpListener, type TcpListenOptions } from './tcp-listener.js'
export { type ShutdownHow, type TcpConnectOptions, TcpStream } from './tcp-stream.js'
