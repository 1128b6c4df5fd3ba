/**
 * Random starts, refreshes and cancels on the stopped clock, some by timers as they fire: each fires at the instant a list of
 * due times says, once, and nothing else does. A failure prints its seed and the shortest operations found.
 *
 * Portable: bun, deno
 */
import { CallbackTimer, clock, type Deadline, deadline, now } from 'asyncfd/time'
import { clearTimeout, setTimeout, type Timeout } from 'asyncfd/timers'
import fc from 'fast-check'
import { rounds } from './helpers/child.js'
import { chooseSeed } from './helpers/random.js'
import test from './helpers/test.js'

/** One timer, and what the list says of it. */
interface Listed {
  timer: Timeout | Deadline | CallbackTimer
  ms: number
  /** When it is due, or null. */
  due: number | null
}

const NAMES = [
  'start',
  'start',
  'limit',
  'callback timer',
  'restart',
  'restart',
  'refresh',
  'refresh',
  'clear',
  'advance',
  'fires and starts',
  'fires and clears',
  'fires and refreshes',
] as const
const operation = fc.tuple(fc.nat(NAMES.length - 1), fc.nat(15), fc.nat(0xffff))

class Model {
  readonly listed: Listed[] = []
  readonly problems: string[] = []
  readonly #cleared = new Set<Listed>()
  fired = 0

  #pick(target: number): Listed | undefined {
    return this.listed[target % Math.max(1, this.listed.length)]
  }

  /** From one millisecond to some minutes, fractions too, so that most levels of the wheel have some. */
  #span(how: number): number {
    return 1 + (how % 16) / 16 + (how % 3 === 0 ? how * 4 : how % 32)
  }

  #fires(listed: Listed, then: () => void): void {
    this.fired++
    if (listed.due === null) this.problems.push(`fired at ${now()} though cleared or fired before`)
    else if (listed.due !== now()) this.problems.push(`fired at ${now()} instead of ${listed.due}`)
    listed.due = null
    then()
  }

  #start(how: number, then: () => void = () => {}): void {
    const ms = this.#span(how)
    const listed = { ms, due: now() + ms } as Listed
    listed.timer = setTimeout(() => this.#fires(listed, then), ms)
    this.listed.push(listed)
  }

  #limit(how: number): void {
    const ms = this.#span(how)
    const listed: Listed = { ms, due: now() + ms, timer: deadline(ms) }
    ;(listed.timer as Deadline).signal.addEventListener('abort', () => this.#fires(listed, () => {}))
    this.listed.push(listed)
  }

  #callbackTimer(how: number): void {
    const listed = { due: null } as Listed
    listed.timer = new CallbackTimer(() => this.#fires(listed, () => {}))
    this.listed.push(listed)
    this.#restart(this.listed.length - 1, how)
  }

  #restart(target: number, how: number): void {
    const listed = this.#pick(target)
    if (!(listed?.timer instanceof CallbackTimer)) return
    listed.ms = this.#span(how)
    listed.due = now() + listed.ms
    listed.timer.start(listed.ms)
  }

  #refresh(target: number): void {
    const listed = this.#pick(target)
    if (listed === undefined) return
    const { timer } = listed
    // A timeout that has fired starts again; one that was cleared does not, nor does a deadline that is over.
    const again = listed.due !== null || ('close' in timer && !this.#cleared.has(listed))
    timer.refresh()
    if (again) listed.due = now() + listed.ms
  }

  #clear(target: number): void {
    const listed = this.#pick(target)
    if (listed === undefined) return
    if ('close' in listed.timer) clearTimeout(listed.timer)
    else listed.timer.cancel()
    this.#cleared.add(listed)
    listed.due = null
  }

  async apply([operation, target, how]: [number, number, number]): Promise<void> {
    switch (NAMES[operation]!) {
      case 'start':
        return this.#start(how)
      case 'limit':
        return this.#limit(how)
      case 'callback timer':
        return this.#callbackTimer(how)
      case 'restart':
        return this.#restart(target, how)
      case 'refresh':
        return this.#refresh(target)
      case 'clear':
        return this.#clear(target)
      case 'fires and starts':
        return this.#start(how, () => this.#start(how >> 3))
      case 'fires and clears':
        return this.#start(how, () => this.#clear(target))
      case 'fires and refreshes':
        return this.#start(how, () => this.#refresh(target))
      case 'advance':
        await clock.advance(how % 4 === 0 ? this.#span(how) : (how % 512) / 16)
        this.verify()
    }
  }

  verify(): void {
    for (const { due } of this.listed)
      if (due !== null && due <= now()) this.problems.push(`due at ${due}, not fired at ${now()}`)
    if (this.problems.length > 0) throw new Error(this.problems[0])
  }

  close(): void {
    for (let i = 0; i < this.listed.length; i++) this.#clear(i)
  }
}

test.serial('timers fire when a list of due times says, whatever is done in whatever order', async (t) => {
  const seed = chooseSeed()
  let fired = 0
  clock.pause()
  t.teardown(() => clock.resume())
  const property = fc.asyncProperty(fc.array(operation, { maxLength: 120, size: 'max' }), async (operations) => {
    const model = new Model()
    try {
      for (const each of operations) await model.apply(each)
      await clock.advance(1000)
      model.verify()
    } finally {
      fired += model.fired
      model.close()
    }
  })
  await fc.assert(property, { seed, numRuns: rounds(100) })
  t.log(`seed ${seed}, ${fired} fired`)
  t.true(fired > 100)
})
