/**
 * A certificate for `localhost` that nobody has signed, made by the openssl program.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { missing } from './server.js'

export interface Certificate {
  /** PEM; also what a client trusts as its `ca`. */
  cert: string
  certFile: string
  keyFile: string
}

/** Why no certificate can be made here, or null. */
export const missingCertificate = (): string | null => missing('openssl', 'openssl')

/** Makes one in `folder`, whose files `user` may read. */
export function makeCertificate(folder: string, user: string | null): Certificate {
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' })
  if (user !== null) execFileSync('chown', [user, certFile, keyFile])
  return { cert: readFileSync(certFile, 'utf8'), certFile, keyFile }
}
