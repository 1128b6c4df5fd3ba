/**
 * Connections of `asyncfd/net` under the clients of real servers: PostgreSQL by `pg`, Redis, MariaDB. Skipped where they are not installed.
 *
 * Portable: bun, deno
 */
import { createHash } from 'node:crypto'
import { type Duplex, Readable } from 'node:stream'
import { TcpStream, UnixStream } from 'asyncfd/net'
import { Client, type ClientConfig } from 'pg'
import { noLeaks } from './helpers/fixtures.js'
import { mariadbMissing, startMariadb } from './helpers/servers/mariadb.js'
import { type PostgresServer, postgresMissing, startPostgres } from './helpers/servers/postgres.js'
import { redisMissing, startRedis } from './helpers/servers/redis.js'
import { unless } from './helpers/servers/server.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

noLeaks(test)

const withPostgres = unless<T>(postgresMissing(), test)
const withRedis = unless<T>(redisMissing(), test)
const withMariadb = unless<T>(mariadbMissing(), test)
const withTls = unless<T>(postgresMissing({ ssl: true }), test)

/** One server for all tests that leave it as it is. */
let shared: PostgresServer
if (postgresMissing() === null) {
  test.before(async () => {
    shared = await startPostgres({ ssl: postgresMissing({ ssl: true }) === null })
  })
  test.after.always(() => shared?.stop())
}

/** What `pg` asks of its socket beside being a stream. */
function socketOf(stream: TcpStream | UnixStream): Duplex {
  const socket: Duplex = Object.assign(stream.toDuplex(), {
    connect: () => void setImmediate(() => socket.emit('connect')),
    setNoDelay: () => {},
    setKeepAlive: () => {},
    ref: () => void stream.ref(),
    unref: () => void stream.unref(),
  })
  return socket
}

async function postgres(t: T, stream: TcpStream | UnixStream, server: PostgresServer, more?: ClientConfig): Promise<Client> {
  const { user, password, database } = server
  const socket = socketOf(stream)
  const client = new Client({ stream: () => socket, user, password, database, ...more })
  client.on('error', () => {}) // of a server that ends; each query is told as well
  await client.connect()
  t.teardown(() => client.end().catch(() => {}))
  return client
}

/** A hundred thousand rows, and what they are. */
const MANY = 'SELECT n, md5(n::text) AS hash FROM generate_series(1, 100000) AS n'

withPostgres('pg over TCP and over a Unix socket: large results, large parameters, an error in between', async (t) => {
  const server = shared
  const streams = [await TcpStream.connect({ host: server.host, port: server.port }), await UnixStream.connect(server.socketPath)]
  for (const stream of streams) {
    const client = await postgres(t, stream, server)
    const { rows } = await client.query<{ n: number; hash: string }>(MANY)
    t.is(rows.length, 100_000)
    t.is(rows[99_998]!.hash, createHash('md5').update('99999').digest('hex'))
    await t.throwsAsync(client.query('SELECT 1/0'), { code: '22012' })
    const large = 'x'.repeat(8_000_000)
    const { rows: back } = await client.query<{ text: string }>('SELECT $1::text AS text', [large])
    t.true(back[0]!.text === large)
    await client.end()
    t.true(stream.closed)
  }
})

withPostgres('pg: queries at once from many connections, and a notification that nobody asked for at that moment', async (t) => {
  const server = shared
  const clients = await Promise.all(
    Array.from({ length: 20 }, async () =>
      postgres(t, await TcpStream.connect({ host: server.host, port: server.port }), server),
    ),
  )
  const [listening] = clients
  await listening!.query('LISTEN news')
  const news = new Promise<string | undefined>((resolve) => listening!.once('notification', ({ payload }) => resolve(payload)))
  const sums = await Promise.all(
    clients.map(async (client, i) => {
      let sum = 0
      for (let n = 0; n < 20; n++) sum += (await client.query<{ v: number }>('SELECT $1::int * $2::int AS v', [i, n])).rows[0]!.v
      return sum
    }),
  )
  t.deepEqual(
    sums,
    clients.map((_, i) => i * 190),
  )
  await clients[1]!.query("NOTIFY news, 'read this'")
  t.is(await news, 'read this')
})

