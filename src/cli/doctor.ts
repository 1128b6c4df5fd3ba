/**
 * `npx asyncfd doctor`: what runs here, what this machine supports, and whether it works.
 *
 * @module
 */

import { VERSION } from '../platform.js'
import { bindingPath, reactor } from '../reactor.js'
import { limits, platform, runtime } from './machine.js'
import { SELF_TESTS } from './self-test.js'
import { FEATURES } from './support.js'

interface Finding {
  name: string
  /** Whether it works; null if this system does not have it. */
  works: boolean | null
  text: string
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '')
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A system that lacks something says so by one of these. */
const LACKING = new Set(['ERR_ASYNCFD_UNSUPPORTED', 'ENOSYS', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'ENOPROTOOPT', 'EOPNOTSUPP'])

function supported(name: string, attempt: () => void): Finding {
  try {
    attempt()
    return { name, works: true, text: '' }
  } catch (error) {
    return { name, works: LACKING.has(codeOf(error)) ? null : false, text: textOf(error) }
  }
}

/** No self-test takes longer than this. */
const LIMIT_MS = 5000

async function tested(name: string, test: (signal: AbortSignal) => Promise<string>): Promise<Finding> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new Error(`not done within ${LIMIT_MS / 1000} s`)), LIMIT_MS)
  try {
    return { name, works: true, text: await test(limit.signal) }
  } catch (error) {
    return { name, works: LACKING.has(codeOf(error)) ? null : false, text: textOf(error) }
  } finally {
    clearTimeout(timer)
  }
}

/** Something without which nothing else works, and what it is. */
function needed(name: string, ask: () => string): Finding {
  try {
    return { name, works: true, text: ask() }
  } catch (error) {
    return { name, works: false, text: textOf(error) }
  }
}

const driver = (): string =>
  `${reactor.driver} driver on ${reactor.backend}${process.env.ASYNCFD_DRIVER ? ', as ASYNCFD_DRIVER asks for' : ''}`

const MARKS = { true: '✓', false: '✗', null: '-' }
const line = ({ name, works, text }: Finding): string => `  ${MARKS[`${works}`]} ${name.padEnd(22)} ${text}`.trimEnd()

/** Prints what it finds, or with `json` one object for a bug report. Resolves with the exit code: 1 if something does not work. */
export async function doctor(json: boolean): Promise<number> {
  const about = { asyncfd: VERSION, runtime: runtime(), platform: platform() }
  const base = [needed('binding', bindingPath), needed('driver', driver)]
  const isThere = base.every(({ works }) => works)
  const limited = limits()
  const features = isThere ? Object.entries(FEATURES).map(([name, attempt]) => supported(name, attempt)) : []
  const tests: Finding[] = []
  if (isThere) for (const [name, test] of Object.entries(SELF_TESTS)) tests.push(await tested(name, test))
  const { turns, events, wakeups, registered, timers, refs } = reactor.metrics()
  const left = { registered, timers, refs }
  const isClean = Object.values(left).every((count) => count === 0)
  tests.push({ name: 'nothing left behind', works: isClean, text: isClean ? '' : JSON.stringify(left) })
  const failed = [...base, ...features, ...tests].filter(({ works }) => works === false)

  if (json) {
    const list = (findings: Finding[]) => Object.fromEntries(findings.map(({ name, works, text }) => [name, { works, text }]))
    const all = {
      ...about,
      ...list(base),
      limits: limited,
      supports: list(features),
      tests: list(tests),
      works: failed.length === 0,
    }
    console.log(JSON.stringify(all, null, 2))
    return failed.length === 0 ? 0 : 1
  }
  console.log(`asyncfd ${about.asyncfd} on ${about.runtime}, ${about.platform}`)
  for (const finding of base) console.log(line(finding))
  console.log('\nlimits')
  for (const [name, value] of Object.entries(limited)) console.log(`    ${name}: ${value}`)
  console.log('\nwhat this machine supports')
  for (const finding of features) console.log(line(finding))
  console.log(`\nself-test (${turns} turns, ${events} events, ${wakeups} wake-ups)`)
  for (const finding of tests) console.log(line(finding))
  console.log(failed.length === 0 ? '\nEverything works.' : `\nDoes NOT work: ${failed.map(({ name }) => name).join(', ')}`)
  return failed.length === 0 ? 0 : 1
}
