/**
 * Limits in HTTP/2: `createConnection` of `http2.connect`, and connections that were there before. A session reads and writes past the
 * stream of its socket.
 *
 * Portable: bun, deno
 */
import { once } from 'node:events'
import http2, { type ClientHttp2Session, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { connect, connectTls, createConnection, type Phases, withTimeouts } from 'asyncfd/timeouts'
import { cert, key } from './fixtures/certificate.js'
import { expires, gone, LIMIT, nothingLeft, tenLimits } from './helpers/clients.js'
import { onStoppedTime, pass, turns } from './helpers/clock.js'
import { fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

/** A server that answers as `onStream` does. */
async function sessions(t: T, secure: boolean, onStream: (stream: ServerHttp2Stream) => void): Promise<number> {
  const server = secure ? http2.createSecureServer({ cert, key }) : http2.createServer()
  const open = new Set<{ destroy(): void }>()
  server.on('session', (session) => void open.add(session.on('error', () => {})))
  ;(server as Http2Server).on('stream', (stream) => onStream(stream.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of open) session.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A session, and what it fails with. */
function client(t: T, secure: boolean, port: number, make: (...args: [URL, object]) => Socket) {
  const made: Socket[] = []
  const own = (authority: URL, options: object) => {
    made.push(make(authority, options))
    return made[0]!
  }
  const session = http2.connect(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`, { ca: cert, createConnection: own })
  const failure = once(session, 'close').then(() => Promise.reject(error))
  let error: unknown
  session.on('error', (reason) => {
    error = reason
  })
  failure.catch(() => {})
  t.teardown(() => session.destroy())
  return { session, made, failure }
}

/** Asks for something, and reads all of the answer. */
async function ask(session: ClientHttp2Session): Promise<string> {
  const request = session.request({ ':path': '/' })
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

const CONNECTING: Phases = { lookup: LIMIT, connect: LIMIT, secureConnect: LIMIT }

/** What makes a connection for a session, with limits. */
const WAYS: Record<string, (phases: Phases) => (authority: URL, options: object) => Socket> = {
  createConnection: createConnection,
  withTimeouts: (phases) => {
    const connecting = createConnection({})
    return (authority, options) => {
      const socket = connecting(authority, options)
      withTimeouts(socket, phases)
      return socket
    }
  },
}

for (const secure of [false, true]) {
  const kind = secure ? 'h2' : 'h2c'

  onStoppedTime(`${kind}: works, and who is asked no more is not waited for`, async (t) => {
    const port = await sessions(t, secure, (stream) => {
      stream.respond({ ':status': 200 })
      stream.end('answer')
    })
    const { session, made } = client(t, secure, port, createConnection(CONNECTING))
    await once(session, 'connect')
    for (let i = 0; i < 3; i++) {
      t.is(await ask(session), 'answer')
      await tenLimits()
    }
    t.is((made[0] as Socket & { alpnProtocol?: string }).alpnProtocol, secure ? 'h2' : undefined)
    session.close()
    await gone(t, made[0]!)
  })

  onStoppedTime(`${kind}: connect, handshake, and a server that never says a word`, async (t) => {
    const { port } = await fullListener(t)
    await expires(t, client(t, secure, port, createConnection(CONNECTING)).failure, 'connect')
    const silent = await serve(t, (socket) => socket.resume())
    const phase = secure ? 'secureConnect' : 'read'
    const { failure, made } = client(t, secure, silent.port, createConnection({ [phase]: LIMIT }))
    await expires(t, failure, phase)
    await gone(t, made[0]!)
  })

  for (const [way, make] of Object.entries(WAYS)) {
    onStoppedTime(`${kind}, ${way}: idle, read and total, of a server that begins an answer and stalls, or drips`, async (t) => {
      const streams: ServerHttp2Stream[] = []
      const port = await sessions(t, secure, (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('begin')
        streams.push(stream)
      })
      for (const phase of ['idle', 'read', 'total'] as const) {
        const { session, made, failure } = client(t, secure, port, make({ [phase]: LIMIT }))
        const request = session.request({ ':path': '/' }).on('error', () => {})
        const drip = () => void streams.at(-1)?.write('x')
        if (phase === 'total') {
          await expires(t, failure, phase, drip)
          continue
        }
        await once(request, 'data')
        for (let i = 0; i < 20; i++) {
          drip()
          await pass(LIMIT / 4, 5)
        }
        t.false(session.destroyed, `${phase}: bytes come`)
        drip()
        await turns()
        await expires(t, failure, phase)
        await gone(t, made[0]!)
      }
    })
  }

  onStoppedTime(`${kind}: idle, of who sends and gets no answer`, async (t) => {
    const port = await sessions(t, secure, (stream) => void stream.resume())
    const { session, made, failure } = client(t, secure, port, createConnection({ idle: LIMIT }))
    const request = session.request({ ':method': 'POST' }).on('error', () => {})
    await once(session, 'connect')
    for (let i = 0; i < 20; i++) {
      request.write('x')
      await pass(LIMIT / 4, 5)
    }
    t.false(session.destroyed, 'bytes go')
    request.write('x')
    await turns()
    await expires(t, failure, 'idle')
    await gone(t, made[0]!)
  })

  onStoppedTime(`${kind}: a session on a connection that was there before`, async (t) => {
    const port = await sessions(t, secure, (stream) => void stream.respond({ ':status': 200 }))
    const options = { host: '127.0.0.1', port, ca: cert, servername: 'localhost', ALPNProtocols: ['h2'] }
    const socket = await (secure ? connectTls : connect)(options, { read: LIMIT })
    // Nobody reads yet.
    await tenLimits()
    await pass(LIMIT * 0.9, 5)
    const { session, failure } = client(t, secure, port, () => socket)
    await once(session, 'connect')
    await expires(t, failure, 'read')
    await gone(t, socket)
  })
}

onStoppedTime('h2c: a session on a connection that was there before, to a server that never says a word', async (t) => {
  const { port } = await serve(t, (peer) => peer.resume())
  const socket = await connect({ host: '127.0.0.1', port }, { read: LIMIT })
  await tenLimits()
  await pass(LIMIT * 0.9, 5)
  t.false(socket.destroyed, 'nobody reads yet')
  // Not from the last look on, at which nobody did.
  await expires(t, client(t, false, port, () => socket).failure, 'read')
  await gone(t, socket)
})

test('what http2.connect hands over is what it would have connected to', async (t) => {
  const asked: { host?: string; port?: unknown; servername?: string; ALPNProtocols?: string[] }[] = []
  class Recording {
    addRequest() {}
    createConnection(options: object) {
      asked.push(options)
    }
  }
  const make = createConnection({})
  const call = (authority: object, options: object) => make.call(new Recording(), authority, options)
  call(new URL('https://example.org'), {})
  call(new URL('https://[::1]:8443'), { allowHTTP1: true })
  call(new URL('http://example.org'), {})
  call({ protocol: 'https:', hostname: 'a.example', port: 1 }, { servername: 'b.example' })
  call({ host: 'c.example' }, { protocol: 'http:', port: 99 })
  call({}, {})
  t.deepEqual(
    asked.map(({ host, port, servername, ALPNProtocols }) => [host, Number(port), servername, ALPNProtocols]),
    [
      ['example.org', 443, 'example.org', ['h2']],
      ['::1', 8443, undefined, ['h2', 'http/1.1']],
      ['example.org', 80, undefined, undefined],
      ['a.example', 1, 'b.example', ['h2']],
      ['c.example', 99, undefined, undefined],
      ['localhost', 443, 'localhost', ['h2']],
    ],
  )
})
