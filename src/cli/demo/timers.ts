/** A hundred thousand timers at once, a third of them cancelled; a steady interval; a deadline that each tick puts off. */
import { deadline, interval, now, sleep } from '../../time/index.js'
import { clearTimeout, setTimeout } from '../../timers/index.js'
import { check, type Station } from './station.js'

const TIMERS = 100_000
const LONGEST_MS = 1500
const PERIOD_MS = 50
const TICKS = 20

/** Starts the timers and cancels every third; resolves when the others have fired, with how many fired early. */
function fireMany(): Promise<number> {
  return new Promise((resolve) => {
    let [left, early] = [TIMERS - Math.ceil(TIMERS / 3), 0]
    for (let i = 0; i < TIMERS; i++) {
      const ms = 1 + ((i * 7919) % LONGEST_MS)
      const due = now() + ms
      const timer = setTimeout(() => {
        if (now() < due) early++
        if (--left === 0) resolve(early)
      }, ms)
      if (i % 3 === 0) clearTimeout(timer)
    }
  })
}

export const timers: Station = {
  name: `${TIMERS / 1000},000 timers`,
  async tour(progress, signal) {
    const begun = now()
    const many = fireMany()
    progress.say(`started, and every third cancelled, in ${(now() - begun).toFixed(0)} ms`)
    using limit = deadline(4 * PERIOD_MS)
    using pace = interval(PERIOD_MS)
    const late: number[] = []
    while (late.length < TICKS) {
      late.push(-(await pace.tick({ signal })) + now())
      limit.refresh()
      progress.show(`tick ${late.length} of ${TICKS}`)
    }
    check(Math.min(...late) >= 0, 'a tick was early')
    const median = late.sort((a, b) => a - b)[TICKS >> 1]!
    progress.say(`${TICKS} ticks, ${median.toFixed(2)} ms late as a rule`)
    const early = await many
    check(early === 0, `${early} timers were early`)
    // Asked for rather than awaited, since a deadline alone does not hold the process.
    for (let left = LONGEST_MS; !limit.expired && left > 0; left -= PERIOD_MS) await sleep(PERIOD_MS)
    check(limit.expired, 'the deadline did not pass')
    return `none early, the cancelled silent; ${TICKS} ticks ${median.toFixed(2)} ms late; the deadline passed after the last`
  },
}
