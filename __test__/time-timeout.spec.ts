// Portable: bun, deno
/** Limits on work, on stopped time: tokio's `timeout`, and deadlines. */
import { TimeoutError } from 'asyncfd'
import { clock, deadline, now, sleep, timeout, timeoutAt } from 'asyncfd/time'
import { onStoppedTime, watch } from './helpers/clock.js'

const never = new Promise<never>(() => {})

onStoppedTime('work that is settled already wins over a limit of zero and over an expired deadline', async (t) => {
  t.is(await timeout(0, Promise.resolve(1)), 1)
  t.is(await timeoutAt(now() - 1000, Promise.resolve(2)), 2)
  t.is(await timeoutAt(-Infinity, async () => 3), 3)
  const error = new Error('settled too')
  t.is(await t.throwsAsync(timeout(0, Promise.reject(error))), error)
})

onStoppedTime('a limit of zero ends unsettled work, without time going by', async (t) => {
  const limited = watch(timeout(0, never))
  const past = watch(timeoutAt(now() - 1, never))
  await clock.advance(0)
  t.true(limited.error instanceof TimeoutError)
  t.like(limited.error, { timeout: 0, elapsed: 0, code: 'ETIMEDOUT', name: 'TimeoutError' })
  t.true(past.error instanceof TimeoutError)
})

onStoppedTime('work that ends before its limit gives its value; the limit is gone', async (t) => {
  const limited = watch(
    timeout(
      100,
      sleep(50).then(() => 'done'),
    ),
  )
  await clock.advance(50)
  t.is(limited.value, 'done')
})

onStoppedTime('work that ends in the tick of its limit, started before it, wins', async (t) => {
  const work = sleep(100).then(() => 'both')
  const limited = watch(timeout(100, work))
  await clock.advance(100)
  t.not(limited.state, 'pending')
})

onStoppedTime('a limit ends work that takes longer, on time, with what was allowed and what had passed', async (t) => {
  const begun = now()
  const limited = watch(timeout(100, sleep(200)))
  await clock.advance(99.9375)
  t.is(limited.state, 'pending')
  await clock.advance(0.0625)
  t.is(limited.at, begun + 100)
  t.like(limited.error, { timeout: 100, elapsed: 100, message: 'not done within 100 ms' })
  // Bun's stacks end at an await.
  if (!('bun' in process.versions)) t.regex((limited.error as Error).stack ?? '', /time-timeout\.spec/)
  await clock.advance(200)
})

onStoppedTime('work that fails rejects with its own error', async (t) => {
  const error = new Error('mine')
  const limited = watch(timeout(100, (): Promise<void> => sleep(5).then(() => Promise.reject(error))))
  await clock.advance(5)
  t.is(limited.error, error)
  const thrown = t.throws(() =>
    timeout(100, () => {
      throw error
    }),
  )
  t.is(thrown, error)
})

onStoppedTime('the signal is aborted with the error; the later rejection of the work is swallowed', async (t) => {
  let reason: unknown
  const limited = watch(
    timeout(10, async (signal) => {
      t.false(signal.aborted)
      signal.addEventListener('abort', () => {
        reason = signal.reason
      })
      await sleep(20)
      throw new Error('nobody may see this')
    }),
  )
  await clock.advance(50)
  t.true(limited.error instanceof TimeoutError)
  t.is(reason, limited.error)
})

onStoppedTime('the signal of work that was in time is not aborted', async (t) => {
  let kept: AbortSignal | undefined
  await timeout(10, async (signal) => {
    kept = signal
  })
  await clock.advance(50)
  t.false(kept!.aborted)
})

onStoppedTime('huge and infinite limits never end anything', async (t) => {
  for (const ms of [Infinity, Number.MAX_VALUE, 1e15]) {
    const limited = watch(
      timeout(
        ms,
        sleep(1e9).then(() => ms),
      ),
    )
    await clock.advance(1e9)
    t.is(limited.value, ms)
  }
})

onStoppedTime('work may be a thenable that is no promise', async (t) => {
  // biome-ignore lint/suspicious/noThenProperty: what is tested
  const thenable = { then: (resolve: (value: number) => void) => resolve(5) } as PromiseLike<number>
  t.is(await timeout(5, thenable), 5)
})

onStoppedTime('a deadline passes on time: its signal is aborted with a TimeoutError', async (t) => {
  using limit = deadline(100)
  const { signal } = limit
  t.is(limit.signal, signal)
  let calls = 0
  signal.addEventListener('abort', () => calls++)
  await clock.advance(40)
  t.is(limit.remaining, 60)
  await clock.advance(59.9375)
  t.false(signal.aborted)
  t.false(limit.expired)
  await clock.advance(0.0625)
  t.true(signal.aborted)
  t.true(limit.expired)
  t.is(limit.remaining, 0)
  t.is(calls, 1)
  t.true(signal.reason instanceof TimeoutError)
  t.like(signal.reason, { timeout: 100, elapsed: 100 })
  t.false(limit.refresh())
})

onStoppedTime('a signal that is asked for after the deadline has passed is aborted already', async (t) => {
  using limit = deadline(10)
  await clock.advance(10)
  await clock.advance(5)
  t.true(limit.signal.aborted)
  t.like(limit.signal.reason, { timeout: 10, elapsed: 10 }, 'as it was when it passed')
})

onStoppedTime('refresh starts the time afresh, again and again, and to much later', async (t) => {
  using limit = deadline(10)
  for (let i = 0; i < 100; i++) {
    await clock.advance(9)
    t.true(limit.refresh())
  }
  t.is(limit.remaining, 10)
  t.true(limit.refresh(1_000_000))
  await clock.advance(999_999)
  t.false(limit.expired)
  await clock.advance(1)
  t.true(limit.expired)
})

onStoppedTime('refresh to earlier, and with the new duration from then on', async (t) => {
  using limit = deadline(1_000_000)
  await clock.advance(5)
  t.true(limit.refresh(20))
  t.is(limit.remaining, 20)
  await clock.advance(15)
  t.true(limit.refresh())
  await clock.advance(19)
  t.false(limit.expired)
  await clock.advance(1)
  t.like(limit.signal.reason, { timeout: 20, elapsed: 20 })
})

onStoppedTime('a cancelled deadline never passes and cannot be refreshed', async (t) => {
  const limit = deadline(10)
  const { signal } = limit
  limit.cancel()
  limit.cancel()
  t.is(limit.remaining, Infinity)
  t.false(limit.refresh())
  await clock.advance(100)
  t.false(signal.aborted)
  t.false(limit.expired)
  const infinite = deadline(Infinity)
  await clock.advance(1e9)
  t.false(infinite.expired)
  t.is(infinite.remaining, Infinity)
  t.is(await (async () => infinite)(), infinite, 'not thenable')
  infinite.cancel()
})

onStoppedTime('a deadline of zero passes without time going by', async (t) => {
  const limit = deadline(0)
  t.false(limit.expired)
  await clock.advance(0)
  t.true(limit.expired)
})

onStoppedTime('a deadline refreshed by a listener of the same tick that runs before it does not pass', async (t) => {
  const [first, second] = [deadline(10), deadline(10)]
  first.signal.addEventListener('abort', () => t.true(second.refresh()))
  await clock.advance(19)
  t.false(second.expired)
  await clock.advance(1)
  t.true(second.expired)
})

onStoppedTime('a deadline cancelled by a listener of the same tick that runs before it does not pass', async (t) => {
  const [first, second] = [deadline(10), deadline(10)]
  first.signal.addEventListener('abort', () => second.cancel())
  await clock.advance(30)
  t.true(first.expired)
  t.false(second.expired)
})
