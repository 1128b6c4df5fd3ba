/**
 * A blocked event loop: sockets whose peers answer while it is, and sockets whose peers are silent, under the same limit. The kernel
 * has the answers; nobody who answered may be blamed, and everybody else must be as soon as the loop is free again.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs'
import http from 'node:http'
import net, { type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { reactor, TimeoutError } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { pgStream, undiciConnector, withTimeouts } from 'asyncfd/timeouts'
import pg from 'pg'
import { Client } from 'undici'
import { cert } from '../fixtures/certificate.js'
import { runtimeCommand } from './child.js'
import type { PostgresServer } from './servers/postgres.js'
import { turns } from './turns.js'

const ON_NODE = !('bun' in process.versions || 'deno' in process.versions)

/** Milliseconds that a limit is, and that the loop is blocked for at least. */
const LIMIT_MS = 40
const BLOCK_MS = 80

export type Transport = 'tcp' | 'tls' | 'unix' | 'http' | 'undici' | 'pg'
export type BlockedPhase = 'lookup' | 'connect' | 'secureConnect' | 'idle' | 'response' | 'read' | 'write' | 'total'

export interface Peers {
  readonly ports: Record<string, number>
  readonly path: string
  /** Of a listener that accepts nothing more. */
  readonly full: number
  /** For pg; null where there is none. */
  readonly postgres: PostgresServer | null
  /** Has those read on that were asked to. */
  readOn(): void
  stop(): Promise<void>
}

