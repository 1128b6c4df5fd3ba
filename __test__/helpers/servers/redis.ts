/**
 * A Redis server that keeps nothing.
 *
 * @module
 */
import { join } from 'node:path'
import { makeCertificate, missingCertificate } from './certificate.js'
import { freePort, missing, ownFolder, program, type RunningServer, run, withPort } from './server.js'

export interface RedisOptions {
  /** Whether it speaks TLS, on a port of its own. */
  ssl?: boolean
  /** What clients have to say first. */
  password?: string
}

export interface RedisServer extends RunningServer {
  readonly password: string | null
  readonly tlsPort: number | null
  /** What a TLS client trusts; null without `ssl`. */
  readonly ca: string | null
}

/** Why there is none here, or null. */
export function redisMissing({ ssl = false }: RedisOptions = {}): string | null {
  return missing('Redis', 'redis-server') ?? (ssl ? missingCertificate() : null)
}

/** Starts one; takes a moment. Whoever started it stops it. */
export function startRedis({ ssl = false, password }: RedisOptions = {}): Promise<RedisServer> {
  return withPort(async (port) => {
    const folder = ownFolder('asyncfd-redis', null)
    const socketPath = join(folder, 'redis.sock')
    const certificate = ssl ? makeCertificate(folder, null) : null
    const tlsPort = certificate === null ? null : await freePort()
    const settings: Record<string, string | number> = {
      bind: '127.0.0.1',
      port,
      unixsocket: socketPath,
      dir: folder,
      save: '',
      appendonly: 'no',
      daemonize: 'no',
      ...(password !== undefined && { requirepass: password }),
      ...(certificate !== null && {
        'tls-port': tlsPort!,
        'tls-cert-file': certificate.certFile,
        'tls-key-file': certificate.keyFile,
        'tls-ca-cert-file': certificate.certFile,
        'tls-auth-clients': 'no',
      }),
    }
    const { pid, stop } = await run({
      name: 'Redis',
      folder,
      command: [program('redis-server')!, ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])],
      ready: /Ready to accept connections/i,
      signal: 'TERM',
    })
    return {
      host: '127.0.0.1',
      port,
      socketPath,
      pid,
      password: password ?? null,
      tlsPort,
      ca: certificate?.cert ?? null,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  })
}
