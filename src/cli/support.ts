/**
 * What a system may have or lack: each is tried for a moment.
 *
 * @module
 */
import * as sys from '../sys/index.js'

const held = (fd: number): void => sys.close(fd)

/** A socket of this kind, with `use` made of it. */
function withSocket(family: number, type: number, use: (fd: number) => void = () => {}): void {
  using socket = new sys.OwnedFd(sys.socket(family, type))
  use(socket.fd)
}

const { constants } = sys

/** By name, what throws where it is not supported. */
export const FEATURES: Record<string, () => void> = {
  'pipes, FIFOs': () => {
    for (const fd of sys.pipe()) sys.close(fd)
  },
  'PTYs, serial lines': () => {
    const { master, slave } = sys.openpty({ cols: 80, rows: 24 })
    sys.close(master)
    sys.close(slave)
  },
  eventfd: () => held(sys.eventfd()),
  timerfd: () => held(sys.timerfd()),
  inotify: () => held(sys.inotify()),
  pidfd: () => held(sys.pidfdOpen(process.pid)),
  IPv6: () => withSocket(constants.AF_INET6, constants.SOCK_STREAM),
  'Unix seqpacket': () => withSocket(constants.AF_UNIX, constants.SOCK_SEQPACKET),
  'abstract socket names': () =>
    withSocket(constants.AF_UNIX, constants.SOCK_STREAM, (fd) => sys.bind(fd, { path: `\0asyncfd-doctor-${process.pid}` })),
  SO_REUSEPORT: () =>
    withSocket(constants.AF_INET, constants.SOCK_STREAM, (fd) =>
      sys.setSocketOption(fd, constants.SOL_SOCKET, constants.SO_REUSEPORT, 1),
    ),
  TCP_USER_TIMEOUT: () =>
    withSocket(constants.AF_INET, constants.SOCK_STREAM, (fd) =>
      sys.setSocketOption(fd, constants.IPPROTO_TCP, constants.TCP_USER_TIMEOUT, 1000),
    ),
}
