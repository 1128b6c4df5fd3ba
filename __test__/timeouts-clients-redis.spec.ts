/**
 * Limits in ioredis, plain and encrypted, against a real Redis where there is one: its sockets come from a `Connector`.
 *
 * Portable: bun, deno
 */
import { connect as netConnect, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { type Phases, withTimeouts } from 'asyncfd/timeouts'
import { AbstractConnector, Redis, type RedisOptions, SentinelConnector } from 'ioredis'
import { expires, gone, LIMIT, nothingLeft, onStoppedTimeUnless, silentResolver, tenLimits, until } from './helpers/clients.js'
import { onStoppedTime } from './helpers/clock.js'
import { type RedisServer, redisMissing, startRedis } from './helpers/servers/redis.js'
import { fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

const why = redisMissing({ ssl: true })
const withRedis = onStoppedTimeUnless(why)
let server: RedisServer
if (why === null) {
  test.serial.before(async () => {
    server = await startRedis({ ssl: true })
  })
  test.after.always(() => server.stop())
}

/** A `Connector` whose sockets have limits: ioredis makes a new one of them for each client, and asks it for each connection. */
function connectorWith(phases: Phases, made: Socket[]) {
  return class extends AbstractConnector {
    readonly #options: RedisOptions

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout ?? 2000)
      this.#options = options as RedisOptions
    }

    connect(): Promise<Socket> {
      this.connecting = true
      const { host = 'localhost', port = 6379, path, tls } = this.#options
      const where = path === undefined ? { host, port } : { path }
      const socket = tls === undefined ? netConnect(where) : tlsConnect({ ...where, ...tls })
      const { secureConnect, ...others } = phases
      withTimeouts(socket, tls === undefined ? others : { secureConnect, ...others })
      made.push(socket)
      this.stream = socket
      return Promise.resolve(socket)
    }
  }
}

/** A client with limits. Its promise rejects with the error that ended its connection. */
function client(t: T, phases: Phases, options: RedisOptions): { redis: Redis; made: Socket[]; failure: Promise<never> } {
  const made: Socket[] = []
  const redis = new Redis({
    lazyConnect: true,
    retryStrategy: null,
    Connector: connectorWith(phases, made),
    ...options,
  } as RedisOptions)
  const failure = new Promise<never>((_, reject) => redis.on('error', reject))
  failure.catch(() => {})
  t.teardown(() => redis.disconnect())
  return { redis, made, failure }
}

const real = (secure: boolean): RedisOptions =>
  secure ? { host: server.host, port: server.tlsPort!, tls: { ca: server.ca! } } : { host: server.host, port: server.port }

const ALL: Phases = { lookup: LIMIT, connect: LIMIT, secureConnect: LIMIT, response: LIMIT, write: LIMIT }

/** Something of the client's that fails later than its connection. */
const quietly = (work: Promise<unknown>) => void work.catch(() => {})

