/**
 * Starts workers that wait in every way there is, and ends them at random moments. Used by the short spec and by
 * `npm run soak workers`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import * as sys from 'asyncfd/sys'
import type { Random } from './random.js'

const ON_DENO = 'deno' in process.versions

const BUSY = { 'mid-turn': 'when there', 'in-then': 'when there', 'in-waker': 'when there' } as const

/**
 * What a worker does (`fixtures/worker.ts`) and how it ends: `terminated` at the parent's whim once it said that it is
 * there, at any moment from its start on, or by itself with a code.
 */
export const scenarios: Record<string, 'when there' | 'at any moment' | number> = {
  'mid-wait': 'when there',
  // Deno does not end a worker whose JavaScript never pauses: its thread runs on, with or without asyncfd.
  ...(ON_DENO ? {} : BUSY),
  'closed-fd': 'when there',
  'reused-fd': 'when there',
  pouring: 'when there',
  owned: 'when there',
  many: 'when there',
  registering: 'when there',
  starting: 'at any moment',
  'pouring-early': 'at any moment',
  idle: 'when there',
  natural: 0,
  unref: 0,
  'natural-owned': 0,
  exit: 3,
  'exit-in-then': 3,
  throws: 1,
}
export type Scenario = keyof typeof scenarios

const PIPES = 4
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Runs one worker to its end. Resolves with what was wrong, or null. */
export async function oneWorker(scenario: Scenario, random: Random): Promise<string | null> {
  const how = scenarios[scenario]!
  // The parent owns the pipes, except where the worker makes its own: what it is cut short in must not leak here.
  const pipes = Array.from({ length: PIPES }, () => sys.pipe())
  try {
    const worker = new Worker(new URL('../fixtures/worker.js', import.meta.url), {
      workerData: { scenario, fds: pipes.flat(), seed: random.next() },
      stdout: true,
      stderr: true,
    })
    let there: () => void = () => {}
    const said = new Promise<void>((resolve) => {
      there = resolve
    })
    let failure: unknown
    worker.on('message', () => there())
    worker.on('error', (error) => {
      failure = error
    })
    const exited = new Promise<number>((resolve) => worker.on('exit', resolve))
    if (typeof how !== 'number') {
      if (how === 'when there') await Promise.race([said, exited])
      for (let turns = random.below(random.below(2) === 0 ? 4 : 200); turns > 0; turns--) await turn()
      await worker.terminate()
    }
    const code = await exited
    const message = failure === undefined ? '' : String(failure)
    if (scenario === 'throws' ? !message.includes('boom') : message !== '') return `${scenario}: ${message || 'no error'}`
    if (typeof how === 'number' && code !== how) return `${scenario}: ended with ${code} instead of ${how}`
    return null
  } finally {
    if (ON_DENO) outlived.push(...pipes.flat())
    else for (const fd of pipes.flat()) sys.close(fd)
  }
}

/**
 * Deno says that a worker has ended while that may still run for a moment, and read: once, from a module that was opened in the place
 * of a closed pipe. So the pipes of its workers are closed when their threads are gone.
 */
const outlived: number[] = []

const elsewhere = 'bun' in process.versions || ON_DENO

/** Whether a thread is ours. */
function ours(id: string): boolean {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === 'asyncfd'
  } catch {
    return false // it ended meanwhile
  }
}

/** Threads and descriptors of this process; of other runtimes, whose threads come and go, only the threads that are ours. */
export function holdings(): { threads: number; fds: number } {
  const threads = readdirSync('/proc/self/task')
  return { threads: elsewhere ? threads.filter(ours).length : threads.length, fds: readdirSync('/proc/self/fd').length }
}

/** Waits until no more is held than `before`, and says what is held then. A thread that has ended leaves /proc a little later. */
export async function settled(
  before: { threads: number; fds: number },
  limit_ms = 20_000,
): Promise<{ threads: number; fds: number }> {
  const until = performance.now() + limit_ms
  for (;;) {
    const now = holdings()
    if ((now.threads <= before.threads && now.fds <= before.fds) || performance.now() > until) return now
    await sleep(5)
  }
}

/** Runs `count` workers, some at once. Throws at the first that is wrong. */
export async function manyWorkers(
  count: number,
  random: Random,
  { atOnce = 4, of = Object.keys(scenarios), progress = (_done: number) => {} } = {},
): Promise<void> {
  let started = 0
  let done = 0
  const problems: string[] = []
  const { threads } = holdings()
  const lane = async () => {
    while (started < count && problems.length === 0) {
      // The first go through the list, so that even a short run has them all.
      const scenario = started < of.length ? of[started]! : random.pick(of)
      started++
      const problem = await oneWorker(scenario, random)
      if (problem !== null) problems.push(problem)
      progress(++done)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  if (outlived.length > 0) await settled({ threads, fds: Infinity })
  for (const fd of outlived.splice(0)) sys.close(fd)
  if (problems.length > 0) throw new Error(problems.join('; '))
}
