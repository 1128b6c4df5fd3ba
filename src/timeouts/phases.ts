/**
 * The limits of a socket's life, by the names that got uses.
 *
 * @module
 */
import { readLimits } from '../phases.js'

/**
 * Milliseconds, fractions allowed; 0, `undefined` and `Infinity` are no limit.
 *
 * @example
 * const phases: Phases = { lookup: 500, connect: 2000, idle: 30_000 }
 * const socket = await connect({ host, port }, phases)
 */
export interface Phases {
  /** How long the lookup of the host's name may take. */
  lookup?: number | undefined
  /** How long connecting may take, over all addresses; from when they are known. */
  connect?: number | undefined
  /** How long the TLS handshake may take, from when it can begin. */
  secureConnect?: number | undefined
  /** How long no byte may go either way. At most 10 % late. */
  idle?: number | undefined
  /** The same as `idle`, by its name in got. */
  socket?: number | undefined
  /** How long the next byte may keep waiting after a write, on Linux once the peer has that: for pools, whose idle sockets wait for nothing. */
  response?: number | undefined
  /** How long no byte may come while somebody reads. Not for pooled sockets: they always read, and mostly nothing comes. */
  read?: number | undefined
  /** How long the kernel may take no byte while some are queued, and on Linux the peer gets none. At most 10 % late. */
  write?: number | undefined
  /** How long the connection may live, lookup and handshake included. */
  total?: number | undefined
}

/** A phase by its one name. */
export type Phase = Exclude<keyof Phases, 'socket'>

/** Limits that were read and checked: no aliases, and 0 for none. */
export type Limits = Partial<Record<Phase, number>>

export const PHASES: readonly Phase[] = ['lookup', 'connect', 'secureConnect', 'idle', 'response', 'read', 'write', 'total']

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` */
export function readPhases(phases: Phases): Limits {
  const { socket, ...limits } = readLimits('phases', phases, [...PHASES, 'socket'] as const)
  if (socket !== undefined) limits.idle ??= socket
  return limits
}
