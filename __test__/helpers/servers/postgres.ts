/**
 * A PostgreSQL server with a cluster of its own.
 *
 *     await using server = await startPostgres()
 *     const { host, port, user, password, database } = server
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCertificate, missingCertificate } from './certificate.js'
import { missing, ownFolder, program, type RunningServer, run, unprivileged, withPort } from './server.js'

export interface PostgresOptions {
  /** Whether it speaks TLS, beside plain connections. */
  ssl?: boolean
  /** Further settings, such as `{ max_connections: 5 }`. */
  settings?: Record<string, string | number>
}

export interface PostgresServer extends RunningServer {
  readonly user: string
  readonly password: string
  readonly database: string
  /** What a TLS client trusts; null without `ssl`. */
  readonly ca: string | null
}

/** Why there is none here, or null. */
export function postgresMissing({ ssl = false }: PostgresOptions = {}): string | null {
  const why = missing('PostgreSQL', 'postgres', 'initdb')
  if (why !== null) return why
  const { user } = unprivileged()
  if (process.getuid!() === 0 && user === null) return 'PostgreSQL does not run as root, and there is no other user'
  return ssl ? missingCertificate() : null
}

const PASSWORD = 'correct horse'
const USER = 'asyncfd'

/** Starts one; takes about a second. Whoever started it stops it. */
export function startPostgres({ ssl = false, settings = {} }: PostgresOptions = {}): Promise<PostgresServer> {
  const { prefix, user: owner } = unprivileged()
  return withPort(async (port) => {
    const folder = ownFolder('asyncfd-pg', owner)
    const data = join(folder, 'data')
    const secret = join(folder, 'password')
    writeFileSync(secret, PASSWORD)
    if (owner !== null) execFileSync('chown', [owner, secret])
    const initdb = [program('initdb')!, '-D', data, '-U', USER, '-A', 'scram-sha-256', '--pwfile', secret]
    const quick = ['--no-sync', '--no-instructions', '--locale=C', '-E', 'UTF8']
    const [command, ...args] = [...prefix, ...initdb, ...quick]
    execFileSync(command!, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
    const certificate = ssl ? makeCertificate(folder, owner) : null
    const all = {
      port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: folder,
      fsync: 'off',
      max_connections: 30,
      shared_buffers: '16MB',
      dynamic_shared_memory_type: 'mmap', // shared memory is short in containers
      log_min_messages: 'warning', // what says that it is ready is a LOG, which comes all the same
      ...(certificate !== null && { ssl: 'on', ssl_cert_file: certificate.certFile, ssl_key_file: certificate.keyFile }),
      ...settings,
    }
    const { pid, stop } = await run({
      name: 'PostgreSQL',
      folder,
      prefix,
      command: [program('postgres')!, '-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      ready: /ready to accept connections/,
      signal: 'INT', // "fast": without waiting for clients
    })
    return {
      host: '127.0.0.1',
      port,
      socketPath: join(folder, `.s.PGSQL.${port}`),
      pid,
      user: USER,
      password: PASSWORD,
      database: 'postgres',
      ca: certificate?.cert ?? null,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  })
}
