/**
 * When a process stays and when it ends, and how: each case is a child process, judged by its exit code and signal. No
 * sleeping: a child that stays says so from a timer that does not hold it, and only then is it sent what ends it.
 *
 * Portable: bun, deno
 */
import { Child } from '../helpers/process.js'
import test from '../helpers/test.js'

const onNode = !('bun' in process.versions) && !('deno' in process.versions)
const run = (name: string, args: string[] = []) => Child.start('lifecycle', [name, ...args])
const lines = (text: string) => text.trim().split('\n')
const peaceful = { code: 0, signal: null, stderr: '' }

for (const name of [
  'readable',
  'ready',
  'async-io',
  'poll',
  'iterator',
  'subscription',
  'waker',
  'ref-after-unref',
  'one-of-two-unref',
  'ref-in-a-turn-of-its-own',
]) {
  test(`stays while something ref'd is pending, ends with 0 after it: ${name}`, async (t) => {
    const child = await run(name)
    await child.said('still here')
    child.write('x')
    const { stdout, ...ended } = await child.ended
    t.deepEqual(ended, peaceful)
    t.deepEqual(lines(stdout), ['started', 'still here', 'woken'])
  })
}

test('stays until the peer hangs up: hangup', async (t) => {
  const child = await run('hangup')
  await child.said('still here')
  child.end()
  const { stdout, ...ended } = await child.ended
  t.deepEqual(ended, peaceful)
  t.deepEqual(lines(stdout), ['started', 'still here', 'woken'])
})

test('a wait started by the end of another holds the process as the first did', async (t) => {
  const child = await run('second-wait-from-then')
  child.write('x')
  await child.said('woken')
  await child.said('still here')
  child.write('x')
  const { stdout, ...ended } = await child.ended
  t.deepEqual(ended, peaceful)
  t.is(lines(stdout).at(-1), 'woken again')
})

test('process.exitCode is the code of a natural end', async (t) => {
  const child = await run('exit-code')
  await child.said('still here')
  child.write('x')
  const { code, signal } = await child.ended
  t.deepEqual({ code, signal }, { code: 3, signal: null })
})

const ending: Record<string, string[]> = {
  registered: [],
  unref: [],
  'unref-after-wait': [],
  'unref-in-a-timer': [],
  'unref-with-timeout': [],
  'unref-subscription': [],
  'unref-waker': [],
  abort: ['rejected enough'],
  timeout: ['true'],
  close: ['ERR_ASYNCFD_CLOSED', 'null', 'waker'],
  'into-inner': ['inner 0', 'ERR_ASYNCFD_CLOSED'],
  'subscription-disposed': [],
  'subscription-aborted': [],
  'exit-handler-closes': ['closed'],
  'registration-fails': ['EBADF'],
}
for (const [name, said] of Object.entries(ending)) {
  test(`ends by itself with 0 although no event came: ${name}`, async (t) => {
    const child = await run(name)
    const { stdout, ...ended } = await child.ended
    t.deepEqual(ended, peaceful)
    t.deepEqual(
      lines(stdout)
        .filter((line) => line !== 'started' && line !== 'still here')
        .sort(),
      said.toSorted(),
    )
  })
}

if (onNode) {
  test('those who look for what keeps a process alive by async hooks are told whether this does', async (t) => {
    const { stdout } = await (await Child.start('lifecycle', ['seen-by-hooks'], { ASYNCFD_DRIVER: '' })).ended
    t.deepEqual(lines(stdout), ['false', 'true', 'false', 'true', 'false', 'started'])
  })
}

for (const name of ['throw-in-listener', 'throw-in-waker', 'throw-in-then', 'throw-in-closure']) {
  test(`an uncaught exception ends the process with 1: ${name}`, async (t) => {
    const child = await run(name)
    await child.said('still here')
    child.write('x')
    const { code, signal, stderr } = await child.ended
    t.deepEqual({ code, signal }, { code: 1, signal: null })
    t.regex(stderr, /boom/)
  })
}

test('an exception at top level ends the process with 1 although a wait is pending', async (t) => {
  const { code, signal, stderr } = await (await run('throw-at-top')).ended
  t.deepEqual({ code, signal }, { code: 1, signal: null })
  t.regex(stderr, /boom/)
})

test('a wait that nobody handles, rejected by close(), ends the process with 1 and says why', async (t) => {
  const { code, signal, stderr } = await (await run('reject-on-close')).ended
  t.deepEqual({ code, signal }, { code: 1, signal: null })
  t.regex(stderr, /was closed; make a new one to wait again/)
})

;(onNode ? test : test.skip)('a throwing uncaughtException handler ends the process with 7', async (t) => {
  const child = await run('handler-throws')
  await child.said('started')
  child.write('x')
  const { code, signal, stderr } = await child.ended
  t.deepEqual({ code, signal }, { code: 7, signal: null })
  t.regex(stderr, /boom/)
})

test('an uncaughtException handler that goes on keeps the rest of the batch and the liveness rules', async (t) => {
  const child = await run('handler-goes-on')
  await child.said('still here')
  child.write('x')
  const { stdout, ...ended } = await child.ended
  t.deepEqual(ended, peaceful)
  t.deepEqual(lines(stdout), ['started', 'still here', 'caught boom', 'woken'])
})

for (const name of ['exit-in-listener', 'exit-in-waker', 'exit-in-then']) {
  test(`process.exit(5) is obeyed at once: ${name}`, async (t) => {
    const child = await run(name)
    await child.said('started')
    child.write('x')
    const { code, signal, stderr } = await child.ended
    t.deepEqual({ code, signal, stderr }, { code: 5, signal: null, stderr: '' })
  })
}

test('process.exit(5) is obeyed at once: exit-at-top', async (t) => {
  const { code, signal, stderr } = await (await run('exit-at-top')).ended
  t.deepEqual({ code, signal, stderr }, { code: 5, signal: null, stderr: '' })
})

for (const signal of ['SIGTERM', 'SIGKILL', 'SIGINT'] as const) {
  test(`${signal} ends a waiting process by that signal`, async (t) => {
    const child = await run('readable')
    await child.said('still here')
    child.kill(signal)
    const { code, signal: by, stderr } = await child.ended
    t.deepEqual({ code, by, stderr }, { code: null, by: signal, stderr: '' })
  })
}

test('close() in a SIGTERM handler is a graceful end with 0', async (t) => {
  const child = await run('close-on-sigterm')
  await child.said('still here')
  child.kill('SIGTERM')
  const { stdout, ...ended } = await child.ended
  t.deepEqual(ended, peaceful)
  t.is(lines(stdout).at(-1), 'ERR_ASYNCFD_CLOSED')
})