/** Starts the other end. `path` is for its Unix socket. */
export async function startPeers(path: string, full: number, postgres: PostgresServer | null = null): Promise<Peers> {
  const script = fileURLToPath(new URL('../fixtures/blocked-peer.js', import.meta.url))
  const child = spawn(...runtimeCommand(script, path), { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const stop = async () => {
    const ended = once(child, 'exit')
    child.stdin.end()
    await ended
  }
  return { ports: JSON.parse(line), path, full, postgres, readOn: () => void child.stdin.write('\n'), stop }
}

/** What became of the sockets of a round. */
export interface Outcome {
  /** Those whose answer nobody had taken from the kernel when the block began. */
  answered: number
  /** Those that did not answer; without those whose kernel had room for more after all, though the peer read nothing. */
  silent: number
  /** Answered, and blamed nevertheless. */
  false_timeouts: number
  /** Silent, and not blamed when the loop had been free for a moment. */
  missed: number
  /** Turns of the loop until all silent ones were blamed. */
  turns: number
  /** Errors of another kind. */
  others: string[]
}

interface One {
  readonly socket: Socket
  readonly answers: boolean
  /** Whether the kernel has what this one waits for; null where it cannot be asked. */
  ready(): boolean | null
  /** Of one that waits for the kernel to take bytes: a number that grows when it takes or sends some; null if none are left. */
  taken?(): number | null
  error: Error | null
  done: boolean
}

const { POLLIN, POLLOUT } = sys.constants
/** The end of what the peer writes; where the kernel does not tell, that it writes. */
const POLLRDHUP = process.platform === 'linux' ? 0x2000 : POLLIN
const fdOf = (socket: Socket) => (socket as unknown as { _handle: { fd: number } | null })._handle?.fd ?? -1

function kernelHas(socket: Socket, events: number): boolean | null {
  const fd = fdOf(socket)
  return fd < 0 ? null : sys.poll([{ fd, events }], 0)[0]!.revents !== 0
}

/** A lookup that answers when the thread pool has looked at a file; or never. */
export const lookup = (answers: boolean): net.LookupFunction =>
  ((_: string, options: { all?: boolean }, done: (...args: unknown[]) => void) => {
    const answer = () => (options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4))
    if (answers) stat('/', answer)
  }) as never

function connect(peers: Peers, transport: Transport, phase: BlockedPhase, answers: boolean): Socket {
  const { ports, path, full } = peers
  const host = '127.0.0.1'
  if (phase === 'lookup') return net.connect({ host: 'name.invalid', port: ports.tcp as number, lookup: lookup(answers) })
  if (phase === 'connect' && !answers) return net.connect({ host, port: full })
  const port = (phase === 'secureConnect' && !answers ? ports.mute : ports[transport]) as number
  // By TLS 1.3 a server sends tickets after the handshake: bytes, also of a silent peer.
  const maxVersion = phase === 'secureConnect' ? 'TLSv1.3' : 'TLSv1.2'
  if (transport === 'tls') return tls.connect({ host, port, ca: cert, maxVersion })
  return transport === 'unix' ? net.connect({ path }) : net.connect({ host, port })
}

/** What is written at once, of either kind. */
const PIECE = { true: Buffer.alloc(65_536, 'd'), false: Buffer.alloc(65_536, 'n') }

/**
 * Writes until the kernel takes no more: one piece stays queued, and goes in one turn of the loop when the peer reads on. A peer that had to
 * read much would be silent for longer than the limit on a busy machine. `taken` is called with each piece that is gone. Comes to how much
 * the kernel has taken and sent: it may find room later (a sender asks for the window again after 200 ms and more), and then nobody was
 * silent.
 */
async function untilFull(socket: Socket, piece: Buffer, taken: () => void): Promise<() => number | null> {
  interface Queue {
    readonly bytesWritten: number
    readonly writeQueueSize: number
  }
  const { _handle: handle } = socket as unknown as { _handle: Queue & { readonly _parent?: Queue } }
  const queue = handle._parent ?? handle
  for (let same = 0; same < 4; ) {
    if (queue.writeQueueSize === 0) {
      socket.write(piece, taken)
      same = 0
      await turns(1)
    } else {
      await new Promise((resolve) => setTimeout(resolve, 15))
      same++
    }
  }
  return () => (queue.writeQueueSize === 0 ? null : queue.bytesWritten - queue.writeQueueSize + sent(socket))
}

/** Bytes that the kernel has sent, for the first time or again: see tcp_info in linux/tcp.h. 0 where it does not tell. */
function sent(socket: Socket): number {
  try {
    const info = sys.getSocketOption(fdOf(socket), sys.constants.IPPROTO_TCP, sys.constants.TCP_INFO, 216)
    return Number(info.readBigUInt64LE(200))
  } catch {
    return 0
  }
}

/** Brings a socket to where the phase begins. The second function begins it: `limit` puts the limit on. */
async function bring(peers: Peers, transport: Transport, phase: BlockedPhase, answers: boolean): Promise<(limit: Limit) => One> {
  if (isEarly(phase)) return (limit) => early(peers, transport, phase, answers, limit)
  const socket = connect(peers, transport, phase, answers)
  const one = watched(socket, answers, phase === 'write' ? POLLOUT : phase === 'total' ? POLLRDHUP : POLLIN)
  const end = () => void socket.destroy()
  let begun = false
  if (phase !== 'secureConnect') await once(socket, transport === 'tls' ? 'secureConnect' : 'connect')
  if (phase === 'write') {
    one.taken = await untilFull(socket, PIECE[`${answers}`], () => {
      if (begun) end()
    })
  }
  return (limit) => {
    begun = true
    limit(socket, phase)
    if (phase === 'secureConnect') socket.on('secureConnect', end)
    else if (phase !== 'write') {
      socket.resume().on(phase === 'total' ? 'end' : 'data', end)
      socket.write(answers ? (phase === 'total' ? 'c' : 'a') : 's')
    }
    return one
  }
}

/** What begins with the connection begins with the limit: else it would be over before the block. */
const isEarly = (phase: BlockedPhase) => phase === 'lookup' || phase === 'connect'

function early(peers: Peers, transport: Transport, phase: BlockedPhase, answers: boolean, limit: Limit): One {
  const socket = connect(peers, transport, phase, answers)
  const one = watched(socket, answers, phase === 'lookup' ? null : POLLOUT)
  limit(socket, phase)
  socket.on('connect', () => void socket.destroy())
  return one
}

/** A request of http's, over a socket with limits. */
function request(peers: Peers, answers: boolean, limit: Limit): Promise<One> {
  return new Promise((resolve) => {
    const options = {
      port: peers.ports.http as number,
      host: '127.0.0.1',
      path: answers ? '/answer' : '/silent',
    }
    const createSocket = (where: object) => {
      const socket = net.connect(where as net.NetConnectOpts)
      limit(socket, 'response')
      return socket
    }
    const made = http.get({ ...options, createConnection: createSocket })
    made.on('socket', (socket) => {
      const one: One = { socket, answers, ready: () => kernelHas(socket, POLLIN), error: null, done: false }
      made.on('error', (error) => {
        one.error = error
      })
      made.on('response', () => made.destroy())
      made.on('close', () => {
        one.done = true
      })
      socket.once('connect', () => setImmediate(() => resolve(one)))
    })
  })
}

/** What a socket comes to. `events` tell that the kernel has its answer; null where that cannot be asked. */
function watched(socket: Socket, answers: boolean, events: number | null = POLLIN): One {
  const ready = () => (events === null ? null : kernelHas(socket, events))
  const one: One = { socket, answers, ready, error: null, done: false }
  socket.on('error', (error) => {
    one.error = error
  })
  socket.on('close', () => {
    one.done = true
  })
  return one
}

/** A connection of undici's; its request begins when it is told to. */
async function bringUndici(peers: Peers, answers: boolean): Promise<(limit: Limit) => One> {
  const connector = undiciConnector({ connect: 30_000 })
  let socket: Socket | undefined
  const client = new Client(`http://127.0.0.1:${peers.ports.http}`, {
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) =>
      connector(options, (...[error, made]) => {
        if (made === null) return callback(error as Error, null)
        socket = made
        callback(null, made)
      }),
  })
  const ask = async (path: string) => (await client.request({ path, method: 'GET' })).body.text()
  await ask('/answer')
  const own = socket as unknown as Socket
  return (limit) => {
    limit(own, 'response')
    const over = () => void own.destroy()
    ask(answers ? '/answer' : '/silent').then(over, over)
    return watched(own, answers)
  }
}

