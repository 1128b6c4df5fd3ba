/** Shells that the tour starts, and their end. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'

export function startShell(args: string[], options: SpawnOptions = {}): ChildProcess {
  return spawn('sh', args, { stdio: 'ignore', ...options })
}

/** Resolves with the exit code, or the signal that ended it. */
export function endOf(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('exit', (code, signal) => resolve(code ?? signal))
  })
}
