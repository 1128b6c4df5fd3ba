/**
 * `asyncfd/sys`: non-blocking system calls on raw descriptors.
 *
 * Every function takes a descriptor as a number or as an object with an `fd`. Whatever creates a descriptor makes it non-blocking and
 * close-on-exec, and hands it over: who called closes it. EINTR is retried; "not ready yet" is the value `WouldBlock`; any other failure
 * throws an {@link AsyncFdError} with `code`, `errno` and `syscall`; bad arguments throw Node's `ERR_*` codes before anything happened.
 *
 * @module asyncfd/sys
 */
export { AsyncFdError } from '../errors.js'
export { WouldBlock } from '../would-block.js'
export type { InetAddress, SocketAddress, SocketAddressInput, UnixAddress } from './address.js'
export { read, recv, send, write } from './bytes.js'
export { type Constants, constants } from './constants.js'
export { type Datagram, type DatagramInput, recvMany, sendMany } from './datagrams.js'
export { close, dup, isNonblocking, pipe, setNonblocking } from './descriptor.js'
export type { FdSource } from './fd-source.js'
export { mkfifo, open } from './file.js'
export { type InotifyEvent, inotify, inotifyAddWatch, inotifyRemoveWatch, parseInotify } from './inotify.js'
export { ioctl } from './ioctl.js'
export { eventfd, pidfdOpen, pidfdSendSignal, setTimerfd, type TimerfdClock, type TimerfdSetting, timerfd } from './linux.js'
export {
  type ControlMessage,
  type ReceivedMessage,
  type RecvMsgOptions,
  recvMsg,
  type SendMsgOptions,
  sendMsg,
} from './message.js'
export { getSocketOption, setSocketOption } from './option.js'
export { OwnedFd } from './owned-fd.js'
export type { PathLike } from './path.js'
export { type PollRequest, type PollResult, poll } from './poll.js'
export {
  accept,
  acceptFrom,
  bind,
  connect,
  listen,
  localAddress,
  recvFrom,
  remoteAddress,
  sendTo,
  shutdown,
  socket,
  socketpair,
} from './socket.js'
export { getWinsize, makeRaw, openpty, setWinsize, type Termios, tcgetattr, tcsetattr, type Winsize } from './tty.js'
export { readv, writev } from './vectored.js'
