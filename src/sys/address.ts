/**
 * Socket addresses, and the block of memory in which they travel to and from native code: five 32-bit numbers (kind, port, flow
 * info, scope id, length of the text) and the text. An IPv4 address has no text: it is a number itself, in the place of the length.
 * `crates/node/src/sys/address.rs` has the other half.
 *
 * @module
 */
import { constants } from 'node:os'
import { later } from '../builtins.js'
import { invalidArgType, invalidArgValue, systemError } from '../errors.js'
import { byteLengthOf, isUint8Array } from './bytes.js'
import { integer } from './result.js'

/**
 * An IPv4 or IPv6 address, as Node gives them. Flow info and scope id are present if they are not 0.
 *
 * @example
 * const { address, port, family } = sys.localAddress(listener) as sys.InetAddress
 * console.log(family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`)
 */
export interface InetAddress {
  /** The IP address as text, without brackets. */
  address: string
  /** 0 to 65,535; 0 is any free port where an address is bound to. */
  port: number
  /** Which of the two it is. */
  family: 'IPv4' | 'IPv6'
  /** Traffic class and flow label of IPv6, as one number. */
  flowInfo?: number
  /** The number of the interface that a link-local IPv6 address belongs to. */
  scopeId?: number
}

/**
 * The name of a Unix socket: a path, an abstract name with a leading `'\0'` (Linux), or `''` for one without a name.
 *
 * @example
 * const unix = sys.socket(sys.constants.AF_UNIX, sys.constants.SOCK_STREAM)
 * sys.bind(unix, { path } satisfies sys.UnixAddress)
 */
export interface UnixAddress {
  /** At most 107 bytes of UTF-8 on Linux. */
  path: string
}

/**
 * What calls give: a whole `sockaddr` as bytes for families that we do not know, and for Unix names that are no UTF-8.
 *
 * @example
 * const address: sys.SocketAddress | undefined = sys.remoteAddress(peer)
 * if (address !== undefined && 'port' in address) console.log(address.port)
 */
export type SocketAddress = InetAddress | UnixAddress | Uint8Array

/**
 * What calls take. `family` may be left out; an IPv6 zone may be in the address (`'fe80::1%eth0'`) or in `scopeId`. Bytes are a whole
 * `sockaddr`, family and all, as the C headers have it.
 *
 * @example
 * const anywhere: sys.SocketAddressInput = { address: '0.0.0.0', port: 0 }
 * sys.bind(sys.socket(sys.constants.AF_INET, sys.constants.SOCK_DGRAM), anywhere)
 */
export type SocketAddressInput =
  | { address: string; port: number; family?: 'IPv4' | 'IPv6' | 4 | 6; flowInfo?: number; scopeId?: number }
  | UnixAddress
  | Uint8Array

const HEADER = 20
const TEXT = 128
const UNIX = 1
const RAW = 2
const IPV4 = 4
const IPV6 = 6

/** How large a block is. */
export const BLOCK = HEADER + TEXT
/** The most datagrams that are received or sent by one call. */
export const MANY = 64

/** A block for each of many datagrams; what has one address only uses the first. */
const blocks = new Uint8Array(BLOCK * MANY)
const block = blocks.subarray(0, BLOCK)
const header = new Uint32Array(blocks.buffer)
const text = Buffer.from(blocks.buffer, HEADER)

/** The block, to be filled by a native function and then taken by {@link takeAddress}. */
export function addressRoom(): Uint8Array {
  return block
}

/** As {@link addressRoom}, for {@link MANY} of them. */
export function addressesRoom(): Uint8Array {
  return blocks
}

/** What a native function has written to a block; `undefined` if there was no address. */
export function takeAddress(index = 0): SocketAddress | undefined {
  const at = (index * BLOCK) >> 2
  const [kind, port, length] = [header[at], header[at + 1]!, header[at + 4]!]
  if (kind === IPV4) return { address: textOf(length), port, family: 'IPv4' }
  const [begin, end] = [index * BLOCK, index * BLOCK + length]
  if (kind === IPV6) {
    const address: InetAddress = { address: text.toString('latin1', begin, end), port, family: 'IPv6' }
    if (header[at + 2] !== 0) address.flowInfo = header[at + 2]!
    if (header[at + 3] !== 0) address.scopeId = header[at + 3]!
    return address
  }
  if (kind === UNIX) return { path: text.toString('utf8', begin, end) }
  if (kind === RAW) return Buffer.from(text.subarray(begin, end))
  return undefined
}

