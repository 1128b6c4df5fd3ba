/**
 * Limits in pg, plain and encrypted, against a real PostgreSQL where there is one.
 *
 * Portable: bun, deno
 */
import type { Socket } from 'node:net'
import * as sys from 'asyncfd/sys'
import { type Phases, pgStream, setUserTimeout } from 'asyncfd/timeouts'
import pg, { type ClientConfig, type PoolClient } from 'pg'
import { expires, gone, LIMIT, nothingLeft, onStoppedTimeUnless, silentResolver, tenLimits } from './helpers/clients.js'
import { onStoppedTime } from './helpers/clock.js'
import { type PostgresServer, postgresMissing, startPostgres } from './helpers/servers/postgres.js'
import { fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

const why = postgresMissing({ ssl: true })
const withPostgres = onStoppedTimeUnless(why)
let server: PostgresServer
if (why === null) {
  test.serial.before(async () => {
    server = await startPostgres({ ssl: true })
  })
  test.after.always(() => server.stop())
}

/** A pool with limits, and the sockets made for it: those that pg connected, not those that encrypt on top of them. */
function pool(t: T, phases: Phases, options: ClientConfig): { pool: pg.Pool; made: Socket[] } {
  const made: Socket[] = []
  const limited = pgStream(phases)
  const pool = new pg.Pool({
    max: 1,
    idleTimeoutMillis: 0,
    ...options,
    stream(this: unknown) {
      const socket = limited.call(this as never)
      made.push(socket)
      return socket
    },
  } as pg.PoolConfig)
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return { pool, made }
}

const real = (secure: boolean): ClientConfig => {
  const { host, port, user, password, database, ca } = server
  return { host, port, user, password, database, ssl: secure && { ca: ca! } }
}

const ALL: Phases = { lookup: LIMIT, connect: LIMIT, secureConnect: LIMIT, response: LIMIT, write: LIMIT }

for (const secure of [false, true]) {
  const kind = secure ? 'pg over TLS' : 'pg'

  withPostgres(`${kind}: works, and a pooled connection that waits for nothing stays`, async (t) => {
    const { pool: own, made } = pool(t, ALL, real(secure))
    for (let i = 0; i < 3; i++) {
      const { rows } = await own.query('SELECT length($1::text) AS n', ['x'.repeat(300_000 * i)])
      t.deepEqual(rows, [{ n: 300_000 * i }])
      await tenLimits()
    }
    t.is(made.length, 1)
    t.is((await own.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).rows[0].ssl, secure)
  })

  withPostgres(`${kind}: a query that gets no byte is ended on time, and the pool goes on`, async (t) => {
    const { pool: own, made } = pool(t, ALL, real(secure))
    t.deepEqual((await own.query('SELECT 1 AS one')).rows, [{ one: 1 }])
    await tenLimits()
    const error = await expires(t, own.query('SELECT pg_sleep(600)'), 'response')
    t.like(error, { address: '127.0.0.1', port: server.port })
    await gone(t, made[0]!)
    t.deepEqual((await own.query('SELECT 2 AS two')).rows, [{ two: 2 }])
    t.is(made.length, 2)
  })

  withPostgres(`${kind}: a server that is stopped`, async (t) => {
    const { pool: own } = pool(t, ALL, real(secure))
    const { pid } = (await own.query('SELECT pg_backend_pid() AS pid')).rows[0]
    process.kill(pid, 'SIGSTOP')
    t.teardown(() => process.kill(pid, 'SIGCONT'))
    await expires(t, own.query('SELECT 1'), 'response')
  })

  withPostgres(`${kind}: idle, read, and total against a server that drips`, async (t) => {
    const query = async (phases: Phases, text: string) => {
      const { pool: own } = pool(t, phases, real(secure))
      await own.query('SELECT 1')
      return own.query(text)
    }
    await expires(t, query({ idle: LIMIT }, 'SELECT pg_sleep(600)'), 'idle')
    await expires(t, query({ read: LIMIT }, 'SELECT pg_sleep(600)'), 'read')
    const drip = `DO $$ BEGIN LOOP RAISE NOTICE 'drip'; PERFORM pg_sleep(0.001); END LOOP; END $$`
    await expires(t, query({ total: LIMIT }, drip), 'total')
  })

  onStoppedTime(`${kind}: lookup, connect, and a server that says nothing`, async (t) => {
    const query = (phases: Phases, host: string, port: number) =>
      pool(t, phases, { host, port, user: 'x', ssl: secure }).pool.query('SELECT 1')
    const full = await fullListener(t)
    await expires(t, query(ALL, full.address, full.port), 'connect')
    const silent = await serve(t, (socket) => socket.resume())
    await expires(t, query(ALL, '127.0.0.1', silent.port), 'response')
    if (silentResolver(t)) await expires(t, query(ALL, 'silent.example', 5432), 'lookup')
  })
}

onStoppedTime('pg over TLS: a handshake that gets no answer', async (t) => {
  const { port } = await serve(t, (socket) => socket.once('data', () => socket.resume().write('S')))
  const config = { host: '127.0.0.1', port, user: 'x', ssl: true }
  const { pool: own, made } = pool(t, ALL, config)
  await expires(t, own.query('SELECT 1'), 'secureConnect')
  await gone(t, made[0]!)
  await expires(t, pool(t, { total: LIMIT }, config).pool.query('SELECT 1'), 'total')
  await expires(t, pool(t, { idle: LIMIT }, config).pool.query('SELECT 1'), 'idle')
})

onStoppedTime('pg: a server that reads nothing', async (t) => {
  const { port } = await serve(t, (socket) =>
    socket.once('data', () => {
      socket.pause()
      socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49])) // AuthenticationOk, ReadyForQuery
    }),
  )
  const { pool: own } = pool(t, { write: LIMIT }, { host: '127.0.0.1', port, user: 'x' })
  await expires(t, own.query('SELECT $1::text', ['x'.repeat(30_000_000)]), 'write')
})

