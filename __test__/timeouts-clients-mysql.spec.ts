/**
 * Limits in mysql2, plain and encrypted, against a real MariaDB where there is one.
 *
 * Portable: bun, deno
 */
import type { Socket } from 'node:net'
import { createConnection, type Phases } from 'asyncfd/timeouts'
import mysql, { type Pool, type PoolOptions, type RowDataPacket } from 'mysql2/promise'
import { expires, gone, LIMIT, nothingLeft, onStoppedTimeUnless, silentResolver, tenLimits } from './helpers/clients.js'
import { onStoppedTime } from './helpers/clock.js'
import { type MariadbServer, mariadbMissing, startMariadb } from './helpers/servers/mariadb.js'
import { fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

const why = mariadbMissing({ ssl: true })
const withMariadb = onStoppedTimeUnless(why)
let server: MariadbServer
if (why === null) {
  test.serial.before(async () => {
    server = await startMariadb({ ssl: true })
  })
  test.after.always(() => server.stop())
}

/** A pool of one connection with limits, and the sockets made for it: those below all encryption. */
function pool(t: T, phases: Phases, options: PoolOptions): { pool: Pool; made: Socket[] } {
  const made: Socket[] = []
  const limited = createConnection(phases)
  const stream = (options: object) => {
    const socket = limited(options)
    made.push(socket)
    return socket
  }
  const pool = mysql.createPool({ connectionLimit: 1, connectTimeout: 0, stream, ...options })
  t.teardown(() => pool.end().catch(() => {}))
  return { pool, made }
}

const real = (secure: boolean): PoolOptions => {
  const { host, port, user, password, database, ca } = server
  return { host, port, user, password, database, ...(secure && { ssl: { ca: ca! } }) }
}

const ALL: Phases = { lookup: LIMIT, connect: LIMIT, response: LIMIT, write: LIMIT }

for (const secure of [false, true]) {
  const kind = secure ? 'mysql2 over TLS' : 'mysql2'

  withMariadb(`${kind}: works, and a pooled connection that waits for nothing stays`, async (t) => {
    const { pool: own, made } = pool(t, ALL, real(secure))
    for (let i = 0; i < 3; i++) {
      const [rows] = await own.query<RowDataPacket[]>('SELECT length(?) AS n', ['x'.repeat(300_000 * i)])
      t.deepEqual(rows, [{ n: 300_000 * i }])
      await tenLimits()
    }
    t.is(made.length, 1)
    const [[cipher]] = await own.query<RowDataPacket[]>("SHOW STATUS LIKE 'Ssl_cipher'")
    t.is(cipher!.Value !== '', secure)
  })

  withMariadb(`${kind}: a query that gets no byte is ended on time, and the pool goes on`, async (t) => {
    const { pool: own, made } = pool(t, ALL, real(secure))
    t.is((await own.query<RowDataPacket[]>('SELECT 1 AS one'))[0][0]!.one, 1)
    await tenLimits()
    await expires(t, own.query('SELECT sleep(600)'), 'response')
    await gone(t, made[0]!)
    t.is((await own.query<RowDataPacket[]>('SELECT 2 AS two'))[0][0]!.two, 2)
    t.is(made.length, 2)
    // At once after an answer, with no time in between.
    await own.query('SELECT 3')
    await expires(t, own.query('SELECT sleep(600)'), 'response')
  })

  withMariadb(`${kind}: a query with many answers, one after another`, async (t) => {
    const { pool: own, made } = pool(t, ALL, real(secure))
    for (let i = 0; i < 200; i++) await own.execute('SELECT ?', [i])
    await tenLimits()
    t.is(made.length, 1)
  })

  withMariadb(`${kind}: idle, read and total`, async (t) => {
    for (const phase of ['idle', 'total', 'read'] as const) {
      const { pool: own } = pool(t, { [phase]: LIMIT }, real(secure))
      await own.query('SELECT 1')
      await expires(t, own.query('SELECT sleep(600)'), phase)
    }
  })

  onStoppedTime(`${kind}: lookup, connect, and a server that says nothing`, async (t) => {
    const query = (phases: Phases, host: string, port: number) =>
      pool(t, phases, { host, port, user: 'x', ...(secure && { ssl: {} }) }).pool.query('SELECT 1')
    const full = await fullListener(t)
    const error = await expires(t, query(ALL, full.address, full.port), 'connect')
    t.like(error, { address: '127.0.0.1', port: full.port })
    const silent = await serve(t, (socket) => socket.resume())
    // The server of MySQL speaks first: nothing was written that waits for an answer.
    await expires(t, query({ idle: LIMIT }, '127.0.0.1', silent.port), 'idle')
    await expires(t, query({ read: LIMIT }, '127.0.0.1', silent.port), 'read')
    if (silentResolver(t)) await expires(t, query(ALL, 'silent.example', 3306), 'lookup')
  })
}
