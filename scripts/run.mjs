/** Runs one command with a time limit; whatever it started ends with it. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The checkout. Every script works from here, wherever it was called. */
export const root = fileURLToPath(new URL('..', import.meta.url))

export const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

/**
 * Resolves with `{ code, signal, timedOut, output }`; a command that cannot be started has code 127. `onLine` gets the
 * lines of its standard output; `output` is everything it wrote, shortened in the middle.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, seconds?: number, echo?: boolean, onLine?: (line: string) => void }} [options]
 */
export function run(command, args, { cwd = root, env = {}, seconds = 600, echo = false, onLine } = {}) {
  return new Promise((resolve) => {
    const chunks = []
    let size = 0
    let partial = ''
    let timedOut = false
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32', // its own process group, so that a limit ends its children too
      shell: command.endsWith('.cmd'),
    })
    const endGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {}
    }
    const timer = setTimeout(() => {
      timedOut = true
      endGroup()
    }, seconds * 1000)
    const interrupt = () => {
      endGroup()
      process.exit(130)
    }
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt)

    const keep = (chunk, stream) => {
      chunks.push(chunk)
      size += chunk.length
      while (size > 4_000_000) size -= chunks.splice(chunks.length >> 1, 1)[0].length
      if (echo) stream.write(chunk)
    }
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      keep(chunk, process.stdout)
      if (!onLine) return
      const lines = (partial + chunk).split('\n')
      partial = lines.pop()
      lines.forEach(onLine)
    })
    child.stderr.setEncoding('utf8').on('data', (chunk) => keep(chunk, process.stderr))

    let done = false
    let lingering
    const finish = (code, signal) => {
      if (done) return
      done = true
      clearTimeout(timer)
      clearTimeout(lingering)
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
      if (partial && onLine) onLine(partial)
      resolve({ code, signal, timedOut, output: chunks.join('') })
    }
    child.on('error', (error) => {
      chunks.push(`${error.message}\n`)
      finish(127, null)
    })
    child.on('close', finish)
    // A grandchild that outlives the command may hold the pipes open: do not wait for it longer than this.
    child.on('exit', (code, signal) => {
      lingering = setTimeout(() => {
        endGroup()
        finish(code, signal)
      }, 2000)
    })
  })
}

/** Says in a few words how a command ended. */
export function ending({ code, signal, timedOut }, seconds) {
  if (timedOut) return `did not end within ${seconds} s and was stopped`
  if (signal) return `was ended by ${signal}`
  return `ended with exit code ${code}`
}

/** An output for people: its last lines and, where that leaves something out, its first ones. */
export function tail(output, count = 60) {
  const lines = output.trimEnd().split('\n')
  if (lines.length <= count) return lines.join('\n')
  const head = Math.min(15, count >> 2)
  return [...lines.slice(0, head), `[... ${lines.length - count} lines ...]`, ...lines.slice(head - count)].join('\n')
}