withPostgres('pg: a client by itself is told, and what it waits for too', async (t) => {
  const client = new pg.Client({ ...real(false), stream: pgStream(ALL) } as ClientConfig)
  await client.connect()
  await client.query('LISTEN news')
  await tenLimits()
  const told: Error[] = []
  client.on('error', (error) => told.push(error))
  const first = client.query('SELECT pg_sleep(600)')
  const second = client.query('SELECT 1')
  second.catch(() => {})
  const error = await expires(t, first, 'response')
  await t.throwsAsync(second)
  t.is(told[0], error)
})

// Deno does not show the descriptor.
if (!('deno' in process.versions)) {
  withPostgres('pg: the limit of the kernel, set on a socket that pg has yet to connect', async (t) => {
    const { IPPROTO_TCP, TCP_USER_TIMEOUT } = sys.constants
    for (const secure of [false, true]) {
      let socket: Socket | undefined
      const limited = pgStream(ALL)
      const stream = function (this: unknown) {
        socket = limited.call(this as never)
        setUserTimeout(socket, 12_345)
        return socket
      }
      const client = new pg.Client({ ...real(secure), stream } as ClientConfig)
      await client.connect()
      const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
      t.is(sys.getSocketOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 12_345)
      t.is((await client.query('SELECT 1 AS one')).rows[0].one, 1)
      await client.end()
    }
  })
}

withPostgres('pg: limits of its own work beside ours', async (t) => {
  const { pool: own } = pool(t, ALL, { ...real(false), query_timeout: 20, connectionTimeoutMillis: 5000, keepAlive: true })
  const client: PoolClient = await own.connect()
  client.on('error', () => {})
  await t.throwsAsync(client.query('SELECT pg_sleep(600)'), { message: /Query read timeout/ })
  client.release(true)
})
