/** Limits on the connections of pg's pool, against a real PostgreSQL; where it is not installed there is nothing to be seen. */
import { setTimeout as sleep } from 'node:timers/promises'
import { pgStream, TimeoutError } from 'asyncfd/timeouts'
import pg from 'pg'
import { postgresMissing, startPostgres } from '../__test__/helpers/servers/postgres.js'

const why = postgresMissing()
if (why !== null) {
  console.log(why)
  process.exit(77) // skipped
}
await using server = await startPostgres()
const { host, port, user, password, database } = server

const stream = pgStream({ lookup: 500, connect: 2000, secureConnect: 3000, response: 1000, write: 2000 })
const pool = new pg.Pool({ host, port, user, password, database, max: 1, stream })
const backend = async () => (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid

const first = await backend()
await sleep(2000)
const same = (await backend()) === first
console.log(`a connection that rested for two limits is ${same ? 'still there' : 'GONE'}`)

const error = await pool.query('SELECT pg_sleep(60)').catch((error: Error) => error)
const phase = error instanceof TimeoutError ? error.phase : 'no'
console.log(`a query that gets no byte was ended by its ${phase} limit`)

const again = (await backend()) !== first
console.log(`the pool goes on with ${again ? 'another connection' : 'THE SAME connection'}`)
await pool.end()
if (!same || phase !== 'response' || !again) process.exitCode = 1
