/**
 * Classes that stand in for those of other packages: `Epoll` for `epoll`, `Poller` for the one of `@serialport/bindings-cpp`.
 *
 * @module
 */
export { Epoll, type EpollCallback } from './epoll.js'
export { Poller, type PollerEvent } from './poller.js'
