/**
 * Multicast groups, as setsockopt(2) takes them.
 *
 * @module
 */
import { isIP } from 'node:net'
import { invalidArgType, invalidArgValue } from '../errors.js'
import { constants } from '../sys/constants.js'
import { setSocketOption } from '../sys/option.js'
import { integer } from '../sys/result.js'

function ipVersion(name: string, address: string): number {
  if (typeof address !== 'string') throw invalidArgType(name, 'of type string', address)
  return address.includes('%') ? 0 : isIP(address)
}

const ipv4Bytes = (address: string) => address.split('.').map(Number)

/** Sixteen bytes. The URL parser writes every address in one way: at most one `::`, and no IPv4 at its end. */
function ipv6Bytes(address: string): number[] {
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [head, tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::').map(groups)
  const end = tail ?? []
  return [...head!, ...new Array<number>(8 - head!.length - end.length).fill(0), ...end].flatMap((group) => [
    group >> 8,
    group & 0xff,
  ])
}

/** Membership of a group on an interface: what joins and leaves it. */
export interface Membership {
  join(fd: number): void
  leave(fd: number): void
}

/** Checks a group and an interface: an address of IPv4, a number (the scope id) of IPv6; the kernel's choice if it is not given. */
export function membership(group: string, via: string | number | undefined): Membership {
  const version = ipVersion('group', group)
  if (version === 0) throw invalidArgValue('group', 'must be an IP address', group)
  if (version === 4) {
    if (via !== undefined && ipVersion('via', via as string) !== 4) {
      throw invalidArgValue('via', 'must be an IPv4 address of the interface, for an IPv4 group', via)
    }
    const request = Uint8Array.from([...ipv4Bytes(group), ...ipv4Bytes((via as string | undefined) ?? '0.0.0.0')])
    return {
      join: (fd) => setSocketOption(fd, constants.IPPROTO_IP, constants.IP_ADD_MEMBERSHIP, request),
      leave: (fd) => setSocketOption(fd, constants.IPPROTO_IP, constants.IP_DROP_MEMBERSHIP, request),
    }
  }
  const scope = Uint32Array.of(integer('via', (via as number | undefined) ?? 0, 0, 0xffffffff))
  const request = Uint8Array.from([...ipv6Bytes(group), ...new Uint8Array(scope.buffer)])
  return {
    join: (fd) => setSocketOption(fd, constants.IPPROTO_IPV6, constants.IPV6_ADD_MEMBERSHIP, request),
    leave: (fd) => setSocketOption(fd, constants.IPPROTO_IPV6, constants.IPV6_DROP_MEMBERSHIP, request),
  }
}
