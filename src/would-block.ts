/**
 * The value that says "the descriptor is not ready": what the functions of `asyncfd/sys` return instead of EAGAIN,
 * and what a closure given to `tryIo` or `asyncIo` returns to have the readiness cleared.
 *
 * @module
 */

/**
 * What says that a descriptor is not ready: returned instead of EAGAIN by `asyncfd/sys`, and by closures of yours.
 *
 * @example
 * using pipe = new sys.OwnedFd(sys.pipe()[0])
 * console.log(sys.read(pipe, buffer) === WouldBlock) // true: nothing was written
 */
export const WouldBlock: unique symbol = Symbol.for('asyncfd.WouldBlock') as never
/** The type of the value {@link WouldBlock}. */
export type WouldBlock = typeof WouldBlock
