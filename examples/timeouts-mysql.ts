/** Limits on the connections of mysql2's pool, against a real MariaDB; where it is not installed there is nothing to be seen. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection, TimeoutError } from 'asyncfd/timeouts'
import mysql, { type RowDataPacket } from 'mysql2/promise'
import { mariadbMissing, startMariadb } from '../__test__/helpers/servers/mariadb.js'

const why = mariadbMissing()
if (why !== null) {
  console.log(why)
  process.exit(77) // skipped
}
await using server = await startMariadb()
const { host, port, user, password, database } = server

const stream = createConnection({ lookup: 500, connect: 2000, response: 1000, write: 2000 })
const pool = mysql.createPool({ host, port, user, password, database, connectionLimit: 1, stream })
const connection = async () => (await pool.query<RowDataPacket[]>('SELECT connection_id() AS id'))[0][0]!.id as number

const first = await connection()
await sleep(2000)
const same = (await connection()) === first
console.log(`a connection that rested for two limits is ${same ? 'still there' : 'GONE'}`)

const error = await pool.query('SELECT sleep(60)').catch((error: Error) => error)
const phase = error instanceof TimeoutError ? error.phase : 'no'
console.log(`a query that gets no byte was ended by its ${phase} limit`)

const again = (await connection()) !== first
console.log(`the pool goes on with ${again ? 'another connection' : 'THE SAME connection'}`)
await pool.end()
if (!same || phase !== 'response' || !again) process.exitCode = 1
