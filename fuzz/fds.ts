/**
 * The descriptors that the fuzzer owns. Nothing else is ever closed: Node aborts when one of its own is.
 *
 * @module
 */
import { closeSync, fstatSync, ftruncateSync } from 'node:fs'
import { below, chance, pick } from './random.js'

export type Kind =
  | 'reader'
  | 'writer'
  | 'stream'
  | 'dgram'
  | 'seqpacket'
  | 'tcp'
  | 'listener'
  | 'udp'
  | 'eventfd'
  | 'timerfd'
  | 'inotify'
  | 'pidfd'
  | 'master'
  | 'slave'
  | 'file'
  | 'other'

const LIMIT = 160
const open = new Map<number, Kind>()
/** The same numbers, to draw from. */
let numbers: number[] = []
let closed: number[] = []

export function own(fd: number, kind: Kind): number {
  if (!Number.isInteger(fd) || fd < 3) return fd
  if (!open.has(fd)) numbers.push(fd)
  open.set(fd, kind)
  while (numbers.length > LIMIT) close(numbers[below(numbers.length >> 1)]!)
  return fd
}

export function isOwn(fd: number): boolean {
  return open.has(fd)
}

/** Forgets a number that was closed, by whatever way. */
export function forget(fd: number): void {
  if (!open.delete(fd)) return
  numbers = numbers.filter((other) => other !== fd)
  closed = [fd, ...closed].slice(0, 16)
}

/** Closes by Node's own call: as a user who does not ask us. */
export function close(fd: number): void {
  if (!open.has(fd)) return
  forget(fd)
  try {
    closeSync(fd)
  } catch {
    // Already closed by a way that the fuzzer did not see.
  }
}

/** Its AsyncFd was closed, and perhaps the number with it, which then is soon another's. If not, it is closed now and then. */
export function review(fd: number): void {
  if (!open.has(fd)) return
  if (!isOpen(fd)) forget(fd)
  else if (chance(0.2)) close(fd)
}

/** Forgets numbers that are open no more: those that a leak's finalizer or the like has closed. */
export function reconcile(): void {
  for (const [fd, kind] of [...open]) {
    if (!isOpen(fd)) forget(fd)
    else if (kind === 'file') truncate(fd)
  }
}

function truncate(fd: number): void {
  try {
    ftruncateSync(fd, 0)
  } catch {
    // Opened for reading only.
  }
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

/** A descriptor of the fuzzer, of one of the kinds if there is any. -1 if there is none at all. */
export function anFd(...kinds: Kind[]): number {
  if (numbers.length === 0) return -1
  if (kinds.length > 0 && !chance(0.15)) {
    // Sampling is enough: there are many of every kind.
    for (let i = 0; i < 24; i++) {
      const fd = pick(numbers)
      if (kinds.includes(open.get(fd)!)) return fd
    }
  }
  return pick(numbers)
}

/** A number that was the fuzzer's and is nobody's now, or -1. */
export function staleFd(): number {
  const fd = closed.length === 0 ? -1 : pick(closed)
  return fd === -1 || isOpen(fd) ? -1 : fd
}

export function held(): number {
  return numbers.length
}

export function closeAll(): void {
  for (const fd of [...numbers]) close(fd)
}
