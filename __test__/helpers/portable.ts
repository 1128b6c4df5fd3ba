/**
 * The part of ava that our specs use, for runtimes that ava does not run on. Same names, same types, same order: serial
 * tests one after another, then all others at once. Results are written as TAP by scripts/portable-child.mjs.
 */
import assert from 'node:assert'
import type { ExecutionContext, TestFn } from 'ava'

type T = ExecutionContext<unknown>
type Body = (t: T, ...args: unknown[]) => unknown
interface Macro {
  exec: Body
  title?: (provided: string | undefined, ...args: unknown[]) => string
}
interface Entry {
  title: string
  body: Body | undefined
  kind: 'run' | 'skip' | 'failing'
  serial: boolean
  only: boolean
}
interface Hook {
  title: string
  body: Body
  always: boolean
}
/** What became of a test or of the file as a whole. */
export interface Result {
  title: string
  state: 'passed' | 'failed' | 'skipped'
  error?: unknown
  logs: string[]
}
interface Expectation {
  code?: string | number
  instanceOf?: new (...args: never) => unknown
  is?: unknown
  message?: string | RegExp | ((message: string) => boolean)
  name?: string
  any?: boolean
}

/** A test that goes on for longer than this without an assertion has failed; `t.timeout()` changes it. */
const TEST_TIMEOUT_MS = 120_000

const entries: Entry[] = []
const hooks = { before: [] as Hook[], after: [] as Hook[], beforeEach: [] as Hook[], afterEach: [] as Hook[] }

function implementation(args: unknown[]): { title: string; body: Body } {
  const given = typeof args[0] === 'string' ? (args.shift() as string) : undefined
  const what = args.shift() as Body | Macro
  const exec = typeof what === 'function' ? what : what.exec
  const title = typeof what === 'function' ? given : what.title ? what.title(given, ...args) : given
  return { title: (title ?? '').trim().replace(/\s+/g, ' '), body: (t) => exec(t, ...args) }
}

function declare(fixed: Partial<Entry>): (...args: unknown[]) => void {
  return (...args) => {
    const { title, body } = implementation(args)
    if (title === '') throw new TypeError('Tests must have a title')
    if (entries.some((entry) => entry.title === title)) throw new Error(`Duplicate test title: ${title}`)
    entries.push({ title, body, kind: 'run', serial: false, only: false, ...fixed })
  }
}

function hook(name: keyof typeof hooks): unknown {
  const add =
    (always: boolean) =>
    (...args: unknown[]) => {
      const { title, body } = implementation(args)
      hooks[name].push({ title: title === '' ? `${name} hook` : title, body, always })
    }
  const skip = () => {}
  return Object.assign(add(name === 'before' || name === 'beforeEach'), { always: Object.assign(add(true), { skip }), skip })
}

function family(serial: boolean): object {
  return Object.assign(declare({ serial }), {
    only: declare({ serial, only: true }),
    skip: declare({ serial, kind: 'skip' }),
    todo: (title: string) => declare({ serial, kind: 'skip' })(title, () => {}),
    failing: Object.assign(declare({ serial, kind: 'failing' }), {
      only: declare({ serial, kind: 'failing', only: true }),
      skip: declare({ serial, kind: 'skip' }),
    }),
    before: hook('before'),
    after: hook('after'),
    beforeEach: hook('beforeEach'),
    afterEach: hook('afterEach'),
  })
}

export const test = Object.assign(family(false), {
  serial: family(true),
  macro: (declaration: Body | Macro) => (typeof declaration === 'function' ? { exec: declaration } : declaration),
  meta: { file: '', snapshotDirectory: '' },
}) as unknown as TestFn

/** Throws unless the error is what was expected. */
function expectError(error: unknown, expected: Expectation | undefined, message?: string): unknown {
  if (!(error instanceof Error) && expected?.any !== true) {
    assert.fail(message ?? `Expected an Error, got ${describe(error)}`)
  }
  const { code, instanceOf, is, name, message: text } = expected ?? {}
  const actual = error as Error & { code?: unknown }
  if (is !== undefined) assert.strictEqual(error, is, message)
  if (instanceOf !== undefined) {
    assert.ok(
      error instanceof (instanceOf as never),
      message ?? `Expected an instance of ${instanceOf.name}, got ${describe(error)}`,
    )
  }
  if (name !== undefined) assert.strictEqual(actual.name, name, message)
  if (code !== undefined) assert.strictEqual(actual.code, code, message)
  if (typeof text === 'string') assert.strictEqual(actual.message, text, message)
  else if (text instanceof RegExp) assert.match(actual.message, text, message)
  else if (text !== undefined) assert.ok(text(actual.message), message ?? `Unexpected message: ${actual.message}`)
  return error
}

function describe(value: unknown): string {
  try {
    return value instanceof Error ? `${value.name}: ${value.message}` : String(value)
  } catch {
    return typeof value
  }
}

