/**
 * Runs one child and tells how it ended.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Coverage, Finding } from './coverage.js'

export interface ChildResult {
  coverage: Coverage | undefined
  /** What was wrong; absent if nothing was. */
  failure: string | undefined
  milliseconds: number
}

/** Far more than a child needs on a loaded machine: a call that never returns is what it finds. */
const PATIENCE_MS = 60_000
const PATIENCE_PER_CALL_MS = 5

export function runChild({
  seed,
  calls,
  trace,
  env = {},
}: {
  seed: number
  calls: number
  trace: string
  env?: Record<string, string>
}): Promise<ChildResult> {
  const script = fileURLToPath(new URL('./child.js', import.meta.url))
  const args = ['--expose-gc', '--no-warnings', script, '--seed', `${seed}`, '--calls', `${calls}`, '--trace', trace]
  const from = performance.now()
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    let hung = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (err.length < 200_000) err += text
    })
    const timer = setTimeout(
      () => {
        hung = true
        child.kill('SIGKILL')
      },
      PATIENCE_MS + calls * PATIENCE_PER_CALL_MS,
    )
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const result = parse(out)
      const problems = [
        hung && `hung: a call did not return, or the child did not end, within ${Math.round(performance.now() - from)} ms`,
        !hung && signal !== null && `ended by ${signal}`,
        signal === null && code !== 0 && `ended with code ${code}`,
        /AddressSanitizer/.test(err) && 'AddressSanitizer reports',
        /panicked at/.test(err) && 'a panic in native code',
        code === 0 && result === undefined && 'no report',
        ...(result?.findings ?? []).slice(0, 8).map(({ call, name, what }) => `call ${call}, ${name}: ${what}`),
      ].filter((problem) => typeof problem === 'string')
      const failure = problems.length === 0 ? undefined : [...problems, err.slice(0, 12_000)].join('\n')
      resolve({ coverage: result?.coverage, failure, milliseconds: performance.now() - from })
    })
  })
}

function parse(out: string): { coverage: Coverage; findings: Finding[] } | undefined {
  try {
    return JSON.parse(out.slice(out.indexOf('{"coverage"'))) as { coverage: Coverage; findings: Finding[] }
  } catch {
    return undefined
  }
}
