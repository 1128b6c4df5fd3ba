/** A child process of a spec: what it says, line by line, and how it ends. One that does not end fails the test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { runtimeCommand } from './child.js'

export interface Ended {
  code: number | null
  signal: string | null
  stdout: string
  stderr: string
}

/** Children that run at once; further ones wait for a place. */
const PLACES = 4
let taken = 0
const queue: (() => void)[] = []

/** Far more than a child takes on a loaded machine: only a hang comes to it. */
const LIMIT_MS = 90_000

export class Child {
  /** How it ended. Rejects if it did not, within the limit. */
  readonly ended: Promise<Ended>
  readonly #process: ChildProcess
  #stdout = ''
  #stderr = ''
  #over = false
  #look: (() => void)[] = []

  /** Runs a compiled fixture, on the same runtime. Its standard input is a pipe that stays open until {@link end}. */
  static async start(fixture: string, args: string[], env: Record<string, string> = {}): Promise<Child> {
    if (taken === PLACES) await new Promise<void>((resolve) => queue.push(resolve))
    else taken++
    const child = new Child(fixture, args, env)
    const leave = () => {
      const next = queue.shift()
      if (next === undefined) taken--
      else next()
    }
    child.ended.then(leave, leave)
    return child
  }

  private constructor(fixture: string, args: string[], env: Record<string, string>) {
    const script = fileURLToPath(new URL(`../fixtures/${fixture}.js`, import.meta.url))
    const child = spawn(...runtimeCommand(script, ...args), { stdio: 'pipe', env: { ...process.env, NO_COLOR: '1', ...env } })
    this.#process = child
    child.stdin.on('error', () => {}) // it may end without reading
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#changed()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.ended = new Promise((resolve, reject) => {
      let expired = false
      const timer = setTimeout(() => {
        expired = true
        child.kill('SIGKILL')
      }, LIMIT_MS)
      child.on('error', reject)
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        this.#over = true
        this.#changed()
        child.stdin.destroy()
        const { stdout, stderr } = this
        if (expired) reject(new Error(`${args.join(' ')}: did not end by itself\n${stdout}\n${stderr}`))
        else resolve({ code, signal, stdout, stderr })
      })
    })
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  get pid(): number {
    return this.#process.pid!
  }

  #changed(): void {
    for (const look of this.#look.splice(0)) look()
  }

  /** Resolves once the child wrote this line; rejects if it ended without. */
  async said(line: string): Promise<void> {
    while (!this.#stdout.split('\n').includes(line)) {
      if (this.#over) throw new Error(`the child ended without saying "${line}"; it said:\n${this.#stdout}\n${this.#stderr}`)
      await new Promise<void>((resolve) => this.#look.push(resolve))
    }
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.#process.stdin!.write(text)
  }

  /** Closes its standard input. */
  end(): void {
    this.#process.stdin!.end()
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal) // child.kill() of Deno reports this signal however the child ended
  }
}
