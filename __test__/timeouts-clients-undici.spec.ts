/**
 * Limits in undici: its dispatchers with a connector of ours.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { type Phases, type UndiciConnectOptions, undiciConnector } from 'asyncfd/timeouts'
// By its file: 'undici' alone is Bun's own there, which takes no `connect` function.
import { Agent, errors, fetch, Pool, request } from 'undici/index.js'
import { cert, key } from './fixtures/certificate.js'
import { expires, gone, halfWay, LIMIT, nothingLeft, tenLimits, timeoutIn, writesWait } from './helpers/clients.js'
import { onStoppedTime } from './helpers/clock.js'
import { folder } from './helpers/fixtures.js'
import { fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

async function web(t: T, secure: boolean, handler: http.RequestListener, path?: string): Promise<string> {
  const server = secure ? https.createServer({ cert, key }, handler) : http.createServer(handler)
  server.keepAliveTimeout = 0
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  t.teardown(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  return `${secure ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port ?? 1}`
}

/** An Agent with limits, and the sockets that were made for it. */
function agent(t: T, phases: Phases, options?: UndiciConnectOptions): { dispatcher: Agent; made: Socket[] } {
  const made: Socket[] = []
  const connector = undiciConnector(phases, { ca: cert, ...options })
  const dispatcher = new Agent({
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 600_000,
    connect: (to, callback) =>
      connector(to, (...[error, socket]) => {
        if (socket === null) return callback(error as Error, null)
        made.push(socket)
        callback(null, socket)
      }),
  })
  t.teardown(() => dispatcher.destroy())
  return { dispatcher, made }
}

const ask = async (url: string, dispatcher: Agent | Pool, body?: Buffer) => {
  const answer = await request(url, { dispatcher, ...(body !== undefined && { method: 'POST', body }) })
  return answer.body.text()
}

const never = () => {}
const connecting: Phases = { lookup: LIMIT, connect: LIMIT, secureConnect: LIMIT }

for (const secure of [false, true]) {
  const kind = secure ? 'https' : 'http'

  onStoppedTime(`undici over ${kind}: works, keeps its connection, and begins afresh with each request`, async (t) => {
    let silent = false
    const url = await web(t, secure, (request, response) => {
      if (!silent) request.resume().on('end', () => response.end(request.url))
    })
    const { dispatcher, made } = agent(t, { ...connecting, response: LIMIT, write: LIMIT })
    for (let i = 0; i < 3; i++) {
      t.is(await ask(`${url}/${i}`, dispatcher, i === 1 ? Buffer.alloc(1_000_000) : undefined), `/${i}`)
      await tenLimits()
    }
    t.is(made.length, 1)
    silent = true
    await expires(t, ask(url, dispatcher), 'response')
    await gone(t, made[0]!)
    silent = false
    t.is(await (await fetch(`${url}/fetch`, { dispatcher })).text(), '/fetch')
    t.is(made.length, 2)
  })

  onStoppedTime(`undici over ${kind}: limits of connecting are its own UND_ERR_CONNECT_TIMEOUT`, async (t) => {
    const { port } = await fullListener(t)
    const { dispatcher, made } = agent(t, connecting, { lookup: never })
    const mapped = (error: Error) => {
      t.true(error instanceof errors.ConnectTimeoutError)
      t.true(error instanceof errors.UndiciError)
      t.like(error, { name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' })
      t.is(error.cause, timeoutIn(error))
    }
    mapped(await expires(t, ask(`${kind}://silent.example`, dispatcher), 'lookup'))
    const error = await expires(t, ask(`${kind}://127.0.0.1:${port}`, dispatcher), 'connect')
    mapped(error)
    t.deepEqual(timeoutIn(error)!.attempts, [{ address: '127.0.0.1', port }])
    if (secure) {
      const silent = await serve(t, (socket) => socket.resume())
      mapped(await expires(t, ask(`https://127.0.0.1:${silent.port}`, dispatcher), 'secureConnect'))
    }
    const fetching = fetch(`${kind}://127.0.0.1:${port}`, { dispatcher })
    const failed = await expires(t, fetching, 'connect')
    t.is(failed.message, 'fetch failed')
    mapped(failed.cause as Error)
    t.is(made.length, 0)
  })

  onStoppedTime(`undici over ${kind}: a peer that reads nothing, that goes silent half-way, that drips`, async (t) => {
    const url = await web(t, secure, halfWay)
    if (writesWait(secure)) await expires(t, ask(url, agent(t, { write: LIMIT }).dispatcher, Buffer.alloc(30_000_000)), 'write')
    await expires(t, ask(url, agent(t, { read: LIMIT }).dispatcher), 'read')
    await expires(t, ask(url, agent(t, { idle: LIMIT }).dispatcher), 'idle')
    await expires(t, ask(`${url}/drip`, agent(t, { total: LIMIT }).dispatcher), 'total')
  })
}

onStoppedTime('undici: what is no limit stays as it is, and options of connecting are obeyed', async (t) => {
  const path = join(folder(t), 'web.sock')
  const url = await web(t, false, (request, response) => response.end(request.headers.host), path)
  t.is(await ask(url, agent(t, connecting, { socketPath: path }).dispatcher), new URL(url).host)
  const looked: string[] = []
  const lookup: UndiciConnectOptions['lookup'] = (name, _, callback) => {
    looked.push(name)
    callback(null, [{ address: '127.0.0.1', family: 4 }])
  }
  const other = await web(t, false, (_, response) => response.end('by name'))
  const { dispatcher } = agent(t, connecting, { lookup })
  t.is(await ask(`http://web.example:${new URL(other).port}`, dispatcher), 'by name')
  t.deepEqual(looked, ['web.example'])
  const untrusted = await web(t, true, (_, response) => response.end())
  const error = await t.throwsAsync(ask(untrusted, agent(t, connecting, { ca: [] }).dispatcher))
  t.is((error as NodeJS.ErrnoException).code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
})

onStoppedTime('undici: sessions of TLS are kept, and HTTP/2 is spoken where it is allowed', async (t) => {
  const reused: boolean[] = []
  const server = http2.createSecureServer({ cert, key, allowHTTP1: true }, (request, response) => {
    reused.push((request.socket as unknown as { isSessionReused(): boolean }).isSessionReused())
    response.end(request.httpVersion)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  const connect = undiciConnector(connecting, { ca: cert, host: '127.0.0.1' } as UndiciConnectOptions)
  for (let i = 0; i < 2; i++) {
    const pool = new Pool(url, { connect, connections: 1 })
    t.is(await ask(url, pool), '1.1')
    await pool.destroy()
  }
  // Deno resumes no session.
  t.deepEqual(reused, [false, !('deno' in process.versions)])
  const { dispatcher } = agent(t, connecting, { allowH2: true })
  t.is(await ask(url, dispatcher), '2.0')
})
