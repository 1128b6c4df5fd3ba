/**
 * Limits in ssh2: its `sock` option. The server is ssh2's own.
 *
 * Portable: bun, deno
 */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, type Phases } from 'asyncfd/timeouts'
import ssh2, { type Connection } from 'ssh2'
import { expires, gone, LIMIT, nothingLeft, tenLimits } from './helpers/clients.js'
import { onStoppedTime } from './helpers/clock.js'
import { fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})

/** A server that lets everybody in, and answers to `exec` with the command; to `sleep` with nothing, and to `deaf` it stops reading. */
async function sshServer(t: T): Promise<number> {
  const clients = new Set<Connection>()
  const server = new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
    clients.add(client)
    client.on('error', () => {})
    client.on('close', () => clients.delete(client))
    client.on('authentication', (context) => context.accept())
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        if (command === 'sleep') return
        const stream = acceptExec()
        if (command === 'drip') {
          const drip = setInterval(() => stream.write('x'), 1)
          client.on('close', () => clearInterval(drip))
          return
        }
        stream.end(command)
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const client of clients) client.end()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return (server.address() as AddressInfo).port
}

/** A client over a socket with limits. Its promise rejects with the error that ended it. */
async function client(t: T, port: number, phases: Phases) {
  const sock: Socket = await connect({ host: '127.0.0.1', port }, phases)
  const ssh = new ssh2.Client()
  const failure = new Promise<never>((_, reject) => ssh.on('error', reject))
  failure.catch(() => {})
  t.teardown(() => ssh.destroy())
  const ready = once(ssh, 'ready')
  ready.catch(() => {})
  ssh.connect({ sock, username: 'me', password: 'secret', readyTimeout: 0 })
  const exec = async (command: string) => {
    await ready
    return new Promise<string>((resolve, reject) =>
      ssh.exec(command, (error, stream) => {
        if (error !== undefined) return reject(error)
        let text = ''
        stream.on('data', (chunk: Buffer) => {
          text += chunk
        })
        stream.on('close', () => resolve(text))
      }),
    )
  }
  return { sock, ssh, failure, exec }
}

const ALL: Phases = { lookup: LIMIT, connect: LIMIT, response: LIMIT, write: LIMIT }
const quietly = (work: Promise<unknown>) => void work.catch(() => {})

onStoppedTime('ssh2: works; a command that gets no byte ends the connection', async (t) => {
  const { sock, exec, failure } = await client(t, await sshServer(t), ALL)
  for (let i = 0; i < 10; i++) t.is(await exec(`echo ${i}`), `echo ${i}`)
  quietly(exec('sleep'))
  await expires(t, failure, 'response')
  await gone(t, sock)
})

onStoppedTime(
  'ssh2: a response limit is not for a session that rests, as its last word is its own and gets no answer',
  async (t) => {
    const { sock, exec, failure } = await client(t, await sshServer(t), ALL)
    t.is(await exec('echo'), 'echo')
    await expires(t, failure, 'response')
    await gone(t, sock)
    const without = await client(t, await sshServer(t), { connect: LIMIT, write: LIMIT, idle: 20 * LIMIT })
    for (let i = 0; i < 3; i++) {
      t.is(await without.exec('echo'), 'echo')
      await tenLimits()
    }
    t.false(without.sock.destroyed)
  },
)

onStoppedTime('ssh2: a server that does not greet', async (t) => {
  const { port } = await serve(t, (socket) => socket.resume())
  for (const phase of ['response', 'idle', 'read', 'total'] as const) {
    const { sock, failure } = await client(t, port, { [phase]: LIMIT })
    await expires(t, failure, phase)
    await gone(t, sock)
  }
})

onStoppedTime('ssh2: idle while a command runs, and total against one that drips', async (t) => {
  const port = await sshServer(t)
  const idle = await client(t, port, { idle: LIMIT })
  quietly(idle.exec('sleep'))
  await expires(t, idle.failure, 'idle')
  const total = await client(t, port, { total: LIMIT })
  quietly(total.exec('drip'))
  await expires(t, total.failure, 'total')
})

onStoppedTime('ssh2: a server that reads nothing', async (t) => {
  let peer: Socket | undefined
  const { port } = await serve(t, (socket) => {
    peer = socket
    socket.resume()
  })
  const { sock, failure } = await client(t, port, { write: LIMIT })
  peer!.pause()
  sock.write(Buffer.alloc(20_000_000))
  await expires(t, failure, 'write')
})

onStoppedTime('ssh2: connect and lookup', async (t) => {
  const { port } = await fullListener(t)
  await expires(t, client(t, port, ALL), 'connect')
  await expires(t, connect({ host: 'silent.example', port: 22, lookup: () => {} }, ALL), 'lookup')
})
