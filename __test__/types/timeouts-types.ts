/**
 * That asyncfd/timeouts fits the types of Node and of clients. Nothing here runs: the compiler of the tests looks at it.
 */
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { PassThrough } from 'node:stream'
import tls from 'node:tls'
import {
  type ConnectOptions,
  connect,
  connectTls,
  createConnection,
  type Phases,
  pgStream,
  setUserTimeout,
  TimeoutError,
  type TimeoutGuard,
  undiciConnector,
  withTimeouts,
} from 'asyncfd/timeouts'
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis'
import mysql from 'mysql2'
import mysqlPromise from 'mysql2/promise'
import nodemailer from 'nodemailer'
import pg from 'pg'
import { SocksClient } from 'socks'
import { Client as SshClient } from 'ssh2'
import undici from 'undici'
import { WebSocket } from 'ws'

const phases: Phases = {
  lookup: 1,
  connect: 1,
  secureConnect: 1,
  idle: 1,
  response: 1,
  read: 0.5,
  write: undefined,
  total: Infinity,
}
const alias: Phases = { socket: 1 }
// @ts-expect-error: a phase of http clients, which is theirs
const request: Phases = { request: 1 }
// @ts-expect-error: a phase of this name is `secureConnect`
const secure: Phases = { tls: 1 }
// @ts-expect-error: milliseconds are numbers
const text: Phases = { connect: '1s' }

export async function sockets(signal: AbortSignal): Promise<void> {
  const plain: net.Socket = await connect(
    { host: 'db.example', port: 1, signal, autoSelectFamily: true, keepAlive: true },
    phases,
  )
  const local: net.Socket = await connect({ path: '/run/db.sock' }, { connect: 1 })
  const secured: tls.TLSSocket = await connectTls({ host: 'db.example', port: 1, ca: 'PEM', signal }, phases)
  await connectTls({ socket: plain, servername: 'db.example' }, phases)
  const options: ConnectOptions = { port: 1 }
  const asNode: net.NetConnectOpts = options
  await connect(asNode, phases)
  // @ts-expect-error: where to?
  await connect({ host: 'db.example' }, phases)
  // @ts-expect-error: limits are not options
  await connect({ port: 1, connect: 1 })
  // @ts-expect-error: an unknown phase
  await connect({ port: 1 }, { conect: 1 })

  const guard: TimeoutGuard = withTimeouts(net.connect(1), phases)
  guard.update({ idle: 0 })
  const disposable: Disposable = withTimeouts(tls.connect(1), phases)
  disposable[Symbol.dispose]()
  withTimeouts(new net.Socket(), alias)
  withTimeouts(new tls.TLSSocket(local), phases)
  // @ts-expect-error: an unknown phase
  guard.update({ conect: 1 })
  // @ts-expect-error: a stream that is no socket
  withTimeouts(new PassThrough(), phases)
  setUserTimeout(secured, 1000)

  const error = new TimeoutError('', 1, 1)
  const { code, timeout, elapsed }: { code: 'ETIMEDOUT'; timeout: number; elapsed: number } = error
  const { phase, address, syscall }: { phase?: string; address?: string; syscall?: string } = error
  const { port, loopDelay }: { port?: number; loopDelay?: number } = error
  const tried: readonly (string | number | Error | undefined)[] = (error.attempts ?? []).flatMap((one) => [
    one.address,
    one.port,
    one.error,
  ])
  void [code, timeout, elapsed, phase, address, syscall, port, loopDelay, tried]
}

export function http1(): void {
  const agent = new http.Agent({ keepAlive: true })
  agent.createConnection = createConnection(phases)
  const httpsAgent = new https.Agent({ keepAlive: true })
  httpsAgent.createConnection = createConnection(phases)
  http.get({ agent, port: 1 })
  http.request({ port: 1, createConnection: createConnection(phases) })
  https.request('https://example.org', { createConnection: createConnection(phases) })
  const socket: net.Socket = createConnection(phases)({ host: 'db.example', port: 1 })
  createConnection(phases)({ port: 1 }, (error: Error | null, made: net.Socket) => void [error, made, socket])
  // @ts-expect-error: an unknown phase
  createConnection({ conect: 1 })
}

export async function undiciDispatchers(): Promise<void> {
  const connector = undiciConnector(phases, { ca: 'PEM', allowH2: true, maxCachedSessions: 10 })
  const asTheirs: undici.buildConnector.connector = connector
  const dispatcher = new undici.Agent({ connect: connector })
  new undici.Pool('http://example.org', { connect: asTheirs })
  new undici.Client('http://example.org', { connect: undiciConnector(phases) })
  await undici.fetch('http://example.org', { dispatcher })
  // @ts-expect-error: an unknown phase
  undiciConnector({ headers: 1 })
  // @ts-expect-error: an unknown option of TLS
  undiciConnector(phases, { certificate: 1 })
}

export function databases(): void {
  new pg.Client({ stream: pgStream(phases) })
  new pg.Pool({ host: 'db.example', max: 5, stream: pgStream({ connect: 1, secureConnect: 1, response: 1 }) })
  // @ts-expect-error: an unknown phase
  pgStream({ query: 1 })

  mysql.createConnection({ stream: createConnection(phases) })
  mysql.createPool({ host: 'db.example', stream: createConnection(phases) })
  mysqlPromise.createPool({ host: 'db.example', stream: createConnection(phases) })

  class Connector extends AbstractConnector {
    readonly #options: RedisOptions

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout ?? 2000)
      this.#options = options as RedisOptions
    }

    connect(): Promise<net.Socket> {
      this.connecting = true
      const { host = 'localhost', port = 6379, tls: secured } = this.#options
      const socket = secured === undefined ? net.connect({ host, port }) : tls.connect({ host, port, ...secured })
      withTimeouts(socket, phases)
      this.stream = socket
      return Promise.resolve(socket)
    }
  }
  new Redis({ Connector })
}

export async function others(): Promise<void> {
  new WebSocket('wss://example.org', { createConnection: createConnection(phases) })

  nodemailer.createTransport({
    host: 'mail.example',
    port: 25,
    getSocket(options, callback) {
      connect({ host: options.host!, port: Number(options.port) }, phases).then(
        (connection) => callback(null, { connection }),
        (error: Error) => callback(error),
      )
    },
  })
  nodemailer.createTransport({ host: 'mail.example', socket: await connect({ port: 25 }, phases) })
  nodemailer.createTransport({ host: 'mail.example', connection: await connect({ port: 25 }, phases) })

  new SshClient().connect({ sock: await connect({ host: 'host.example', port: 22 }, phases), username: 'me' })

  const { socket } = await SocksClient.createConnection({
    command: 'connect',
    proxy: { host: 'proxy.example', port: 1080, type: 5 },
    destination: { host: 'db.example', port: 5432 },
    existing_socket: await connect({ host: 'proxy.example', port: 1080 }, phases),
  })
  withTimeouts(socket, { response: 1 })
  void [request, secure, text]
}
