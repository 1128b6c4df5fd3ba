/**
 * What the documents say is so: their examples compile, the programs among them run and print what stands below them,
 * their links lead somewhere.
 *
 * An example that imports what it uses is a program. Any other is a fragment: it may use the names of `asyncfd`,
 * `asyncfd/sys` (as `sys`) and the ones declared in FREE.
 *
 * Once: reads files and runs the compiler
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runtimeCommand } from './helpers/child.js'
import { brokenLinks, docExamples, documents, type Example, fencedExamples, root } from './helpers/documents.js'
import test from './helpers/test.js'

const run = promisify(execFile)
const folder = join(root, 'build/docs-examples')

const examples = [...documents.flatMap(fencedExamples), ...docExamples('src')]
const isProgram = ({ code }: Example) => /^import /m.test(code)
const nameOf = ({ file, line }: Example) => `${file.replace(/[^\w.]/g, '_')}-line-${line}`

const IMPORTS = `
import { spawn } from 'node:child_process'
import * as os from 'node:os'
import { Async, AsyncFd, AsyncFdError, ErrorCode, Interest, Ready, TimeoutError, WouldBlock, poll, reactor } from 'asyncfd'
import { Epoll, Poller } from 'asyncfd/compat'
import * as sys from 'asyncfd/sys'
`

/** What fragments of these two may use. */
const TIMERS = `
import { setTimeout } from 'asyncfd/timers'
import type { Socket } from 'node:net'
declare const socket: Socket
declare function hangUp(): void
`
const TIME = `
import { Sleep, Timer, clock, deadline, interval, sleep, timeout } from 'asyncfd/time'
import type { Socket } from 'node:net'
declare const socket: Socket, body: AsyncIterable<Buffer>, url: string
declare function upload(chunk: Buffer, options: { signal: AbortSignal }): Promise<void>
declare function report(due: number): void
`
/** What fragments of `asyncfd/net`, and of `Async`, may use. */
const NET = `
import { Async, WouldBlock } from 'asyncfd'
import * as net from 'asyncfd/net'
import * as sys from 'asyncfd/sys'
const { lookupHost, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream } = net
declare const async: Async, socket: Async, fd: number, buffer: Buffer, message: Buffer, header: Buffer
declare function serve(stream: unknown): Promise<void>
`
/** What fragments of `asyncfd/timeouts` may use: Node's modules and clients, by the names of their documentation. */
const TIMEOUTS = `
import * as http from 'node:http'
import * as https from 'node:https'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { connect, connectTls, createConnection, pgStream, setUserTimeout, TimeoutError, undiciConnector, withTimeouts } from 'asyncfd/timeouts'
import { AbstractConnector, Redis, type RedisOptions, SentinelConnector } from 'ioredis'
import * as mysql from 'mysql2/promise'
import nodemailer from 'nodemailer'
import pg, { Pool } from 'pg'
import { SocksClient } from 'socks'
import ssh2 from 'ssh2'
import * as undici from 'undici'
import { Agent, fetch } from 'undici'
import { WebSocket } from 'ws'
declare const socket: net.Socket, ca: string
`
/** What the guide to node-pty may use. */
const PTY = `
import { Async } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { type IPty, spawn } from '@lydell/node-pty'
`
/** What fragments may use without saying where it comes from; in `asyncfd/sys` descriptors are numbers. */
const FREE = `
declare const buffer: Buffer, header: Buffer, body: Buffer, message: Buffer
declare const master: number, slave: number, socket: number, listener: number, peer: number, watcher: number
declare const pid: number, pidfd: number, path: string
declare const signal: AbortSignal
declare function serve(peer: number): void
declare function drain(fd: number): void
`

function moduleOf(example: Example): string {
  if (isProgram(example)) return example.code
  const fd = /^src\/(sys|compat)\//.test(example.file) ? 'number' : 'AsyncFd'
  const { file } = example
  if (file === 'docs/guides/node-pty.md') return `${PTY}export async function example() {\n${example.code}}\n`
  if (/^(src\/timeouts\/|docs\/TIMEOUTS)/.test(file)) return `${TIMEOUTS}export async function example() {\n${example.code}}\n`
  if (/^src\/(io|net)\//.test(file) || /\b(Async|TcpStream|TcpListener|UnixStream|UdpSocket)\b/.test(example.code)) {
    return `${NET}export async function example() {\n${example.code}}\n`
  }
  const time = file.startsWith('src/time/') ? TIME : file.startsWith('src/timers/') ? TIMERS : FREE
  return `${IMPORTS}${time}declare const fd: ${fd}\nexport async function example() {\n${example.code}}\n`
}

const CONFIG = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    rootDir: '.',
    outDir: 'out',
    declaration: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    // Our declarations too, as for users who have them looked at.
    skipLibCheck: false,
  },
  include: ['*.ts'],
}

/** What the compiler says, by the name of the example. */
async function compile(): Promise<Map<string, string[]>> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG))
  for (const example of examples) writeFileSync(join(folder, `${nameOf(example)}.ts`), moduleOf(example))
  const said = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error)
  const errors = new Map<string, string[]>()
  let name = ''
  for (const line of said.stdout.split('\n').filter((text) => text !== '')) {
    // What is indented goes on about the line above it.
    if (!line.startsWith(' ')) name = /^([\w.-]+)\.ts\(/.exec(line)?.[1] ?? ''
    errors.set(name, [...(errors.get(name) ?? []), line])
  }
  return errors
}

let errors: Map<string, string[]>
test.serial.before('compile every example', async () => {
  errors = await compile()
})

test('the compiler was able to look at the examples', (t) => {
  t.true(examples.length > 40, `only ${examples.length} were found`)
  const names = new Set(examples.map(nameOf))
  t.deepEqual(
    [...errors].filter(([name]) => !names.has(name)),
    [],
  )
})

for (const file of new Set(examples.map((example) => example.file))) {
  test(`the examples in ${file} compile`, (t) => {
    const wrong = examples.filter((example) => example.file === file).flatMap((example) => errors.get(nameOf(example)) ?? [])
    t.deepEqual(wrong, [])
  })
}

const programs = examples.filter(isProgram)
for (const program of programs) {
  test(`the program in ${program.file}, line ${program.line}, runs and prints what it says`, async (t) => {
    const cwd = join(folder, `run-${nameOf(program)}`)
    mkdirSync(cwd)
    const [command, args] = runtimeCommand(join(folder, `out/${nameOf(program)}.js`))
    const { stdout } = await run(command, args, { cwd, timeout: 60_000 })
    if (program.prints !== undefined) t.is(stdout, program.prints)
    else t.pass()
  })
}

test('README has a program to begin with', (t) => {
  t.true(programs.some(({ file, prints }) => file === 'README.md' && prints !== undefined))
})

test('every link between documents leads to a file, and to a heading if it names one', (t) => {
  t.deepEqual(documents.flatMap(brokenLinks), [])
})

test('every code of our own errors is explained', (t) => {
  const semantics = readFileSync(join(root, 'docs/SEMANTICS.md'), 'utf8')
  const codes = [...readFileSync(join(root, 'src/errors.ts'), 'utf8').matchAll(/'(ERR_ASYNCFD_\w+)'/g)].map(
    (match) => match[1] ?? '',
  )
  t.true(codes.length > 0)
  t.deepEqual(
    codes.filter((code) => !semantics.includes(`\`${code}\``)),
    [],
  )
})
