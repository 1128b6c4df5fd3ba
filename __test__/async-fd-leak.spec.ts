/**
 * What nobody can reach any more is deregistered and warned of; what is needed still is kept.
 *
 * Portable: bun, deno
 */
import { Child } from './helpers/process.js'
import test from './helpers/test.js'

test('an AsyncFd that was forgotten deregisters itself and warns once; one that something waits on is kept', async (t) => {
  const child = await Child.start('leak', [], { DENO_V8_FLAGS: '--expose-gc' })
  const { code, signal, stdout, stderr } = await child.ended
  t.deepEqual({ code, signal }, { code: 0, signal: null }, stderr)
  const { noneLeft, unowned, owned, warnings, registered, woken, guarded, forgottenLater } = JSON.parse(
    stdout.trim().split('\n').at(-1) ?? '',
  )
  t.true(noneLeft, 'forgotten ones end')
  t.true(unowned, "their descriptors are their owners' business")
  t.false(owned, 'unless they were given to them')
  t.is(warnings.length, 1, 'one warning for forty')
  t.like(warnings[0], { name: 'AsyncFdLeakWarning', code: 'ASYNCFD_LEAK' })
  t.regex(warnings[0].message, /fd \d+.*garbage collected without close\(\)/)
  t.is(registered, 5, 'a wait, an asyncIo, a subscription, a waker and what holds a guard keep theirs')
  t.deepEqual(woken, ['asyncIo', 'guard', 'subscription', 'wait true', 'waker'])
  t.is(guarded, 'works')
  t.true(forgottenLater, 'what had waited while garbage was collected ends when it is forgotten')
})
