#!/usr/bin/env node
/**
 * Installs the servers that some tests talk to (PostgreSQL, Redis, MariaDB), where that can be done: on Debian and its like, as root.
 * Their services are not started: each test starts a server of its own, on a free port. Elsewhere this does nothing, and those tests
 * are skipped and say why. CI calls it; a person may.
 *
 *   node scripts/servers.mjs
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { run, tail } from './run.mjs'

/** Programs, and the Debian packages that have them. */
const NEEDED = {
  postgres: 'postgresql',
  'redis-server': 'redis-server',
  mariadbd: 'mariadb-server-core', // the program alone, without a service
  my_print_defaults: 'mariadb-client-core', // which makes its first data
  openssl: 'openssl',
}
const SECONDS = 300

function has(program) {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : []
  const places = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    ...versions.map((name) => `/usr/lib/postgresql/${name}/bin`),
  ]
  return places.some((place) => existsSync(join(place, program)))
}

/** Asked by packages whether their services may be started; 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d'

async function withoutServices(work) {
  if (existsSync(POLICY)) return work()
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return await work()
  } finally {
    rmSync(POLICY, { force: true })
  }
}

const apt = (...args) =>
  run('apt-get', ['-y', '-o', 'DPkg::Lock::Timeout=60', ...args], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    seconds: SECONDS,
  })

/** Installs what is missing and can be had. Nothing depends on it: what goes wrong is told, and the tests are skipped. */
export async function installServers() {
  const missing = Object.keys(NEEDED).filter((program) => !has(program))
  if (missing.length === 0) return
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || !has('apt-get')) {
    console.log(`servers: ${missing.join(', ')} cannot be installed here; tests that need them are skipped`)
    return
  }
  const from = Date.now()
  const packages = missing.map((program) => NEEDED[program])
  process.stdout.write(`servers: installing ${packages.join(', ')} ... `)
  const install = () => withoutServices(() => apt('install', '--no-install-recommends', ...packages))
  let result = await install()
  if (result.code !== 0) {
    await apt('update') // there are no lists of packages, or old ones
    result = await install()
  }
  process.stdout.write(`${((Date.now() - from) / 1000).toFixed(1)} s\n`)
  if (result.code !== 0) console.log(`servers: that failed; tests that need them are skipped\n${tail(result.output, 15)}`)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await installServers()