/** Keeps of `value` what `selector` names, as t.like does. */
function pick(value: unknown, selector: unknown): unknown {
  if (selector === null || typeof selector !== 'object' || value === null || typeof value !== 'object') return value
  if (Array.isArray(selector)) {
    return Array.isArray(value) ? value.map((item, i) => (i in selector ? pick(item, selector[i]) : item)) : value
  }
  if (![Object.prototype, null].includes(Object.getPrototypeOf(selector))) return value
  return Object.fromEntries(
    Reflect.ownKeys(selector).map((key) => [key, pick((value as never)[key as never], (selector as never)[key as never])]),
  )
}

/** One test or hook in progress. */
class Attempt {
  readonly logs: string[] = []
  readonly teardowns: (() => unknown)[] = []
  readonly t: T
  #assertions = 0
  #planned: number | undefined
  #failure: { error: unknown } | undefined
  #pending = 0
  #limit_ms = TEST_TIMEOUT_MS
  #timer: ReturnType<typeof setTimeout> | undefined
  #expire: (() => void) | undefined
  #isHook: boolean
  passed = false

  constructor(title: string, context: { value: unknown }, isHook: boolean) {
    this.#isHook = isHook
    const attempt = this
    const counted = <A extends unknown[], R>(body: (...args: A) => R) =>
      Object.assign(
        (...args: A): R => {
          attempt.#assertions++
          attempt.#arm()
          try {
            return body(...args)
          } catch (error) {
            attempt.#failure ??= { error }
            throw error
          }
        },
        { skip: () => void attempt.#assertions++ },
      )
    const countedAsync = <A extends unknown[], R>(body: (...args: A) => Promise<R>) =>
      Object.assign(
        async (...args: A): Promise<R> => {
          attempt.#assertions++
          attempt.#pending++
          try {
            return await body(...args)
          } catch (error) {
            attempt.#failure ??= { error }
            throw error
          } finally {
            attempt.#pending--
            attempt.#arm()
          }
        },
        { skip: () => void attempt.#assertions++ },
      )
    const same = (ok: boolean) => (actual: unknown, expected: unknown, message?: string) => {
      if (ok) assert.strictEqual(actual, expected, message)
      else assert.notStrictEqual(actual, expected, message)
      return true
    }
    const holds = (wanted: string, check: (value: unknown) => boolean) =>
      counted((value: unknown, message?: string) => {
        if (!check(value)) assert.fail(message ?? `Value is not ${wanted}: ${describe(value)}`)
        return true
      })
    const settle = async (thrower: unknown) => {
      const promise = typeof thrower === 'function' ? thrower() : thrower
      return promise
    }
    const assertions = {
      pass: counted(() => true),
      fail: counted((message?: string) => assert.fail(message ?? 'Test failed via `t.fail()`')),
      assert: holds('truthy', Boolean),
      truthy: holds('truthy', Boolean),
      falsy: holds('falsy', (value) => !value),
      true: holds('`true`', (value) => value === true),
      false: holds('`false`', (value) => value === false),
      is: counted(same(true)),
      not: counted(same(false)),
      deepEqual: counted((a: unknown, b: unknown, message?: string) => {
        assert.deepStrictEqual(a, b, message)
        return true
      }),
      notDeepEqual: counted((a: unknown, b: unknown, message?: string) => {
        assert.notDeepStrictEqual(a, b, message)
        return true
      }),
      like: counted((value: unknown, selector: unknown, message?: string) => {
        assert.deepStrictEqual(pick(value, selector), selector, message)
        return true
      }),
      regex: counted((text: string, pattern: RegExp, message?: string) => {
        assert.match(text, pattern, message)
        return true
      }),
      notRegex: counted((text: string, pattern: RegExp, message?: string) => {
        assert.doesNotMatch(text, pattern, message)
        return true
      }),
      throws: counted((body: () => unknown, expected?: Expectation, message?: string) => {
        let returned: unknown
        try {
          returned = body()
        } catch (error) {
          return expectError(error, expected, message)
        }
        return assert.fail(message ?? `Function returned ${describe(returned)} instead of throwing`)
      }),
      notThrows: counted((body: () => unknown, message?: string) => {
        try {
          body()
        } catch (error) {
          throw new Error(message ?? `Function threw ${describe(error)}`, { cause: error })
        }
        return true
      }),
      throwsAsync: countedAsync(async (thrower: unknown, expected?: Expectation, message?: string) => {
        let value: unknown
        try {
          value = await settle(thrower)
        } catch (error) {
          return expectError(error, expected, message)
        }
        return assert.fail(message ?? `Promise resolved with ${describe(value)} instead of rejecting`)
      }),
      notThrowsAsync: countedAsync(async (thrower: unknown, message?: string) => {
        try {
          await settle(thrower)
        } catch (error) {
          throw new Error(message ?? `Promise rejected with ${describe(error)}`, { cause: error })
        }
        return true
      }),
    }
    this.t = {
      ...assertions,
      get context() {
        return context.value
      },
      set context(value: unknown) {
        context.value = value
      },
      title,
      get passed() {
        return attempt.passed
      },
      log: Object.assign((...values: unknown[]) => void attempt.logs.push(values.map(describe).join(' ')), { skip() {} }),
      plan: Object.assign(
        (count: number) => {
          attempt.#planned = count
        },
        { skip() {} },
      ),
      teardown: (fn: () => unknown) => void attempt.teardowns.push(fn),
      timeout: Object.assign(
        (ms: number) => {
          attempt.#limit_ms = ms
          attempt.#arm()
        },
        {
          clear() {
            attempt.#limit_ms = TEST_TIMEOUT_MS
            attempt.#arm()
          },
        },
      ),
      try: unsupported('t.try'),
      snapshot: unsupported('t.snapshot'),
    } as unknown as T
  }

  /** Restarts the limit, as ava does with every assertion. */
  #arm(): void {
    if (this.#expire === undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#expire, this.#limit_ms)
  }

  async run(body: Body): Promise<void> {
    try {
      const expired = new Promise<never>((_, reject) => {
        this.#expire = () => reject(new Error(`timed out: no assertion within ${this.#limit_ms} ms`))
      })
      this.#arm()
      const work = (async () => body(this.t))()
      await Promise.race([work, expired])
      if (this.#failure) throw this.#failure.error
      if (this.#pending > 0) throw new Error('Test finished, but an assertion is still pending: await it')
      if (this.#planned !== undefined)
        assert.strictEqual(this.#assertions, this.#planned, 'Planned for another number of assertions')
      else if (this.#assertions === 0 && !this.#isHook) throw new Error('Test finished without running any assertions')
    } finally {
      this.#expire = undefined
      clearTimeout(this.#timer)
    }
  }

  /** Runs the teardowns, last first, all of them; throws the first error. */
  async tearDown(): Promise<void> {
    let failure: { error: unknown } | undefined
    for (const fn of this.teardowns.reverse()) {
      try {
        await fn()
      } catch (error) {
        failure ??= { error }
      }
    }
    if (failure) throw failure.error
  }
}

function unsupported(name: string): () => never {
  return () => {
    throw new Error(`${name} does not exist in the portable harness: use another assertion, or remove the "Portable:" line`)
  }
}

async function runHook(found: Hook, title: string, context: { value: unknown }, logs: string[], passed = false): Promise<void> {
  const attempt = new Attempt(title, context, true)
  attempt.passed = passed
  try {
    await attempt.run(found.body)
  } finally {
    logs.push(...attempt.logs)
    await attempt.tearDown()
  }
}

async function runTest(entry: Entry, shared: unknown): Promise<Result> {
  const failing = entry.kind === 'failing'
  const context = { value: shared !== null && typeof shared === 'object' ? { ...shared } : shared }
  const attempt = new Attempt(entry.title, context, false)
  const { logs } = attempt
  let failure: { error: unknown } | undefined
  const guarded = async (work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      failure ??= { error }
    }
  }
  await guarded(async () => {
    for (const found of hooks.beforeEach) await runHook(found, `${found.title} for ${entry.title}`, context, logs)
    await attempt.run(entry.body as Body)
  })
  await guarded(() => attempt.tearDown())
  const passed = failure === undefined
  for (const found of hooks.afterEach) {
    if (found.always || passed) {
      await guarded(() => runHook(found, `${found.title} for ${entry.title}`, context, logs, passed))
    }
  }
  if (failing) {
    if (failure) return { title: entry.title, state: 'passed', logs }
    failure = { error: new Error('Test was expected to fail, but succeeded: stop marking it as failing') }
  }
  return failure
    ? { title: entry.title, state: 'failed', error: failure.error, logs }
    : { title: entry.title, state: 'passed', logs }
}

/** Runs every declared test. `begin` hears of each start, so that a crash can be told to a test. */
export async function runAll(report: (result: Result) => void, begin: (title: string) => void): Promise<void> {
  const chosen = entries.some((entry) => entry.only) ? entries.filter((entry) => entry.only) : entries
  const context = { value: {} as unknown }
  let failed = false
  const tell = (result: Result) => {
    failed ||= result.state === 'failed'
    report(result)
  }
  const fileHook = async (found: Hook) => {
    const logs: string[] = []
    try {
      await runHook(found, found.title, context, logs)
      return true
    } catch (error) {
      tell({ title: found.title, state: 'failed', error, logs })
      return false
    }
  }
  const one = async (entry: Entry) => {
    if (entry.kind === 'skip') return tell({ title: entry.title, state: 'skipped', logs: [] })
    begin(entry.title)
    tell(await runTest(entry, context.value))
  }

  let ready = true
  for (const found of hooks.before) ready = ready && (await fileHook(found))
  if (ready) {
    for (const entry of chosen.filter((entry) => entry.serial)) await one(entry)
    await Promise.all(chosen.filter((entry) => !entry.serial).map(one))
  }
  for (const found of hooks.after) if (found.always || !failed) await fileHook(found)
  if (entries.length === 0) tell({ title: 'declares tests', state: 'failed', error: new Error('No tests found'), logs: [] })
}