/** A connection of pg's; its query begins when it is told to. */
async function bringPg({ postgres }: Peers, answers: boolean): Promise<(limit: Limit) => One> {
  const { host, port, user, password, database } = postgres as PostgresServer
  let socket: Socket | undefined
  const stream = pgStream({ connect: 30_000 })
  const client = new pg.Client({
    ...{ host, port, user, password, database },
    stream(this: unknown) {
      socket = stream.call(this as never)
      return socket
    },
  } as pg.ClientConfig)
  client.on('error', () => {})
  await client.connect()
  const own = socket as unknown as Socket
  return (limit) => {
    limit(own, 'response')
    const over = () => void own.destroy()
    // Long enough for the block to have begun.
    client.query(`SELECT pg_sleep(${answers ? LIMIT_MS / 2000 : 600})`).then(over, () => {})
    return watched(own, answers)
  }
}

/** Settings of PostgreSQL for this: many connections, and it notices when one of them is gone. */
export const POSTGRES = { settings: { max_connections: 300, client_connection_check_interval: '50ms' } }

export type Limit = (socket: Socket, phase: BlockedPhase) => void

/** Ours. */
export const ours: Limit = (socket, phase) => void withTimeouts(socket, { [phase]: LIMIT_MS })

/** What people do without us: Node's own timeout, and a timer for what it has none for. */
export const nodes: Limit = (socket, phase) => {
  const end = () => socket.destroy(new TimeoutError('timed out', LIMIT_MS, LIMIT_MS))
  if (phase === 'idle' || phase === 'response' || phase === 'read') {
    socket.setTimeout(LIMIT_MS, end)
    return
  }
  const timer = setTimeout(end, LIMIT_MS)
  socket.on('close', () => clearTimeout(timer))
}

/**
 * Whether what was begun is on its way at once, so that no answer is taken before the block: a connection to this machine, and what a
 * socket of Node's writes. A client library or another runtime takes a turn; and TLS tells in the next turn that it has written, which is
 * no idleness.
 */
function isOnItsWay(transport: Transport, phase: BlockedPhase): boolean {
  if (isEarly(phase)) return true
  if (!ON_NODE) return false
  return transport === 'tcp' || transport === 'unix' || (transport === 'tls' && phase !== 'idle')
}

