/** Connects that succeed, fail, time out and are aborted, at any moment: nothing of them may stay. */
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { connect, connectTls } from 'asyncfd/timeouts'
import { cert, key } from '../fixtures/certificate.js'
import { refusedAddress } from './fixtures.js'
import type { Random } from './random.js'
import { fullListener, listening } from './sockets.js'

/** Where to connect: who answers, who refuses, who never answers, who never speaks TLS, and who speaks it. */
export interface Places {
  readonly open: number
  readonly refused: number
  readonly full: number
  readonly mute: number
  readonly tls: number
}

export interface Ways {
  connected: number
  failed: number
  timed_out: number
  aborted: number
}

const hang = (() => {}) as never
const several = ((_: string, __: unknown, done: (...args: unknown[]) => void) =>
  done(null, [
    { address: '127.0.0.2', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ])) as never

/** One connect of a random kind. */
async function one(places: Places, random: Random, ways: Ways): Promise<void> {
  const host = '127.0.0.1'
  const controller = random.below(4) === 0 ? new AbortController() : undefined
  const reason = new Error('aborted')
  const signal = controller === undefined ? {} : { signal: controller.signal }
  if (controller !== undefined) {
    const abort = () => controller.abort(reason)
    const when = random.below(4)
    if (when === 0) queueMicrotask(abort)
    else if (when === 1) setImmediate(abort)
    else setTimeout(abort, random.below(5))
  }
  const short = 1 + random.below(8) / 2
  const kinds: (() => Promise<Socket>)[] = [
    () => connect({ host, port: places.open, ...signal }, { connect: 30_000, idle: 30_000, total: 60_000, response: 30_000 }),
    () => connect({ host, port: places.open, ...signal }, { connect: 30_000, total: short }),
    () => connect({ host: 'x.invalid', port: places.open, lookup: several, ...signal }, { lookup: 30_000, connect: 30_000 }),
    () => connect({ host, port: places.refused, ...signal }, { connect: 30_000, total: 60_000 }),
    () => connect({ host, port: places.full, ...signal }, { connect: short }),
    () => connect({ host: 'x.invalid', port: places.open, lookup: hang, ...signal }, { lookup: short, connect: 30_000 }),
    () => connectTls({ host, port: places.mute, ca: cert, ...signal }, { connect: 30_000, secureConnect: short }),
    () => connectTls({ host, port: places.refused, ca: cert, ...signal }, { connect: 30_000, secureConnect: 30_000 }),
  ]
  // A handshake costs a millisecond.
  if (random.below(8) === 0) {
    kinds.push(() => connectTls({ host, port: places.tls, ca: cert, ...signal }, { secureConnect: 30_000, read: 30_000 }))
  }
  try {
    const socket = await kinds[random.below(kinds.length)]!()
    ways.connected++
    socket.on('error', () => {})
    // A reset leaves no TIME_WAIT: there are only so many ports.
    await new Promise<void>((resolve) => {
      socket.on('close', () => resolve())
      if ('encrypted' in socket) socket.destroy()
      else socket.resetAndDestroy()
    })
  } catch (error) {
    const { code } = error as { code?: string }
    if (error === reason) ways.aborted++
    else if (code === 'ETIMEDOUT') ways.timed_out++
    else if (code === 'ECONNREFUSED' || code === 'ECONNRESET') ways.failed++
    else throw error
  }
}

/** Makes `count` connects, `at_once` at a time. `progress` hears of every tenth part. */
export async function manyConnects(
  places: Places,
  random: Random,
  count: number,
  atOnce: number,
  progress: (done: number) => void = () => {},
): Promise<Ways> {
  const ways: Ways = { connected: 0, failed: 0, timed_out: 0, aborted: 0 }
  let begun = 0
  let done = 0
  const worker = async () => {
    while (begun < count) {
      begun++
      await one(places, random, ways)
      if (++done % Math.ceil(count / 10) === 0) progress(done)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return ways
}

/** Makes the places, for as long as the test. */
export async function makePlaces(t: Parameters<typeof listening>[0]): Promise<Places> {
  const deaf = () =>
    listening(
      t,
      net.createServer((socket) => socket.on('error', () => {}).resume()),
    )
  return {
    open: (await deaf()).port,
    mute: (await deaf()).port,
    tls: (await listening(t, tls.createServer({ key, cert }))).port,
    full: (await fullListener(t)).port,
    refused: refusedAddress(t).port,
  }
}
