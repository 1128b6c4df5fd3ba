/**
 * Limits in nodemailer: connections from its `getSocket`, plain, encrypted from the start, and by STARTTLS.
 *
 * Portable: bun, deno
 */
import type { Socket } from 'node:net'
import tls from 'node:tls'
import { connect, connectTls, type Phases } from 'asyncfd/timeouts'
import nodemailer, { type SMTPTransportOptions } from 'nodemailer'
import { cert, key } from './fixtures/certificate.js'
import { expires, gone, LIMIT, nothingLeft, silentResolver, tenLimits, writesWait } from './helpers/clients.js'
import { onStoppedTime } from './helpers/clock.js'
import { ending, fullListener, serve } from './helpers/sockets.js'
import test, { type ExecutionContext } from './helpers/test.js'

type T = ExecutionContext<unknown>

nothingLeft(test)

/** What a server does instead of answering. */
interface Fault {
  /** The command after which it says nothing any more; `GREETING` before all. */
  silentAt?: string
  /** The command after which it reads nothing any more. */
  deafAt?: string
  /** Whether it offers STARTTLS. */
  starttls?: boolean
}

const ANSWERS: Record<string, string> = { MAIL: '250 ok', RCPT: '250 ok', DATA: '354 go on', RSET: '250 ok', QUIT: '221 bye' }

/** Speaks SMTP to one client. */
function speak(t: T, socket: Socket, fault: Fault, mails: string[]): void {
  let text = ''
  let inMail = false
  const line = (one: string) => {
    if (inMail) {
      inMail = one !== '.'
      if (inMail) mails[mails.length - 1] += `${one}\n`
      else socket.write('250 taken\r\n')
      return
    }
    const command = one.slice(0, 4).toUpperCase()
    if (command === fault.deafAt) socket.pause()
    if (command === fault.silentAt) return
    if (command === 'EHLO') socket.write(`250-hello\r\n${fault.starttls === true ? '250-STARTTLS\r\n' : ''}250 SIZE\r\n`)
    else if (command === 'STAR') {
      socket.removeAllListeners('data')
      socket.write('220 go on\r\n')
      const secured = ending(t, new tls.TLSSocket(socket, { isServer: true, cert, key }))
      speak(t, secured, { ...fault, starttls: false }, mails)
      return
    } else socket.write(`${ANSWERS[command] ?? '502 what?'}\r\n`)
    if (command === 'DATA') {
      inMail = true
      mails.push('')
    }
    if (command === 'QUIT') socket.end()
  }
  socket.on('data', (chunk) => {
    text += chunk
    for (let at = text.indexOf('\r\n'); at >= 0; at = text.indexOf('\r\n')) {
      const one = text.slice(0, at)
      text = text.slice(at + 2)
      line(one)
    }
  })
}

/** A server of mail: its port, and what it was sent. */
async function mailServer(t: T, secure: boolean, fault: Fault = {}) {
  const mails: string[] = []
  const greet = (socket: Socket) => {
    if (fault.silentAt === 'GREETING') return
    speak(t, socket, fault, mails)
    socket.write('220 here\r\n')
  }
  const { port } = await serve(t, (raw) => {
    if (secure) greet(ending(t, new tls.TLSSocket(raw, { isServer: true, cert, key })))
    else greet(raw)
  })
  return { port, mails }
}

/** A transport with limits, and the sockets made for it. */
function transport(t: T, secure: boolean, phases: Phases, options: SMTPTransportOptions & { pool?: boolean }) {
  const made: Socket[] = []
  const mailer = nodemailer.createTransport({
    secure,
    host: '127.0.0.1',
    tls: { ca: cert },
    ...options,
    getSocket(
      { host, port }: { host?: string; port?: number | string },
      callback: (error: Error | null, socket?: object) => void,
    ) {
      const where = { host: host as string, port: Number(port) }
      const { secureConnect, ...others } = phases
      const connecting = secure ? connectTls({ ...where, ca: cert }, phases) : connect(where, others)
      connecting.then(
        (connection) => {
          made.push(connection)
          callback(null, { connection, secured: secure })
        },
        (error: Error) => callback(error),
      )
    },
  } as SMTPTransportOptions)
  t.teardown(() => mailer.close())
  const send = (text = 'hello') => mailer.sendMail({ from: 'a@mail.example', to: 'b@mail.example', subject: 'x', text })
  return { send, made }
}

const ALL: Phases = { lookup: LIMIT, connect: LIMIT, secureConnect: LIMIT, response: LIMIT, write: LIMIT }
const quick = { greetingTimeout: 600_000, socketTimeout: 600_000, socketCloseTimeout: 0 }

for (const kind of ['nodemailer', 'nodemailer over TLS', 'nodemailer by STARTTLS']) {
  const secure = kind.endsWith('TLS') && !kind.endsWith('STARTTLS')
  const starttls = kind.endsWith('STARTTLS')

  onStoppedTime(`${kind}: works`, async (t) => {
    const { port, mails } = await mailServer(t, secure, { starttls })
    const { send, made } = transport(t, secure, ALL, { port, requireTLS: starttls, ...quick })
    await send('x'.repeat(300_000))
    await send('second')
    t.is(mails.length, 2)
    t.regex(mails[1]!, /second/)
    t.is(made.length, 2)
    for (const socket of made) await gone(t, socket)
  })

  onStoppedTime(`${kind}: a pooled connection that waits for nothing stays`, async (t) => {
    const { port, mails } = await mailServer(t, secure, { starttls })
    const { send, made } = transport(t, secure, ALL, { port, requireTLS: starttls, pool: true, ...quick })
    for (let i = 0; i < 3; i++) {
      await send()
      await tenLimits()
    }
    t.is(mails.length, 3)
    t.is(made.length, 1)
  })

  onStoppedTime(`${kind}: a server that goes silent, or reads nothing`, async (t) => {
    for (const silentAt of ['EHLO', 'MAIL', 'DATA']) {
      const { port } = await mailServer(t, secure, { silentAt, starttls })
      const { send, made } = transport(t, secure, ALL, { port, requireTLS: starttls, ...quick })
      t.like(await expires(t, send(), 'response'), { phase: 'response' })
      await gone(t, made[0]!)
    }
    const { port } = await mailServer(t, secure, { deafAt: 'DATA', starttls })
    if (writesWait(secure || starttls))
      await expires(t, transport(t, secure, { write: LIMIT }, { port, ...quick }).send('x'.repeat(20_000_000)), 'write')
    const mute = await mailServer(t, secure, { silentAt: 'GREETING' })
    for (const phase of ['idle', 'read', 'total'] as const) {
      await expires(t, transport(t, secure, { [phase]: LIMIT }, { port: mute.port, ...quick }).send(), phase)
    }
  })

  onStoppedTime(`${kind}: lookup, connect, handshake`, async (t) => {
    const full = await fullListener(t)
    await expires(t, transport(t, secure, ALL, { port: full.port, ...quick }).send(), 'connect')
    if (secure) {
      const silent = await serve(t, (socket) => socket.resume())
      await expires(t, transport(t, secure, ALL, { port: silent.port, ...quick }).send(), 'secureConnect')
    }
    if (silentResolver(t))
      await expires(t, transport(t, secure, ALL, { host: 'silent.example', port: 25, ...quick }).send(), 'lookup')
  })
}
