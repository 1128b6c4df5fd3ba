/**
 * Sockets of whole messages: datagrams and sequenced packets. Several operations may be pending, as messages do not mix.
 *
 * @module
 */
import { invalidArgType } from '../errors.js'
import { Interest } from '../interest.js'
import type { Port } from '../io/port.js'
import type { SocketAddress } from '../sys/address.js'
import { byteLengthOf, recv, send } from '../sys/bytes.js'
import { recvFrom } from '../sys/socket.js'
import { checkWaitOptions, type WaitOptions } from '../wait.js'
import { checkConnected } from './connect.js'

/** Bad input throws at the call, before anything has happened. @returns how long the buffer is */
export function checkTransfer(buffer: ArrayBufferView, options: WaitOptions | undefined): number {
  const length = byteLengthOf('buffer', buffer)
  if (options !== undefined) checkWaitOptions(options)
  return length
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value)
  return value
}

/** Checks options that are true, false or not given. */
export function checkBooleans<N extends string>(options: { readonly [name in N]?: unknown }, names: readonly N[]): void {
  for (const name of names) if (options[name] !== undefined) checkBoolean(`options.${name}`, options[name])
}

export function sendMessage(port: Port<number>, buffer: ArrayBufferView, options: WaitOptions | undefined): Promise<number> {
  const check = () => void checkTransfer(buffer, options)
  return port.call(Interest.WRITABLE, (fd) => send(fd, buffer), check, options)
}

export function recvMessage(port: Port<number>, buffer: ArrayBufferView, options: WaitOptions | undefined): Promise<number> {
  const check = () => void checkTransfer(buffer, options)
  return port.call(Interest.READABLE, (fd) => recv(fd, buffer), check, options)
}

export function recvMessageFrom(
  port: Port<number>,
  buffer: ArrayBufferView,
  options: WaitOptions | undefined,
  flags = 0,
): Promise<{ bytes: number; address: SocketAddress | undefined }> {
  const check = () => void checkTransfer(buffer, options)
  return port.call(Interest.READABLE, (fd) => recvFrom(fd, buffer, 0, undefined, flags), check, options)
}

/** The error that the kernel keeps for a socket, and forgets by being asked; null if there is none. */
export function takeError(fd: number): Error | null {
  try {
    checkConnected(fd)
    return null
  } catch (error) {
    return error as Error
  }
}
