/**
 * Internet addresses as users write them, and their names looked up.
 *
 * @module
 */
import { lookup as dnsLookup } from 'node:dns'
import { invalidArgType, invalidArgValue } from '../errors.js'
import { type InetAddress, ipVersion } from '../sys/address.js'
import { integer } from '../sys/result.js'

/**
 * `'host:port'`, `'[::1]:80'`, `{ host, port }`, or what a socket gives as its address. A host is a name or an IP address.
 *
 * @example
 * const addresses: InetAddressInput[] = ['localhost:80', '[::1]:80', { port: 80 }, { address: '127.0.0.1', port: 80 }]
 * for (const address of addresses) console.log(await lookupHost(address))
 */
export type InetAddressInput =
  | string
  | { readonly host?: string | undefined; readonly port: number }
  | {
      readonly address: string
      readonly port: number
      readonly family?: 'IPv4' | 'IPv6' | 4 | 6 | undefined
      readonly flowInfo?: number | undefined
      readonly scopeId?: number | undefined
    }

/** An address that was looked at: a host that may have to be looked up, or an IP address. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  /** The address that `host` is, if it is one. */
  readonly known: InetAddress | null
}

/**
 * What `lookup` options take: `dns.lookup`, or something like it.
 *
 * @example
 * const lookup = ((_host: string, _options: object, found: (...answer: unknown[]) => void) =>
 *   found(null, [{ address: '127.0.0.1', family: 4 }])) as Lookup
 * await using stream = await TcpStream.connect({ host: 'name.invalid', port }, { lookup })
 */
export type Lookup = typeof dnsLookup

function withPort(text: string): { host: string; port: number } {
  const parts = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text)
  if (parts === null) throw invalidArgValue('address', "must be 'host:port' or '[address]:port'", text)
  const [, bracketed, host, port] = parts
  if (bracketed !== undefined && ipVersion(bracketed) !== 6)
    throw invalidArgValue('address', 'must have an IPv6 address in its brackets', text)
  return { host: bracketed ?? host!, port: Number(port) }
}

/** Checks an address. An empty host is `unspecified`. @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE` */
export function endpoint(input: InetAddressInput, unspecified: string): Endpoint {
  if (typeof input === 'string') return checked(withPort(input), unspecified)
  if (typeof input !== 'object' || input === null) {
    throw invalidArgType('address', "a string 'host:port' or an object { host, port } or { address, port }", input)
  }
  if (!('address' in input)) return checked(input, unspecified)
  const { address, port, family, flowInfo, scopeId } = input
  if (typeof address !== 'string') throw invalidArgType('address.address', 'of type string', address)
  const version = ipVersion(address)
  if (version === 0) throw invalidArgValue('address.address', 'must be an IP address; give a name as "host"', address)
  if (family !== undefined && family !== version && family !== `IPv${version}`) {
    throw invalidArgValue('address.family', `must be 'IPv${version}' or ${version} for ${address}`, family)
  }
  const known: InetAddress = { address, port: integer('address.port', port, 0, 0xffff), family: version === 6 ? 'IPv6' : 'IPv4' }
  if (flowInfo !== undefined) known.flowInfo = integer('address.flowInfo', flowInfo, 0, 0xffffffff)
  if (scopeId !== undefined) known.scopeId = integer('address.scopeId', scopeId, 0, 0xffffffff)
  return { host: address, port: known.port, known }
}

function checked(input: { readonly host?: string | undefined; readonly port: number }, unspecified: string): Endpoint {
  const { host = '', port } = input
  if (typeof host !== 'string') throw invalidArgType('address.host', 'of type string', host)
  if (host.includes('\0')) throw invalidArgValue('address.host', 'must not contain NUL characters', host)
  const name = host === '' ? unspecified : host
  integer('address.port', port, 0, 0xffff)
  const version = ipVersion(name)
  return { host: name, port, known: version === 0 ? null : { address: name, port, family: version === 6 ? 'IPv6' : 'IPv4' } }
}

/** All addresses of an endpoint, in the order in which they should be tried. Rejects with the lookup's own error. */
export function resolve({ host, port, known }: Endpoint, lookup: Lookup = dnsLookup): Promise<InetAddress[]> {
  if (known !== null) return Promise.resolve([known])
  return new Promise((done, failed) => {
    lookup(host, { all: true, verbatim: true }, (error, found) => {
      if (error !== null && error !== undefined) return failed(error)
      done(found.map(({ address, family }) => ({ address, port, family: family === 6 ? 'IPv6' : 'IPv4' })))
    })
  })
}

/**
 * The addresses of a host: `lookupHost('localhost:80')`. By `dns.lookup`, as Node's own sockets do it.
 *
 * @returns rejects with the lookup's error, such as ENOTFOUND
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
 * @example
 * const [first] = await lookupHost('localhost:5432')
 */
export function lookupHost(address: InetAddressInput): Promise<InetAddress[]> {
  return resolve(endpoint(address, 'localhost'))
}
