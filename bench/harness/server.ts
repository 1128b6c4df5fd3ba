/**
 * Servers that are measured, each alone on a core, and the load on them from another.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { canPin, start } from './child.js'
import type { Measured } from './measure.js'
import { rustBinary } from './peers.js'

const SERVER_CORE = '0'
/** Where the load runs. */
export const LOAD_CORE = 1

/** A server in a process of its own: it prints its port, answers what it is asked line by line, and ends with its standard input. */
export class Server implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(
    child: ChildProcess,
    lines: AsyncIterator<string>,
    readonly port: string,
  ) {
    this.#child = child
    this.#lines = lines
  }

  static async start(command: readonly string[]): Promise<Server> {
    const line = canPin ? ['taskset', '-c', SERVER_CORE, ...command] : [...command]
    const child = spawn(line[0]!, line.slice(1), { stdio: ['pipe', 'pipe', 'ignore'] })
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    return new Server(child, lines, String((await lines.next()).value))
  }

  /** The next line that it prints; asks for it first, if there is something to ask. */
  async line(question?: string): Promise<string> {
    if (question !== undefined) this.#child.stdin!.write(`${question}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('it ended without an answer')
    return value
  }

  /** CPU it has used, in milliseconds; NaN where the system does not tell. */
  cpu(): number {
    try {
      const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return (Number(fields[11]) + Number(fields[12])) * 10
    } catch {
      return Number.NaN
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin!.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000)
    await ended
    clearTimeout(timer)
  }
}

/** One run of the load generator against a server that is started for it. `cpuMs` is the server's. */
export async function load(command: readonly string[], mode: string, ...args: (number | string)[]): Promise<Measured> {
  await using server = await Server.start(command)
  const before = server.cpu()
  const measured = await start(
    rustBinary('echo'),
    [mode, `127.0.0.1:${server.port}`, ...args.map(String)],
    canPin ? LOAD_CORE : undefined,
  ).measured
  return { ...measured, cpuMs: server.cpu() - before }
}
