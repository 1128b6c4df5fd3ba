/**
 * Limits in socks: its `existing_socket` option, through a proxy of the test's own. What comes out of it is the same socket.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { connect, connectTls, type Phases, withTimeouts } from 'asyncfd/timeouts'
import { SocksClient, type SocksClientOptions } from 'socks'
import { cert, key } from './fixtures/certificate.js'
import { expires, gone, LIMIT, nothingLeft, tenLimits } from './helpers/clients.js'
import { onStoppedTime } from './helpers/clock.js'
import { ending, fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

/** Speaks SOCKS 5 without authentication; goes silent at a step. */
async function proxy(t: T, silentAt: 'greeting' | 'connect' | null = null): Promise<number> {
  const { port } = await serve(t, (socket) => {
    socket.once('data', () => {
      if (silentAt === 'greeting') return
      socket.write(Buffer.from([5, 0]))
      socket.once('data', (request) => {
        if (silentAt === 'connect') return
        const to = ending(t, net.connect(request.readUInt16BE(request.length - 2), '127.0.0.1'))
        to.on('connect', () => {
          socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]))
          socket.pipe(to).pipe(socket)
        })
      })
    })
  })
  return port
}

const through = (socket: Socket, port: number): SocksClientOptions => ({
  command: 'connect',
  proxy: { host: '127.0.0.1', port: 1080, type: 5 },
  destination: { host: '127.0.0.1', port },
  existing_socket: socket,
  timeout: 600_000,
})

async function connected(t: T, port: number, destination: number, phases: Phases): Promise<Socket> {
  const socket = ending(t, await connect({ host: '127.0.0.1', port }, { lookup: LIMIT, connect: LIMIT }))
  withTimeouts(socket, phases)
  let failure: Error | undefined
  socket.on('error', (error) => {
    failure = error
  })
  await SocksClient.createConnection(through(socket, destination)).catch((error: Error) => {
    // It takes over the message alone; the error is the socket's.
    t.is(failure?.message, error.message)
    throw failure
  })
  return socket
}

const echo = (t: T) => serve(t, (socket) => socket.pipe(socket))

onStoppedTime('socks: works, and a connection that waits for nothing stays; a request that gets no byte ends it', async (t) => {
  let silent = false
  const { port } = await serve(t, (socket) => socket.on('data', (data) => void (silent || socket.write(data))))
  const socket = await connected(t, await proxy(t), port, { response: LIMIT, write: LIMIT })
  for (let i = 0; i < 3; i++) {
    const answer = once(socket, 'data')
    socket.write(`${i}`)
    t.is(String((await answer)[0]), `${i}`)
    await tenLimits()
  }
  silent = true
  const failed = once(socket, 'end')
  socket.write('x')
  await expires(t, failed, 'response')
  await gone(t, socket)
})

onStoppedTime('socks: a proxy that goes silent', async (t) => {
  const { port } = await echo(t)
  for (const silentAt of ['greeting', 'connect'] as const) {
    const limited = await proxy(t, silentAt)
    for (const phase of ['response', 'idle', 'total'] as const) {
      const work = connected(t, limited, port, { [phase]: LIMIT })
      await expires(t, work, phase)
    }
  }
})

onStoppedTime('socks: a proxy that cannot be connected to', async (t) => {
  const { port } = await fullListener(t)
  await expires(t, connected(t, port, 1, {}), 'connect')
})

onStoppedTime('socks: TLS through the proxy: its limits are those of a socket of its own', async (t) => {
  const server = tls.createServer({ cert, key }, (socket) => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const socket = await connected(t, await proxy(t), (server.address() as net.AddressInfo).port, { response: LIMIT })
  const secured = ending(t, await connectTls({ socket, ca: cert, host: 'localhost' }, { secureConnect: LIMIT, response: LIMIT }))
  for (let i = 0; i < 3; i++) {
    const answer = once(secured, 'data')
    secured.write(`${i}`)
    t.is(String((await answer)[0]), `${i}`)
    await tenLimits()
  }
  const silent = await serve(t, (peer) => peer.resume())
  const other = await connected(t, await proxy(t), silent.port, {})
  const work = connectTls({ socket: other, ca: cert, host: 'localhost' }, { secureConnect: LIMIT })
  await expires(t, work, 'secureConnect')
})
