/**
 * Limits on the connections of ioredis, against a real Redis; where it is not installed there is nothing to be seen. ioredis takes its
 * sockets from a `Connector`: one that gives them limits.
 */
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { TimeoutError, withTimeouts } from 'asyncfd/timeouts'
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis'
import { redisMissing, startRedis } from '../__test__/helpers/servers/redis.js'

const why = redisMissing()
if (why !== null) {
  console.log(why)
  process.exit(77) // skipped
}
await using server = await startRedis()

class Connector extends AbstractConnector {
  readonly #options: RedisOptions

  constructor(options: unknown) {
    super((options as RedisOptions).disconnectTimeout ?? 2000)
    this.#options = options as RedisOptions
  }

  /** The socket is on its way: if this waited until it is connected, ioredis would not try again. */
  connect(): Promise<net.Socket> {
    this.connecting = true
    const { host = 'localhost', port = 6379, tls: secure } = this.#options
    const stream = secure === undefined ? net.connect({ host, port }) : tls.connect({ host, port, ...secure })
    withTimeouts(stream, { lookup: 500, connect: 2000, response: 1000, write: 2000 })
    this.stream = stream
    return Promise.resolve(stream)
  }
}

const redis = new Redis({ host: server.host, port: server.port, Connector, maxRetriesPerRequest: 0 })
const told = new Promise<Error>((resolve) => redis.once('error', resolve))
redis.on('error', () => {})

const first = await redis.client('ID')
await sleep(2000)
const same = (await redis.client('ID')) === first
console.log(`a connection that rested for two limits is ${same ? 'still there' : 'GONE'}`)

const ended = redis.blpop('nothing', 0).catch((error: Error) => error.name)
const error = await told
const phase = error instanceof TimeoutError ? error.phase : 'no'
console.log(`a command that gets no byte was ended by its ${phase} limit: ${await ended}`)

const again = (await redis.client('ID')) !== first
console.log(`ioredis goes on with ${again ? 'another connection' : 'THE SAME connection'}`)
redis.disconnect()
if (!same || phase !== 'response' || !again) process.exitCode = 1
