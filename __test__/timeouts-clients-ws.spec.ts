/**
 * Limits in ws: its `createConnection` option. It takes every timeout of Node's away from its socket, and some listeners.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createConnection, type Phases } from 'asyncfd/timeouts'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import { cert, key } from './fixtures/certificate.js'
import { expires, gone, LIMIT, nothingLeft, tenLimits, writesWait } from './helpers/clients.js'
import { onStoppedTime, turns } from './helpers/clock.js'
import { fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

function end(server: WebSocketServer): void {
  for (const socket of server.clients) socket.terminate()
  server.close()
}

/** A server that hands over what it accepts. */
async function sockets(t: T, secure: boolean, onSocket: (socket: WebSocket) => void): Promise<string> {
  if (!secure) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    server.on('connection', onSocket)
    await once(server, 'listening')
    t.teardown(() => end(server))
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const web = https.createServer({ cert, key })
  const server = new WebSocketServer({ server: web })
  server.on('connection', onSocket)
  web.listen(0, '127.0.0.1')
  await once(web, 'listening')
  t.teardown(() => {
    end(server)
    web.close()
  })
  return `wss://127.0.0.1:${(web.address() as AddressInfo).port}`
}

/** A client with limits, and the socket it was given. */
function client(t: T, url: string, phases: Phases, options: ClientOptions = {}) {
  const made: Socket[] = []
  const limited = createConnection(phases)
  let reject: (error: Error) => void = () => {}
  const failure = new Promise<never>((_, rejected) => {
    reject = rejected
  })
  // Once it is open, ws tells nobody of errors of its socket; it closes with code 1006.
  const own = (options: object) => {
    const socket = limited(options).on('error', reject)
    made.push(socket)
    return socket
  }
  const socket = new WebSocket(url, { ca: cert, ...options, createConnection: own as typeof limited })
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  socket.on('error', () => {})
  failure.catch(() => {})
  t.teardown(() => socket.terminate())
  return { socket, made, failure, closed }
}

const ALL: Phases = { lookup: LIMIT, connect: LIMIT, secureConnect: LIMIT, response: LIMIT, write: LIMIT }

for (const secure of [false, true]) {
  const kind = secure ? 'ws over TLS' : 'ws'

  onStoppedTime(`${kind}: works, and a quiet connection stays; a message that gets no answer ends it`, async (t) => {
    let silent = false
    const url = await sockets(t, secure, (peer) => peer.on('message', (data) => void (silent || peer.send(data))))
    const { socket, made, failure, closed } = client(t, url, ALL)
    await once(socket, 'open')
    t.is(made[0]!.timeout, 0, 'ws has taken its timeouts away')
    for (let i = 0; i < 3; i++) {
      const message = once(socket, 'message')
      socket.send(Buffer.alloc(300_000 * i, 'x'))
      t.is(((await message)[0] as Buffer).length, 300_000 * i)
      await tenLimits()
    }
    silent = true
    socket.send('x')
    await expires(t, failure, 'response')
    t.is(await closed, 1006)
    await gone(t, made[0]!)
  })

  onStoppedTime(`${kind}: lookup, connect, handshake, and a server that does not upgrade`, async (t) => {
    const scheme = secure ? 'wss' : 'ws'
    const { port } = await fullListener(t)
    await expires(t, client(t, `${scheme}://127.0.0.1:${port}`, ALL).failure, 'connect')
    await expires(t, client(t, `${scheme}://silent.example`, ALL, { lookup: () => {} } as ClientOptions).failure, 'lookup')
    const silent = await serve(t, (socket) => socket.resume())
    const { failure, made } = client(t, `${scheme}://127.0.0.1:${silent.port}`, ALL)
    await expires(t, failure, secure ? 'secureConnect' : 'response')
    await gone(t, made[0]!)
  })

  onStoppedTime(`${kind}: idle, read, total and a peer that reads nothing`, async (t) => {
    let peer: WebSocket | undefined
    const url = await sockets(t, secure, (socket) => {
      peer = socket
    })
    for (const phase of ['idle', 'read', 'total', 'write'] as const) {
      if (phase === 'write' && !writesWait(secure)) continue
      const { socket, failure } = client(t, url, { [phase]: LIMIT })
      if (phase === 'total') {
        await expires(t, failure, phase, () => peer?.send('drip'))
        continue
      }
      await once(socket, 'open')
      await turns()
      if (phase === 'write') {
        peer!.pause()
        socket.send(Buffer.alloc(30_000_000))
      }
      await expires(t, failure, phase)
    }
  })
}
