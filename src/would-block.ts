/**
 * The value that says "the descriptor is not ready": what the functions of `asyncfd/sys` return instead of EAGAIN,
 * and what a closure given to `tryIo` or `asyncIo` returns to have the readiness cleared.
 *
 * @module
 */
export const WouldBlock: unique symbol = Symbol.for('asyncfd.WouldBlock') as never
export type WouldBlock = typeof WouldBlock
