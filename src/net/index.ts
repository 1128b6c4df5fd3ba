/**
 * `asyncfd/net`: sockets, as tokio's. Every stream is an `Async`: it reads and writes with its methods.
 *
 * @module asyncfd/net
 */
export { type InetAddressInput, type Lookup, lookupHost } from './address.js'
export type { ShutdownHow } from './shutdown.js'
export type { ReadHalf, WriteHalf } from './split.js'
export { TcpListener, type TcpListenOptions } from './tcp-listener.js'
export { type TcpConnectOptions, TcpStream } from './tcp-stream.js'
export {
  type UdpBindOptions,
  type UdpDatagram,
  type UdpDatagramInput,
  type UdpReceived,
  type UdpRecvManyOptions,
  UdpSocket,
} from './udp-socket.js'
export type { UnixPath } from './unix-address.js'
export { UnixDatagram, type UnixReceived } from './unix-datagram.js'
export { UnixListener } from './unix-listener.js'
export type { PeerCredentials, ReceivedFds, RecvFdsOptions } from './unix-passing.js'
export { UnixSeqpacket, UnixSeqpacketListener } from './unix-seqpacket.js'
export type { UnixBindOptions, UnixListenOptions } from './unix-socket.js'
export { UnixStream } from './unix-stream.js'
