// Portable: bun, deno
/** The machine's clock: nothing ends early. How late it ends is for `npm run bench -- time`. */
import { now, sleep, sleepUntil } from 'asyncfd/time'
import { rounds } from './helpers/child.js'
import test from './helpers/test.js'

test.serial('100,000 sleeps of random length, up to 100 at once, are never early', async (t) => {
  t.timeout(300_000)
  let left = rounds(100_000)
  let early = 0
  const total = left
  await Promise.all(
    Array.from({ length: 100 }, async () => {
      while (left-- > 0) {
        const ms = 0.2 + Math.random() * 49.8
        const begun = performance.now()
        await sleep(ms)
        if (performance.now() - begun < ms) early++
      }
    }),
  )
  t.is(early, 0, `of ${total}`)
})

test.serial('sleepUntil is never early', async (t) => {
  for (let i = 0; i < 200; i++) {
    const instant = now() + Math.random() * 3
    await sleepUntil(instant)
    t.true(now() >= instant)
  }
})

test.serial('a sleep that starts after a long time of nothing is not early, nor one after a busy time', async (t) => {
  for (const pause of [1, 30, 300]) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    const end = performance.now() + pause
    while (performance.now() < end);
    const begun = performance.now()
    await sleep(1.25)
    t.true(performance.now() - begun >= 1.25)
  }
})
