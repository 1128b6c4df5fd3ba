/**
 * `npx asyncfd demo`: a tour on real descriptors and timers, all of them awaited at the same time. Each station checks what it shows.
 *
 * @module
 */
import { Worker } from 'node:worker_threads'
import { AsyncFdError, ErrorCode, reactor } from '../index.js'
import { aborted } from './demo/aborted.js'
import { eventfd } from './demo/eventfd.js'
import { fifo } from './demo/fifo.js'
import { inotify } from './demo/inotify.js'
import { pty } from './demo/pty.js'
import { createReport, type Row } from './demo/report.js'
import type { Station } from './demo/station.js'
import { tcp } from './demo/tcp.js'
import { timedOut } from './demo/timed-out.js'
import { timers } from './demo/timers.js'

const stations: Station[] = [fifo, inotify, eventfd, pty, tcp, timedOut, aborted, timers]

/** No station takes longer than this. */
const LIMIT_MS = 20_000

/** Nothing can hang this program: not even code that never gives the event loop its turn, as this is another thread. */
function startWatchdog(): void {
  const end = `setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${3 * LIMIT_MS})`
  new Worker(end, { eval: true }).unref()
}

async function visit(station: Station, row: Row, signal: AbortSignal): Promise<void> {
  try {
    row.done(await station.tour(row, signal))
  } catch (error) {
    if (error instanceof AsyncFdError && error.code === ErrorCode.UNSUPPORTED) row.unavailable(error.message)
    else row.failed(error)
  }
}

/** Resolves with the exit code: 0 only if everything was as it should be. Nothing is awaited any more then, so the process ends by itself. */
export async function demo(): Promise<number> {
  startWatchdog()
  const started = performance.now()
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new Error(`did not end within ${LIMIT_MS / 1000} s`)), LIMIT_MS)
  const report = createReport(stations.map((station) => station.name))
  await Promise.all(stations.map((station, i) => visit(station, report.rows[i]!, limit.signal)))
  clearTimeout(timer)
  report.end()

  const { wakeups, turns, registered, refs } = reactor.metrics()
  const { shown, failed, unavailable } = report.counts()
  const wrong = [
    ...(failed > 0 ? [`${failed} of ${stations.length} went wrong`] : []),
    ...(shown === 0 ? ['nothing could be shown here'] : []),
    ...(registered + refs > 0 ? [`${registered} descriptors and ${refs} waits were left behind`] : []),
  ]
  console.log(
    [
      wrong.length === 0 ? `All ${shown} went well` : `NOT well: ${wrong.join('; ')}`,
      ...(unavailable > 0 ? [`${unavailable} not available here`] : []),
      `${((performance.now() - started) / 1000).toFixed(1)} s`,
      `${reactor.driver} driver on ${reactor.backend}`,
      `${wakeups} wake-ups in ${turns} turns`,
    ].join(' · '),
  )
  return wrong.length > 0 ? 1 : 0
}
