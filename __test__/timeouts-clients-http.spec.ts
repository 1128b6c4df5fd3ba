/**
 * Limits in node:http and node:https: agents that keep connections alive, and `createConnection` of one request.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import { createConnection, type Phases } from 'asyncfd/timeouts'
import { cert, key } from './fixtures/certificate.js'
import { expires, gone, HTTP_RETRIES, halfWay, LIMIT, nothingLeft, tenLimits, until, writesWait } from './helpers/clients.js'
import { onStoppedTime, pass } from './helpers/clock.js'
import { fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

/** A server of http or https, which ends with the test. */
async function web(t: T, secure: boolean, handler: http.RequestListener): Promise<number> {
  const server = secure ? https.createServer({ cert, key }, handler) : http.createServer(handler)
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  return (server.address() as AddressInfo).port
}

/** An agent with limits, and the sockets that it made. */
function agent(t: T, secure: boolean, phases: Phases): { agent: http.Agent; made: Socket[] } {
  const made: Socket[] = []
  const agent = secure ? new https.Agent({ keepAlive: true, ca: cert }) : new http.Agent({ keepAlive: true })
  const limited = createConnection(phases)
  agent.createConnection = function (this: http.Agent, ...args) {
    const socket = limited.apply(this, args as Parameters<typeof limited>)
    made.push(socket)
    return socket
  }
  t.teardown(() => agent.destroy())
  return { agent, made }
}

interface Answer {
  text: string
  socket: Socket
}

/** Asks, and reads the answer to its end. */
function ask(secure: boolean, options: RequestOptions, body: Buffer | string = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request({ host: '127.0.0.1', method: body === '' ? 'GET' : 'POST', ...options })
    request.on('error', reject)
    request.on('response', async (response: IncomingMessage) => {
      try {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ text, socket: request.socket as Socket })
      } catch {
        // The request is told why.
      }
    })
    request.end(body)
  })
}

const never = () => {}

for (const secure of [false, true]) {
  const kind = secure ? 'https.Agent' : 'http.Agent'

  onStoppedTime(`${kind}: works, keeps its connection, and begins afresh with each request`, async (t) => {
    let silent = false
    const port = await web(t, secure, (request, response) => {
      if (!silent) request.resume().on('end', () => response.end(request.url))
    })
    const { agent: own, made } = agent(t, secure, {
      lookup: LIMIT,
      connect: LIMIT,
      secureConnect: LIMIT,
      response: LIMIT,
      write: LIMIT,
    })
    for (let i = 0; i < 3; i++) {
      const { text } = await ask(secure, { agent: own, port, path: `/${i}` }, i === 1 ? Buffer.alloc(1_000_000) : '')
      t.is(text, `/${i}`)
      await tenLimits()
    }
    t.is(made.length, 1)
    t.false(made[0]!.destroyed, 'ten limits of waiting for nothing')
    silent = true
    await expires(t, ask(secure, { agent: own, port }), 'response')
    await gone(t, made[0]!)
    silent = false
    t.is((await ask(secure, { agent: own, port, path: '/again' })).text, '/again')
    t.is(made.length, 2 + HTTP_RETRIES)
  })

  onStoppedTime(`${kind}: lookup, connect, TLS handshake`, async (t) => {
    const { agent: own, made } = agent(t, secure, { lookup: LIMIT, connect: LIMIT, secureConnect: LIMIT })
    await expires(t, ask(secure, { agent: own, host: 'silent.example', port: 1, lookup: never }), 'lookup')
    const { port } = await fullListener(t)
    const error = await expires(t, ask(secure, { agent: own, port }), 'connect')
    t.like(error, { address: '127.0.0.1', port })
    if (secure) {
      const silent = await serve(t, (socket) => socket.resume())
      await expires(t, ask(secure, { agent: own, port: silent.port }), 'secureConnect')
    }
    for (const socket of made) await gone(t, socket)
    t.deepEqual(own.sockets, Object.create(null))
  })

  onStoppedTime(`${kind}: a peer that reads nothing, that goes silent half-way, that drips`, async (t) => {
    const port = await web(t, secure, halfWay)
    const write = agent(t, secure, { write: LIMIT })
    if (writesWait(secure)) await expires(t, ask(secure, { agent: write.agent, port }, Buffer.alloc(30_000_000)), 'write')
    const read = agent(t, secure, { read: LIMIT })
    await expires(t, ask(secure, { agent: read.agent, port }), 'read')
    const idle = agent(t, secure, { idle: LIMIT })
    await expires(t, ask(secure, { agent: idle.agent, port }), 'idle')
    const total = agent(t, secure, { total: LIMIT })
    await expires(t, ask(secure, { agent: total.agent, port, path: '/drip' }), 'total')
  })

  onStoppedTime(
    `${kind}: a pooled connection that an idle limit ends is not used again, and nobody is told of an error`,
    async (t) => {
      const port = await web(t, secure, (request, response) => response.end(request.url))
      const { agent: own, made } = agent(t, secure, { idle: LIMIT })
      t.is((await ask(secure, { agent: own, port, path: '/1' })).text, '/1')
      await pass(1.2 * LIMIT, 2)
      await until(() => made[0]!.closed)
      t.is((await ask(secure, { agent: own, port, path: '/2' })).text, '/2')
      t.is(made.length, 2)
    },
  )

  onStoppedTime(`${secure ? 'https' : 'http'}.request: createConnection of one request`, async (t) => {
    let silent = false
    const port = await web(t, secure, (request, response) => {
      if (!silent) response.end(request.url)
    })
    const limited = createConnection({ lookup: LIMIT, connect: LIMIT, secureConnect: LIMIT, response: LIMIT })
    const made: Socket[] = []
    const own = function (this: unknown, ...args: Parameters<typeof limited>) {
      const socket = limited.apply(this, args)
      made.push(socket)
      return socket
    }
    const options = { port, createConnection: own, ca: cert, path: '/one' }
    const { text, socket } = await ask(secure, options)
    t.is(text, '/one')
    t.is(socket instanceof tls.TLSSocket, secure)
    silent = true
    await expires(t, ask(secure, options), 'response')
    await expires(t, ask(secure, { ...options, host: 'silent.example', lookup: never }), 'lookup')
    await expires(t, ask(secure, { ...options, port: (await fullListener(t)).port }), 'connect')
    if (secure) {
      const mute = await serve(t, (socket: Duplex) => socket.resume())
      await expires(t, ask(secure, { ...options, port: mute.port }), 'secureConnect')
    }
    for (const socket of made) await gone(t, socket)
  })
}

onStoppedTime("http.Agent: the client's own timeout and ours, each by itself", async (t) => {
  const port = await web(t, false, () => {})
  const { agent: own } = agent(t, false, { response: LIMIT })
  let warned = 0
  const request = http.get({ host: '127.0.0.1', port, agent: own, timeout: 10 })
  request.on('timeout', () => warned++)
  await until(() => warned > 0)
  request.socket!.setTimeout(0)
  await expires(t, once(request, 'response'), 'response')
})
