/**
 * PostgreSQL's client over a connection of asyncfd's: `pg` takes a stream of ours by its `stream` option. The server is a real one, that
 * is started for this; where PostgreSQL is not installed there is nothing to be seen.
 */
import { TcpStream } from 'asyncfd/net'
import { Client } from 'pg'
import { postgresMissing, startPostgres } from '../__test__/helpers/servers/postgres.js'

const why = postgresMissing()
if (why !== null) {
  console.log(why)
  process.exit(77) // skipped
}
await using server = await startPostgres()
const { host, port, user, password, database } = server

const stream = await TcpStream.connect({ host, port }, { timeout: 5000 })
stream.setTimeouts({ idle: 30_000 })

/** What `pg` asks of its socket beside being a stream; it is connected already. */
const socket = Object.assign(stream.toDuplex(), {
  connect: () => void setImmediate(() => socket.emit('connect')),
  setNoDelay: (on: boolean) => void stream.setNoDelay(on),
  setKeepAlive: (on: boolean, delay?: number) => void stream.setKeepAlive(on, delay),
  ref: () => void stream.ref(),
  unref: () => void stream.unref(),
})

const client = new Client({ stream: () => socket, user, password, database })
await client.connect()

const { rows } = await client.query<{ sum: string }>('SELECT sum(n) FROM generate_series(1, $1::int) AS n', [100])
console.log(`1 + 2 + ... + 100 = ${rows[0]!.sum}`)
if (rows[0]!.sum !== '5050') process.exitCode = 1

const notified = new Promise<string | undefined>((resolve) => client.once('notification', ({ payload }) => resolve(payload)))
await client.query('LISTEN news')
await client.query("NOTIFY news, 'the server speaks first as well'")
console.log(await notified)

const error = await client.query('SELECT 1/0').catch((error: Error) => error)
console.log((error as Error).message)
if ((error as Error).message !== 'division by zero') process.exitCode = 1

await client.end()
