/**
 * The kernel's own limit on what was sent and not acknowledged.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { ErrorCode, stateError } from '../errors.js'
import { constants } from '../sys/constants.js'
import { setSocketOption } from '../sys/option.js'
import { integer } from '../sys/result.js'
import { checkSocket } from './guard.js'
import { fdOf } from './traffic.js'

/**
 * Sets TCP_USER_TIMEOUT (tcp(7)): how long what was sent may stay unacknowledged before the kernel ends the connection with ETIMEDOUT. It
 * finds a peer that vanished, where retransmission goes on for 15 minutes. 0 is the kernel's default. A socket that connects gets it then.
 *
 * @param ms whole milliseconds
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_STATE`; ENOPROTOOPT or EOPNOTSUPP for Unix sockets;
 * `ERR_ASYNCFD_UNSUPPORTED` where there is no such option, or the runtime does not show the descriptor
 * @example
 * setUserTimeout(socket, 20_000)
 */
export function setUserTimeout(socket: Socket, ms: number): void {
  checkSocket(socket)
  integer('ms', ms, 0, 0x7fffffff)
  const option = constants.TCP_USER_TIMEOUT
  const set = () => {
    const fd = fdOf(socket)
    if (fd < 0)
      throw stateError(ErrorCode.UNSUPPORTED, 'this runtime does not show the descriptor of a net.Socket; use asyncfd/net')
    setSocketOption(fd, constants.IPPROTO_TCP, option, ms)
  }
  if (!socket.pending) {
    set()
    return
  }
  socket.once('connect', () => {
    try {
      set()
    } catch (error) {
      socket.destroy(error as Error)
    }
  })
}
