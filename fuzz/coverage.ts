/**
 * What was called and how it ended, and what counts as a finding. A child prints its counts as JSON, the parent adds up.
 *
 * @module
 */

export interface Count {
  calls: number
  ok: number
  /** Failures of system calls: `-errno` from natives, errors with an errno from the public layer. */
  error: number
  /** Refused arguments and states: exceptions with a code of ours or of Node. */
  refused: number
  /** Exceptions that the fuzzer itself threw, out of getters and listeners. */
  ours: number
  codes: Record<string, number>
}

export interface Finding {
  call: number
  name: string
  what: string
}

export type Coverage = Record<string, Count>

export const coverage: Coverage = {}
export const findings: Finding[] = []

/** Thrown by the fuzzer's getters, listeners and closures: never a finding. */
export class Thrown extends Error {}

let current = 0
export function at(call: number): void {
  current = call
}

function count(name: string): Count {
  coverage[name] ??= { calls: 0, ok: 0, error: 0, refused: 0, ours: 0, codes: {} }
  return coverage[name]
}

export function called(name: string): void {
  count(name).calls++
}

export function succeeded(name: string): void {
  count(name).ok++
}

export function failed(name: string, code: string): void {
  const { codes } = count(name)
  count(name).error++
  codes[code] = (codes[code] ?? 0) + 1
}

/** Keeps the first of a kind. */
export function finding(name: string, what: string): void {
  const kind = (text: string) => text.split('\n')[0]!.replaceAll(/\d+/g, '#')
  if (findings.some((known) => known.name === name && kind(known.what) === kind(what))) return
  if (findings.length < 50) findings.push({ call: current, name, what })
}

/** Statuses by which Node-API refuses an argument. A panic would be a GenericFailure. */
const NATIVE = /^(\w+Expected|InvalidArg)$/
const PUBLIC = /^(ERR_[A-Z_]+|ABORT_ERR)$/
const ERRNO = /^E[A-Z0-9]+$/

/** What JavaScript itself says of methods on the wrong object, and of classes as closures: nobody gives that a code. */
const WRONG_THIS = /^(Receiver must be|Illegal invocation|Cannot read private|Object must be an instance|Class constructors? )/

/** Notes an exception or rejection; a finding if it is no typed error. */
export function threw(name: string, error: unknown): void {
  const noted = count(name)
  if (error instanceof Thrown) {
    noted.ours++
    return
  }
  const { code, message, stack } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  const text = typeof code === 'string' ? code : typeof code === 'number' ? `DOM${code}` : ''
  const native = name.startsWith('native.')
  const typed = native
    ? NATIVE.test(text) || /^asyncfd: |^Failed to convert u32 to u16/.test(String(message))
    : PUBLIC.test(text) || text === 'DOM20' || text === 'DOM23'
  noted.codes[text] = (noted.codes[text] ?? 0) + 1
  if (text === 'ERR_INTERNAL_ASSERTION') finding(name, String(stack))
  else if (ERRNO.test(text) && !text.startsWith('ERR_')) noted.error++
  else {
    noted.refused++
    if (!typed && !WRONG_THIS.test(String(message))) finding(name, `no typed error: ${String(stack ?? error).slice(0, 600)}`)
  }
}

export function add(into: Coverage, from: Coverage): void {
  for (const [name, { codes, ...counts }] of Object.entries(from)) {
    into[name] ??= { calls: 0, ok: 0, error: 0, refused: 0, ours: 0, codes: {} }
    const sum = into[name]
    for (const key of Object.keys(counts) as (keyof typeof counts)[]) sum[key] += counts[key]
    for (const [code, times] of Object.entries(codes)) sum.codes[code] = (sum.codes[code] ?? 0) + times
  }
}

export function table(total: Coverage): string {
  const rows = Object.entries(total).sort(([a], [b]) => (a < b ? -1 : 1))
  const share = (part: number, of: number) => `${((100 * part) / Math.max(1, of)).toFixed(0)} %`.padStart(6)
  const lines = rows.map(([name, { calls, ok, error, refused, codes }]) => {
    const most = Object.entries(codes)
      .sort(([, a], [, b]) => b - a)
      .map(([code]) => code)
    return `${name.padEnd(38)}${String(calls).padStart(9)}${share(ok, calls)}${share(error, calls)}${share(refused, calls)}  ${most.slice(0, 12).join(' ')}${most.length > 12 ? ` +${most.length - 12}` : ''}`
  })
  return [
    `${'function'.padEnd(38)}${'calls'.padStart(9)}${'ok'.padStart(6)}${'errno'.padStart(6)}${'refused'.padStart(8)}  codes`,
    ...lines,
  ].join('\n')
}
