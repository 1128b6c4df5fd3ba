/** Makes a module of a fragment: imports what it names, and what the world of its entry has by that name. */
import { worlds } from '../fixtures/examples/world.js'
import type { Example } from './documents.js'
import { type Entry, type Export, entries, exportsOf } from './exports.js'

/** The entry of the package that a file is about. */
export function entryOf(file: string): Entry {
  const folder = /^src\/(\w+)\//.exec(file)?.[1] ?? (file === 'docs/TIMEOUTS.md' ? 'timeouts' : 'index')
  return entries.find((entry) => entry === folder) ?? 'index'
}

const all = new Map(entries.map((entry) => [entry, exportsOf(entry)]))

/** Modules that fragments may name, by the names of their own documentation. */
const MODULES: Record<Entry, string> = {
  index: '',
  net: '',
  sys: `import { spawn } from 'node:child_process'\nimport * as os from 'node:os'\n`,
  time: '',
  timers: '',
  compat: '',
  timeouts: `import * as http from 'node:http'
import * as https from 'node:https'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { AbstractConnector, Redis, type RedisOptions, SentinelConnector } from 'ioredis'
import * as mysql from 'mysql2/promise'
import nodemailer from 'nodemailer'
import pg, { Pool } from 'pg'
import { SocksClient } from 'socks'
import ssh2 from 'ssh2'
import * as undici from 'undici'
import { Agent, fetch } from 'undici'
import { WebSocket } from 'ws'
`,
}

const PACKAGE = (entry: Entry) => (entry === 'index' ? 'asyncfd' : `asyncfd/${entry}`)

export function moduleOf({ file, code }: Example): string {
  const entry = entryOf(file)
  const words = new Set(code.match(/(?<![.\w])[A-Za-z_]\w*/g))
  const taken = new Set<string>()
  const imports = (from: Entry, exported: Export[]) => {
    const names = exported.filter(({ name }) => words.has(name) && !taken.has(name))
    for (const { name } of names) taken.add(name)
    const list = names.map(({ name, type }) => (type ? `type ${name}` : name)).join(', ')
    return list === '' ? '' : `import { ${list} } from '${PACKAGE(from)}'\n`
  }
  // Those of `asyncfd/sys` are named as `sys.read`. Documents may name everything that the others do not take from Node.
  const from: Entry[] = file.startsWith('src/') ? [entry, 'index'] : [entry, 'index', 'net', 'time']
  const ours = from.filter((name) => name !== 'sys').map((name) => imports(name, all.get(name)!))
  const world = worlds[entry]
  const given = [...words].filter((word) => word in world && !taken.has(word))
  return `${MODULES[entry]}${ours.join('')}import * as sys from 'asyncfd/sys'
import { worlds } from './world.js'
export async function example(): Promise<void> {
${given.map((name) => `  const ${name} = await worlds.${entry}.${name}\n`).join('')}  {
${code}  }
}
`
}
