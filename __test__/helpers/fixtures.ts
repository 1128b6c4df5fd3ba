/**
 * Descriptors for tests. What a fixture opens it closes at the end of the test, after the AsyncFds made with
 * {@link watch}, and it fails if the number is no longer open: then somebody closed what was not theirs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AsyncFd, type AsyncFdOptions, reactor, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import type { ExecutionContext, TestFn } from 'ava'

type T = ExecutionContext<unknown>
interface Owned {
  open: boolean
}

const owners = new Map<number, Owned>()
const { AF_UNIX, AF_INET, SOCK_STREAM, SOCK_DGRAM, POLLIN } = sys.constants

/** The test closes `fd` when it ends. */
export function own(t: Pick<T, 'teardown'>, fd: number): number {
  const owned = { open: true }
  owners.set(fd, owned)
  t.teardown(() => {
    if (owned.open) shut(fd)
  })
  return fd
}

/** Closes what {@link own} or a fixture holds now. */
export function shut(fd: number): void {
  release(fd)
  sys.close(fd)
}

/** The test closes `fd` by other means. */
export function release(fd: number): number {
  const owned = owners.get(fd)
  if (owned !== undefined) owned.open = false
  owners.delete(fd)
  return fd
}

export function pipe(t: T): [reader: number, writer: number] {
  const [reader, writer] = sys.pipe()
  return [own(t, reader), own(t, writer)]
}

export function socketPair(t: T, type = SOCK_STREAM): [number, number] {
  const [a, b] = sys.socketpair(AF_UNIX, type)
  return [own(t, a), own(t, b)]
}

/**
 * Closes `fd` and gives its number to a duplicate of `source`. No other code of this thread runs in between, and next to none of others:
 * Deno opens files on some, so the numbers below are taken before.
 */
export function reuse(t: T, fd: number, source: number): number {
  const others: number[] = []
  while ((others.at(-1) ?? -1) < fd) others.push(sys.dup(source))
  shut(fd)
  let copy = sys.dup(source)
  for (; copy < fd; copy = sys.dup(source)) others.push(copy)
  for (const other of others) sys.close(other)
  if (copy === fd) return own(t, fd)
  sys.close(copy)
  throw new Error(`another thread took the number ${fd}`)
}

/** A folder that is removed when the test ends. */
export function folder(t: T): string {
  const path = mkdtempSync(join(tmpdir(), 'asyncfd-test-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** The path of a FIFO that nobody has open. */
export function fifo(t: T): string {
  const path = join(folder(t), 'fifo')
  sys.mkfifo(path)
  return path
}

export function open(t: T, path: string, flags: number): number {
  return own(t, sys.open(path, flags))
}

export interface Port {
  address: string
  port: number
}

/** A TCP socket that listens on loopback. */
export function listener(t: T): { fd: number; address: Port } {
  const fd = own(t, sys.socket(AF_INET, SOCK_STREAM))
  sys.bind(fd, { address: '127.0.0.1', port: 0 })
  sys.listen(fd)
  return { fd, address: sys.localAddress(fd) as Port }
}

/** A TCP address that refuses connections: it was bound a moment ago, and nobody listens. */
export function refusedAddress(t: T): Port {
  const fd = own(t, sys.socket(AF_INET, SOCK_STREAM))
  sys.bind(fd, { address: '127.0.0.1', port: 0 })
  return sys.localAddress(fd) as Port
}

/** Blocks until the kernel says that `fd` is readable. */
export function untilReadable(fd: number): void {
  sys.poll([{ fd, events: POLLIN }], 30_000)
}

export function accept(t: T, fd: number): number {
  untilReadable(fd)
  return own(t, sys.accept(fd) as number)
}

/** Two connected TCP sockets. */
export function tcpPair(t: T): [client: number, server: number] {
  const { fd, address } = listener(t)
  const client = own(t, sys.socket(AF_INET, SOCK_STREAM))
  sys.connect(client, address)
  return [client, accept(t, fd)]
}

/** Two UDP sockets on loopback, each connected to the other. */
export function udpPair(t: T): [number, number] {
  const fds = [0, 1].map(() => own(t, sys.socket(AF_INET, SOCK_DGRAM))) as [number, number]
  for (const fd of fds) sys.bind(fd, { address: '127.0.0.1', port: 0 })
  const [a, b] = fds.map((fd) => sys.localAddress(fd) as Port)
  sys.connect(fds[0], b!)
  sys.connect(fds[1], a!)
  return fds
}

/** An AsyncFd that the test closes before its descriptor. */
export function watch(t: T, fd: number, options?: AsyncFdOptions): AsyncFd {
  const watched = new AsyncFd(fd, options)
  t.teardown(() => watched.close())
  return watched
}

const scratch = Buffer.alloc(64 * 1024)

/** Reads until it would block, or to the end: how many bytes there were. */
export function drain(fd: number): number {
  for (let total = 0; ; ) {
    const count = sys.read(fd, scratch)
    if (count === WouldBlock || count === 0) return total
    total += count
  }
}

/** Writes until it would block: how many bytes there was room for. */
export function fill(fd: number): number {
  for (let total = 0; ; ) {
    const count = sys.write(fd, scratch)
    if (count === WouldBlock) return total
    total += count
  }
}

/** Writes one byte, for which there is room. */
export function feed(...fds: number[]): void {
  for (const fd of fds) sys.write(fd, scratch, 0, 1)
}

/** Reads at most one byte. */
export const take = (fd: number): number | WouldBlock => sys.read(fd, scratch, 0, 1)

/** Lets the event loop go round `count` times. */
export async function turns(count = 1): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/**
 * Resolves once all that happened before has been delivered, on any driver: the kernel queues events in order, so that
 * of a descriptor made ready now comes after. What a first event asks the kernel again for comes before the second.
 */
export async function settled(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const [reader, writer] = sys.pipe()
    const barrier = new AsyncFd(reader)
    feed(writer)
    await barrier.readable()
    barrier.close()
    sys.close(reader)
    sys.close(writer)
    await turns(2)
  }
}

/** Whether a promise is pending still, once all that happened before has been delivered. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  const settle = () => {
    pending = false
  }
  promise.then(settle, settle)
  await settled()
  return pending
}

/** Blocks the event loop, as a busy application does. */
export function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** Fails the file if its tests leave registrations or pending waits behind. */
export function noLeaks(test: TestFn): void {
  test.after.always('nothing stays registered or pending', (t) => {
    const { registered, refs } = reactor.metrics()
    t.deepEqual({ registered, refs }, { registered: 0, refs: 0 })
  })
}
