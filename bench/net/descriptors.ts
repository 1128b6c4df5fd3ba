/**
 * A server of the callback tier: no promise, no stream.
 *
 * @module
 */
import { AsyncFd, Interest } from 'asyncfd'
import * as sys from 'asyncfd/sys'

const { AF_INET, SOCK_STREAM } = sys.constants

/** Listens on a free port of 127.0.0.1, and hands each connection's descriptor to `serve`. @returns the port */
export function descriptors(serve: (peer: number) => unknown): number {
  const listener = sys.socket(AF_INET, SOCK_STREAM)
  sys.bind(listener, { address: '127.0.0.1', port: 0 })
  sys.listen(listener)
  new AsyncFd(listener, { owned: true }).subscribe(Interest.READABLE, () => {
    for (let peer = sys.accept(listener); typeof peer === 'number'; peer = sys.accept(listener)) serve(peer)
  })
  return (sys.localAddress(listener) as { port: number }).port
}
