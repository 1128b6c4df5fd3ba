/**
 * Ending one direction of a connection.
 *
 * @module
 */
import { invalidArgValue } from '../errors.js'
import { constants } from '../sys/constants.js'

/**
 * Which direction of a connection to end.
 *
 * @example
 * const [ours, theirs] = UnixStream.pair()
 * const how: ShutdownHow = 'write'
 * ours.shutdown(how)
 * console.log(await theirs.read(buffer)) // 0: no more comes
 */
export type ShutdownHow = 'read' | 'write' | 'both'

const HOW = { read: 'SHUT_RD', write: 'SHUT_WR', both: 'SHUT_RDWR' } as const

/** As shutdown(2) has it. @throws `ERR_INVALID_ARG_VALUE` */
export function directionOf(how: ShutdownHow): number {
  if (typeof how !== 'string' || !Object.hasOwn(HOW, how))
    throw invalidArgValue('how', "must be one of: 'read', 'write', 'both'", how)
  return constants[HOW[how]]
}