for (const secure of [false, true]) {
  const kind = secure ? 'ioredis over TLS' : 'ioredis'

  withRedis(`${kind}: works, and a connection that waits for nothing stays`, async (t) => {
    const { redis, made } = client(t, ALL, real(secure))
    for (let i = 0; i < 3; i++) {
      await redis.set('key', 'x'.repeat(300_000 * i))
      t.is((await redis.get('key'))!.length, 300_000 * i)
      await tenLimits()
    }
    t.is(made.length, 1)
    await redis.quit()
    await gone(t, made[0]!)
  })

  withRedis(`${kind}: a command that gets no byte`, async (t) => {
    const { redis, made, failure } = client(t, ALL, real(secure))
    t.is(await redis.ping(), 'PONG')
    await tenLimits()
    quietly(redis.blpop('nothing', 0))
    await expires(t, failure, 'response')
    await gone(t, made[0]!)
  })

  withRedis(`${kind}: a server that is stopped; the client connects again, and its limits begin afresh`, async (t) => {
    const { redis, made, failure } = client(t, ALL, { ...real(secure), retryStrategy: () => 1, maxRetriesPerRequest: 10 })
    t.is(await redis.ping(), 'PONG')
    process.kill(server.pid, 'SIGSTOP')
    t.teardown(() => process.kill(server.pid, 'SIGCONT'))
    const pong = redis.ping()
    await expires(t, failure, 'response')
    process.kill(server.pid, 'SIGCONT')
    t.is(await pong, 'PONG', 'it was asked again')
    await tenLimits()
    t.true(made.length > 1)
    t.false(made.at(-1)!.destroyed)
  })

  withRedis(`${kind}: idle and read`, async (t) => {
    for (const phase of ['idle', 'read'] as const) {
      const { redis, failure } = client(t, { [phase]: LIMIT }, real(secure))
      await redis.ping()
      quietly(redis.blpop('nothing', 0))
      await expires(t, failure, phase)
    }
  })

  withRedis(`${kind}: total, whatever comes`, async (t) => {
    const { redis, failure } = client(t, { total: LIMIT }, real(secure))
    await redis.ping()
    await expires(t, failure, 'total', () => quietly(redis.ping()))
  })

  onStoppedTime(`${kind}: lookup, connect, handshake, and a server that says nothing`, async (t) => {
    const failed = (phases: Phases, host: string, port: number) => {
      const { redis, failure } = client(t, phases, { host, port, ...(secure && { tls: {} }) })
      quietly(redis.connect())
      return failure
    }
    const full = await fullListener(t)
    const error = await expires(t, failed(ALL, full.address, full.port), 'connect')
    // Deno does not tell which address it tries.
    if (!('deno' in process.versions)) t.like(error, { address: '127.0.0.1', port: full.port })
    const silent = await serve(t, (socket) => socket.resume())
    await expires(t, failed(ALL, '127.0.0.1', silent.port), secure ? 'secureConnect' : 'response')
    if (silentResolver(t)) await expires(t, failed(ALL, 'silent.example', 6379), 'lookup')
  })
}

onStoppedTime('ioredis: a server that reads nothing', async (t) => {
  const { port } = await serve(t, (socket) => socket.pause(), undefined, { pauseOnConnect: true })
  const asIs: RedisOptions = { enableReadyCheck: false, disableClientInfo: true, protocol: 2 } // asks the server nothing of its own
  const { redis, failure } = client(t, { write: LIMIT }, { host: '127.0.0.1', port, ...asIs })
  quietly(redis.set('key', 'x'.repeat(30_000_000)))
  await expires(t, failure, 'write')
})

onStoppedTime('ioredis: its own limit of connecting, which it takes away from the socket, leaves ours', async (t) => {
  const { port } = await serve(t, (socket) => socket.resume())
  const { redis, made, failure } = client(t, ALL, { host: '127.0.0.1', port, connectTimeout: 60_000 })
  quietly(redis.connect())
  await until(() => made[0]?.readyState === 'open')
  t.is(made[0]!.timeout, 0)
  await expires(t, failure, 'response')
})

/** A sentinel that knows where the master is, and of no other sentinels. */
async function sentinel(t: T, masterPort: number): Promise<number> {
  const word = (text: string) => `$${text.length}\r\n${text}\r\n`
  const { port } = await serve(t, (socket) =>
    socket.on('data', (chunk) => {
      // Each command is an array of words; its name is the first of them.
      for (const command of String(chunk)
        .toLowerCase()
        .split(/^\*\d+\r\n/m)
        .slice(1)) {
        if (command.includes('get-master-addr')) socket.write(`*2\r\n${word('127.0.0.1')}${word(String(masterPort))}`)
        else socket.write(command.includes('sentinels') ? '*0\r\n' : '+OK\r\n')
      }
    }),
  )
  return port
}

onStoppedTime('ioredis with sentinels: a master that does not accept, or says nothing', async (t) => {
  const made: Socket[] = []
  class Connector extends SentinelConnector {
    constructor(options: unknown) {
      super(options as RedisOptions)
    }

    override async connect(...args: Parameters<SentinelConnector['connect']>) {
      const stream = await super.connect(...args)
      withTimeouts(stream, { lookup: LIMIT, connect: LIMIT, response: LIMIT })
      made.push(stream)
      return stream
    }
  }
  const failed = async (masterPort: number) => {
    const sentinels = [{ host: '127.0.0.1', port: await sentinel(t, masterPort) }]
    const { redis, failure } = client(t, {}, { sentinels, name: 'master', Connector })
    quietly(redis.connect())
    return failure
  }
  await expires(t, failed((await fullListener(t)).port), 'connect')
  const silent = await serve(t, (socket) => socket.resume())
  await expires(t, failed(silent.port), 'response')
  t.is(made.length, 2)
  for (const socket of made) await gone(t, socket)
})