/** One blocked loop: `count` sockets whose peers answer in the meantime, and as many whose peers do not, in turns. */
export async function blockedRound(
  peers: Peers,
  transport: Transport,
  phase: BlockedPhase,
  count: number,
  limit: Limit = ours,
): Promise<Outcome> {
  const make = (_: unknown, i: number) => {
    const answers = i % 2 === 0
    if (transport === 'http') return request(peers, answers, limit)
    if (transport === 'undici') return bringUndici(peers, answers)
    return transport === 'pg' ? bringPg(peers, answers) : bring(peers, transport, phase, answers)
  }
  const brought = await Promise.all(Array.from({ length: count * 2 }, make))
  // The last one may be in the midst of its handshake's last step, in which TLS sends nothing yet.
  await new Promise(setImmediate)
  const all = brought.map((one) => (typeof one === 'function' ? one(limit) : one))
  const before = all.map((one) => one.taken?.())
  const isTimeout = ({ error }: One) => error instanceof TimeoutError
  const hasStalled = (one: One, index: number) => before[index] !== null && one.taken?.() === before[index]
  const isSilent = (one: One, index: number) => !one.answers && (isTimeout(one) || hasStalled(one, index))
  // A handshake begins when the connection is there.
  if (phase === 'secureConnect') await Promise.all(all.map(({ socket }) => !socket.connecting || once(socket, 'connect')))
  if (phase === 'write') peers.readOn()
  await new Promise(isOnItsWay(transport, phase) ? process.nextTick : setImmediate)
  // On a busy machine a peer may exceed the limit before the block: that is its own fault.
  const late = new Set(all.filter(isTimeout))
  const answered = all.filter(({ answers, socket }) => answers && !socket.destroyed).length
  const from = performance.now()
  const isReady = ({ answers, done, ready }: One) => !answers || done || ready() !== false
  for (let ready = false; !ready && performance.now() - from < 30_000; ) {
    while (performance.now() - from < BLOCK_MS);
    ready = all.every(isReady)
  }
  // Where nobody can be asked whether the answer is there (a lookup's thread, a socket of Deno's) there is time for it.
  if (all.some(({ done, ready }) => !done && ready() === null)) while (performance.now() - from < 4 * BLOCK_MS);

  let passed = 0
  const isOver = () => all.every((one, index) => one.done || !isSilent(one, index))
  // A waiting thread has to be given a processor first, on a busy machine.
  const patience = reactor.driver === 'embedded' ? 0 : 5000
  const free = performance.now()
  for (; (passed < 1000 || performance.now() - free < patience) && !isOver(); passed++) await turns(1)
  await turns(10)
  const silent = all.filter(isSilent)
  const outcome: Outcome = {
    answered,
    silent: silent.length,
    false_timeouts: all.filter((one) => one.answers && isTimeout(one) && !late.has(one)).length,
    missed: silent.filter((one) => !isTimeout(one)).length,
    turns: passed,
    others: all.filter((one) => one.error !== null && !isTimeout(one)).map(({ error }) => String(error)),
  }
  for (const { socket } of all) socket.destroy()
  await Promise.all(all.map(({ socket }) => socket.closed || once(socket, 'close').catch(() => {})))
  return outcome
}

/** Every phase on every transport that has it. */
const ALL: readonly (readonly [Transport, BlockedPhase])[] = [
  ['tcp', 'lookup'],
  ['tcp', 'connect'],
  ['tls', 'secureConnect'],
  ...(['tcp', 'tls', 'unix'] as const).flatMap((transport) =>
    (['idle', 'response', 'read', 'write', 'total'] as const).map((phase) => [transport, phase] as const),
  ),
  ['http', 'response'],
  ['undici', 'response'],
  ['pg', 'response'],
]

/**
 * Those that this runtime's sockets can be asked about: Bun's and Deno's do not tell how much was written, and Bun's TLS and http are its
 * own.
 */
export const SCENES = ALL.filter(
  ([transport, phase]) =>
    ON_NODE || (phase !== 'write' && (transport === 'tcp' || transport === 'unix' || 'deno' in process.versions)),
)
