/**
 * A MariaDB server with data of its own.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCertificate, missingCertificate } from './certificate.js'
import { missing, ownFolder, program, type RunningServer, run, withPort } from './server.js'

export interface MariadbOptions {
  /** Whether it speaks TLS, beside plain connections. */
  ssl?: boolean
}

export interface MariadbServer extends RunningServer {
  readonly user: string
  readonly password: string
  readonly database: string
  /** What a TLS client trusts; null without `ssl`. */
  readonly ca: string | null
}

/** Why there is none here, or null. */
export function mariadbMissing({ ssl = false }: MariadbOptions = {}): string | null {
  return missing('MariaDB', 'mariadbd', 'mariadb-install-db', 'my_print_defaults') ?? (ssl ? missingCertificate() : null)
}

const PASSWORD = 'correct horse'
const USER = 'asyncfd'

/** Starts one; takes a few seconds. Whoever started it stops it. */
export function startMariadb({ ssl = false }: MariadbOptions = {}): Promise<MariadbServer> {
  return withPort(async (port) => {
    const folder = ownFolder('asyncfd-maria', null)
    const data = join(folder, 'data')
    const socketPath = join(folder, 'mariadb.sock')
    const user = process.getuid!() === 0 ? ['--user=root'] : []
    const own = [`--tmpdir=${folder}`] // what two at a time put into the same one collides
    const quick = ['--innodb-log-file-size=4M', '--innodb-buffer-pool-size=8M', '--innodb-flush-log-at-trx-commit=0']
    execFileSync(
      program('mariadb-install-db')!,
      [
        '--no-defaults',
        `--datadir=${data}`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        ...user,
        ...quick,
        ...own,
      ],
      { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const init = join(folder, 'init.sql')
    writeFileSync(
      init,
      `CREATE DATABASE ${USER}; CREATE USER '${USER}'@'%' IDENTIFIED BY '${PASSWORD}'; GRANT ALL ON ${USER}.* TO '${USER}'@'%';`.replaceAll(
        '; ',
        ';\n',
      ),
    )
    const certificate = ssl ? makeCertificate(folder, null) : null
    const tls = certificate === null ? [] : [`--ssl-cert=${certificate.certFile}`, `--ssl-key=${certificate.keyFile}`]
    const where = [`--port=${port}`, '--bind-address=127.0.0.1', '--skip-name-resolve', `--socket=${socketPath}`]
    const files = [`--datadir=${data}`, `--init-file=${init}`, `--pid-file=${join(folder, 'pid')}`]
    const { pid, stop } = await run({
      name: 'MariaDB',
      folder,
      command: [program('mariadbd')!, '--no-defaults', ...files, ...where, ...user, ...quick, ...own, ...tls],
      ready: /ready for connections/,
      signal: 'TERM',
    })
    return {
      host: '127.0.0.1',
      port,
      socketPath,
      pid,
      user: USER,
      password: PASSWORD,
      database: USER,
      ca: certificate?.cert ?? null,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  })
}
