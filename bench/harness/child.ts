/**
 * Children: where they run, and what they print.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Measured } from './measure.js'

/** A child that takes longer than this has hung. */
const LIMIT_MS = 60_000

const hasTaskset = spawnSync('taskset', ['-V']).status === 0

/**
 * Where a child may run: on any core, all of it on one (`core`), or its main thread on one and its others on the next
 * (`apart`, which the child does itself).
 */
export type Placement = 'any' | 'one core' | 'apart'

/** Whether children can be pinned here. */
export const canPin = hasTaskset && availableParallelism() > 1

/** A script of ours, by its path below build/bench. */
export const script = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** A started child and what it will have printed. */
export interface Child {
  process: ChildProcess
  measured: Promise<Measured>
}

/** Starts `command` on a core, or on any. Its result is the last line of its output. */
export function start(command: string, args: readonly string[], core?: number): Child {
  const line = core !== undefined && canPin ? ['taskset', '-c', String(core), command, ...args] : [command, ...args]
  const child = spawn(line[0]!, line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
  const measured = new Promise<Measured>((resolve, reject) => {
    let output = ''
    let errors = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      try {
        if (code !== 0) throw new Error(`ended with ${code ?? signal}`)
        resolve(JSON.parse(output.trim().split('\n').at(-1)!) as Measured)
      } catch (cause) {
        reject(new Error(`${line.join(' ')}\n${errors.trim()}`, { cause }))
      }
    })
  })
  return { process: child, measured }
}

/** Runs a script of ours. */
export function startScript(path: string, args: readonly string[], core?: number): Child {
  return start(process.execPath, [script(path), ...args], core)
}
