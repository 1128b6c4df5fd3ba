/** A command that has to succeed, told in one line. */
import { ending, run, tail } from '../run.mjs'

const SECONDS = 1800

/** `title` is printed with the seconds it took; null for what is not worth a line. Throws if it fails. */
export async function need(title, command, args, options = {}) {
  const from = Date.now()
  if (title) process.stdout.write(`${title} ... `)
  const result = await run(command, args, { seconds: SECONDS, ...options })
  if (title) process.stdout.write(`${((Date.now() - from) / 1000).toFixed(1)} s\n`)
  if (result.code === 0) return result
  throw new Error(`${[command, ...args].join(' ')} ${ending(result, SECONDS)}\n${tail(result.output)}`)
}
