/** Makes a module of a fragment: imports what it names, and what the world of its entry has by that name. */
import { worlds } from '../fixtures/examples/world.js'
import type { Example } from './documents.js'
import { type Export, entries, exportsOf } from './exports.js'

/** The entry of the package that a file is about. */
export function entryOf(file: string): string {
  const folder = /^src\/(\w+)\//.exec(file)?.[1] ?? (file === 'docs/TIMEOUTS.md' ? 'timeouts' : 'index')
  return entries.find((entry) => entry === folder) ?? 'index'
}

const worldOf = (entry: string) => (entry in worlds ? (entry as keyof typeof worlds) : 'index')

const all = new Map(entries.map((entry) => [entry, exportsOf(entry)]))

/** Modules that the fragments of a file may name, by the names of their own documentation. */
const MODULES: [files: RegExp, imports: string][] = [
  [/^src\/sys\//, `import { spawn } from 'node:child_process'\nimport * as os from 'node:os'\n`],
  [
    /^(src\/timeouts\/|docs\/TIMEOUTS)/,
    `import * as http from 'node:http'
import * as http2 from 'node:http2'
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
  ],
]

const packageOf = (entry: string) => (entry === 'index' ? 'asyncfd' : `asyncfd/${entry}`)

export function moduleOf({ file, code }: Example): string {
  const entry = entryOf(file)
  const words = new Set(code.match(/(?<![.\w])[A-Za-z_]\w*/g))
  const taken = new Set<string>()
  const imports = (from: string, exported: Export[]) => {
    const names = exported.filter(({ name }) => words.has(name) && !taken.has(name))
    for (const { name } of names) taken.add(name)
    const list = names.map(({ name, type }) => (type ? `type ${name}` : name)).join(', ')
    return list === '' ? '' : `import { ${list} } from '${packageOf(from)}'\n`
  }
  // Those of `asyncfd/sys` are named as `sys.read`. Documents may name everything that the others do not take from Node.
  const from: string[] = file.startsWith('src/') ? [entry, 'index'] : [entry, 'index', 'net', 'time', 'compat']
  const ours = from.filter((name) => name !== 'sys').map((name) => imports(name, all.get(name) ?? []))
  const world = worlds[worldOf(entry)]
  const given = [...words].filter((word) => word in world && !taken.has(word))
  const modules = MODULES.filter(([files]) => files.test(file)).map(([, imports]) => imports)
  return `${modules.join('')}${ours.join('')}import * as sys from 'asyncfd/sys'
import { worlds } from './world.js'
const world = worlds.${worldOf(entry)}
export async function example(): Promise<void> {
${given.map((name) => `  const ${name} = await world.${name}\n`).join('')}  {
${code}  }
}
`
}