withPostgres('pg: a server that ends meanwhile fails the query that waits, and no other process', async (t) => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const connect = async () => postgres(t, await TcpStream.connect({ host: server.host, port: server.port }), server)
  const [client, other] = await Promise.all([connect(), connect()])
  const failed = t.throwsAsync(client.query('SELECT pg_sleep(60)'))
  const asleep = "SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND wait_event = 'PgSleep'"
  while ((await other.query(asleep)).rowCount === 0);
  await server.stop()
  await failed
})

withTls('pg: TLS over a connection of ours', async (t) => {
  const server = shared
  const stream = await TcpStream.connect({ host: server.host, port: server.port })
  const client = await postgres(t, stream, server, { host: 'localhost', ssl: { ca: server.ca! } })
  const { rows } = await client.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
  t.true(rows[0]!.ssl)
  t.is((await client.query(MANY)).rows.length, 100_000)
  await client.end()
})

withRedis('Redis: pipelined commands, a large value, subscriptions; over TCP and a Unix socket', async (t) => {
  await using server = await startRedis()
  const connect = [() => TcpStream.connect({ host: server.host, port: server.port }), () => UnixStream.connect(server.socketPath)]
  for (const one of connect) {
    await using stream = await one()
    const lines = stream.lines({ delimiter: '\r\n', timeout: 30_000, maxLength: 10_000_000 })
    const answer = async () => (await lines.next()).value as string
    await stream.writeAll(Buffer.from('FLUSHALL\r\n'))
    t.is(await answer(), '+OK')
    const writing = stream.writeAll(Buffer.from('INCR counter\r\n'.repeat(5000)))
    for (let n = 1; n <= 5000; n++) if ((await answer()) !== `:${n}`) t.fail(`answer ${n}`)
    await writing
    const value = 'v'.repeat(5_000_000)
    await stream.writeAll(Buffer.from(`*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$${value.length}\r\n${value}\r\nGET key\r\n`))
    t.is(await answer(), '+OK')
    t.is(await answer(), `$${value.length}`)
    t.true((await answer()) === value)
    await using publisher = await one()
    await stream.writeAll(Buffer.from('SUBSCRIBE news\r\n'))
    for (const line of ['*3', '$9', 'subscribe', '$4', 'news', ':1']) t.is(await answer(), line)
    await publisher.writeAll(Buffer.from('PUBLISH news hello\r\n'))
    t.is((await publisher.lines({ delimiter: '\r\n' }).next()).value, ':1')
    for (const line of ['*3', '$7', 'message', '$4', 'news', '$5', 'hello']) t.is(await answer(), line)
    await stream.writeAll(Buffer.from('QUIT\r\n'))
    t.is(await answer(), '+OK')
    t.true((await lines.next()).done, 'the server closed')
  }
})

withRedis('Redis: a connection made by pipe() of a Node stream takes what the server has room for', async (t) => {
  await using server = await startRedis()
  await using stream = await TcpStream.connect({ host: server.host, port: server.port })
  const values = Array.from({ length: 300 }, (_, n) => `${n}${'.'.repeat(20_000)}`)
  const commands = [...values.map((value) => `ECHO ${value}\r\n`), 'QUIT\r\n']
  Readable.from(commands).pipe(stream.toWritable(), { end: false }) // who half-closes is not answered any more
  const expected = `${values.map((value) => `$${value.length}\r\n${value}\r\n`).join('')}+OK\r\n`
  let text = ''
  for await (const chunk of stream.chunks()) text += chunk.toString('latin1')
  t.true(text === expected)
})

withMariadb('MariaDB speaks first, and ends a connection that answers nonsense', async (t) => {
  await using server = await startMariadb()
  await using stream = await TcpStream.connect({ host: server.host, port: server.port })
  const chunks = stream.chunks({ timeout: 30_000 })
  const greeting = (await chunks.next()).value as Buffer
  t.is(greeting.readUIntLE(0, 3) + 4, greeting.length)
  t.is(greeting[4], 10, 'its protocol')
  await stream.writeAll(Buffer.from([5, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff]))
  let text = ''
  for await (const chunk of chunks) text += chunk.toString('latin1')
  t.regex(text, /handshake/i)
})