/** IPv4 addresses that were met lately, as numbers and as text: who talks to one address mostly talks to it again. */
const numbers = new Map<string, number>()
const texts = new Map<number, string>()
const MET_LATELY = 1024

function meet(number: number, ip: string): void {
  if (numbers.size === MET_LATELY) numbers.clear()
  if (texts.size === MET_LATELY) texts.clear()
  numbers.set(ip, number)
  texts.set(number, ip)
}

function textOf(number: number): string {
  const known = texts.get(number)
  if (known !== undefined) return known
  const ip = `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`
  meet(number, ip)
  return ip
}

/** The number of an IPv4 address that was met lately. */
function numberOf(ip: string): number {
  const known = numbers.get(ip)
  if (known !== undefined) return known
  const number = ip.split('.').reduce((high, octet) => high * 256 + Number(octet), 0)
  meet(number, ip)
  return number
}

/** As `net.isIP`: 4, 6, or 0 for what is no address. */
export function ipVersion(ip: string): number {
  return numbers.has(ip) ? 4 : later.net().isIP(ip)
}

/**
 * Checks an address and puts it into the block.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; ENAMETOOLONG if it does not fit
 */
export function putAddress(address: SocketAddressInput, syscall: string): Uint8Array {
  if (isUint8Array(address)) return putBytes(RAW, address, syscall)
  if (typeof address !== 'object' || address === null) {
    throw invalidArgType('address', 'an object { address, port } or { path }, or a Uint8Array', address)
  }
  if ('path' in address) return putPath(address.path, syscall)
  return putInet(address)
}

function putInet(address: Exclude<SocketAddressInput, UnixAddress | Uint8Array>): Uint8Array {
  const ip = address.address
  if (typeof ip !== 'string') throw invalidArgType('address.address', 'of type string', ip)
  const version = ipVersion(ip)
  if (version === 0) throw invalidArgValue('address.address', 'must be an IP address; names are not looked up here', ip)
  const { family } = address
  if (family !== undefined && family !== version && family !== `IPv${version}`) {
    throw invalidArgValue('address.family', `must be 'IPv${version}' or ${version} for ${ip}`, family)
  }
  const port = integer('address.port', address.port, 0, 0xffff)
  const flowInfo = integer('address.flowInfo', address.flowInfo ?? 0, 0, 0xffffffff)
  const scopeId = integer('address.scopeId', address.scopeId ?? 0, 0, 0xffffffff)
  // All at once: a getter above may have put another address.
  header[0] = version
  header[1] = port
  header[2] = flowInfo
  header[3] = scopeId
  header[4] = version === IPV4 ? numberOf(ip) : text.write(ip, 'latin1')
  return block
}

function putPath(path: string, syscall: string): Uint8Array {
  if (typeof path !== 'string') throw invalidArgType('address.path', 'of type string', path)
  if (path.includes('\0', 1) && path[0] !== '\0') throw invalidArgValue('address.path', 'must not contain NUL characters', path)
  if (path[0] === '\0' && process.platform !== 'linux') {
    throw invalidArgValue('address.path', 'must not begin with a NUL character: abstract names exist on Linux only', path)
  }
  return putBytes(UNIX, Buffer.from(path), syscall)
}

function putBytes(kind: number, bytes: Uint8Array, syscall: string): Uint8Array {
  const length = byteLengthOf('address', bytes)
  if (length > TEXT) throw systemError(constants.errno.ENAMETOOLONG, syscall, undefined, `an address has at most ${TEXT} bytes`)
  header.fill(0)
  header[0] = kind
  header[4] = length
  text.set(bytes)
  return block
}
