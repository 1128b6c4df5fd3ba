/**
 * Ways to be woken by descriptors. Each reads the `size` bytes that make its descriptor ready, by the call that goes
 * with it, and then says so; what happens next (writing the next byte) is the scenario's, by the contender's own `write`.
 *
 * @module
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { AsyncFd, Interest, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'

export interface Contender {
  /** What one wake-up consists of. */
  readonly wakeup: string
  write(fd: number, bytes: Uint8Array): void
  /** Waits on each of `fds`; calls `woken` after each read. */
  start(fds: readonly number[], size: number, woken: () => void): void
}

function callback(): Contender {
  return {
    wakeup: 'subscribe: the listener calls sys.read once, then sys.write',
    write: (fd, bytes) => void sys.write(fd, bytes),
    start(fds, size, woken) {
      const buffer = new Uint8Array(size)
      for (const fd of fds) {
        new AsyncFd(fd, { interest: Interest.READABLE }).subscribe(Interest.READABLE, () => {
          if (sys.read(fd, buffer) === size) woken()
        })
      }
    },
  }
}

function promise(): Contender {
  return {
    wakeup: 'await readable(); guard.tryIo(sys.read) twice, the second says WouldBlock and clears; then sys.write',
    write: (fd, bytes) => void sys.write(fd, bytes),
    start(fds, size, woken) {
      const buffer = new Uint8Array(size)
      const read = (fd: number) => sys.read(fd, buffer)
      const serve = async (fd: AsyncFd) => {
        for (;;) {
          const guard = await fd.readable()
          let got = 0
          for (let count = guard.tryIo(read); count !== WouldBlock; count = guard.tryIo(read)) got += count
          if (got > 0) woken()
        }
      }
      for (const fd of fds) void serve(new AsyncFd(fd, { interest: Interest.READABLE }))
    },
  }
}

/** The part of the `epoll` package's API that is used. */
interface EpollPackage {
  Epoll: {
    new (
      callback: (error: Error | null, fd: number, events: number) => void,
    ): { add(fd: number, events: number): void; remove(fd: number): void }
    EPOLLIN: number
  }
}

function epoll(): Contender & { add(fd: number): void; remove(fd: number): void } {
  const { Epoll } = createRequire(new URL('../../../bench/peers/package.json', import.meta.url))('epoll') as EpollPackage
  const idle = new Epoll(() => {})
  return {
    add: (fd) => idle.add(fd, Epoll.EPOLLIN),
    remove: (fd) => idle.remove(fd),
    wakeup: 'the callback calls fs.readSync once, then fs.writeSync',
    write: (fd, bytes) => void fs.writeSync(fd, bytes),
    start(fds, size, woken) {
      const buffer = new Uint8Array(size)
      const poller = new Epoll((error, fd) => {
        if (error !== null) throw error
        if (fs.readSync(fd, buffer, 0, size, null) === size) woken()
      })
      for (const fd of fds) poller.add(fd, Epoll.EPOLLIN)
    },
  }
}

function socket(): Contender {
  return {
    wakeup: "the listener of net.Socket's 'data' calls fs.writeSync",
    write: (fd, bytes) => void fs.writeSync(fd, bytes),
    start(fds, _size, woken) {
      for (const fd of fds) new Socket({ fd, readable: true, writable: false }).on('data', woken)
    },
  }
}

function fsRead(): Contender {
  return {
    wakeup: 'the callback of fs.read, on a blocking descriptor, calls fs.writeSync, then fs.read again',
    write: (fd, bytes) => void fs.writeSync(fd, bytes),
    start(fds, size, woken) {
      const buffer = new Uint8Array(size)
      for (const nonblocking of fds) {
        const fd = fs.openSync(`/proc/self/fd/${nonblocking}`, fs.constants.O_RDONLY)
        const next = (error: Error | null) => {
          if (error !== null) throw error
          woken()
          fs.read(fd, buffer, 0, size, null, next)
        }
        fs.read(fd, buffer, 0, size, null, next)
      }
    },
  }
}

export const contenders = {
  callback,
  promise,
  epoll,
  'net.Socket': socket,
  'fs.read': fsRead,
} satisfies Record<string, () => Contender>

export type Name = keyof typeof contenders
