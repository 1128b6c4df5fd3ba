/**
 * Fairness: what is ready for ever starves neither the event loop nor other descriptors; listeners that throw or block
 * do no harm to the rest; contexts are kept.
 *
 * Portable: bun, deno
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { AsyncFd, Interest, poll, reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { block, feed, noLeaks, own, pipe, settled, take, turns, watch } from './helpers/fixtures.js'
import { Child } from './helpers/process.js'
import test from './helpers/test.js'

const { READABLE, WRITABLE } = Interest
const BREATHS = 20
/** Elsewhere what is uncaught is told when the call is over. */
const onNode = 'bun' in process.versions || 'deno' in process.versions ? test.skip : test

noLeaks(test)

/** A thousand descriptors that are readable for ever. */
function alwaysReady(t: Parameters<typeof pipe>[0]): AsyncFd[] {
  const readers = Array.from({ length: 1000 }, () => {
    if (process.platform === 'linux') return own(t, sys.eventfd(1))
    const [reader, writer] = pipe(t)
    feed(writer)
    return reader
  })
  return readers.map((reader) => watch(t, reader, { interest: READABLE }))
}

/** Resolves when setImmediate, a timer and I/O of the runtime had their turn again and again. */
async function breathe(): Promise<void> {
  await turns(BREATHS)
  await new Promise((resolve) => setTimeout(resolve, 1))
  await turns(1)
}

test.serial('callbacks: 1,000 descriptors that are always ready let the event loop breathe', async (t) => {
  const [quiet, writer] = pipe(t)
  const fds = alwaysReady(t)
  // Asked again from each call, since an edge tells of what is left only once.
  const counts = new Uint32Array(fds.length)
  const asked: Disposable[] = []
  const ask = (i: number) => {
    asked[i]?.[Symbol.dispose]()
    asked[i] = fds[i]!.subscribe(READABLE, () => {
      counts[i]!++
      ask(i)
    })
  }
  for (let i = 0; i < fds.length; i++) ask(i)
  const other = watch(t, quiet).readable()
  await breathe()
  feed(writer)
  t.true((await other).isReadable, 'a descriptor that is ready now and then is not starved')
  for (const subscription of asked) subscription[Symbol.dispose]()
  t.true(
    counts.every((count) => count > 0),
    'and all of them had their turn',
  )
})

test.serial('promises: 1,000 descriptors awaited in loops let the event loop breathe', async (t) => {
  const [quiet, writer] = pipe(t)
  const fds = alwaysReady(t)
  const counts = new Uint32Array(fds.length)
  let over = false
  const loops = fds.map(async (fd, i) => {
    while (!over) {
      await fd.readable()
      counts[i]!++
    }
  })
  const other = watch(t, quiet).readable()
  await breathe()
  feed(writer)
  t.true((await other).isReadable)
  while (!counts.every((count) => count > 0)) await turns()
  over = true
  await Promise.all(loops)
  t.pass()
})

test.serial('iterators: 1,000 descriptors iterated over let the event loop breathe', async (t) => {
  const fds = alwaysReady(t)
  const counts = new Uint32Array(fds.length)
  let over = false
  const loops = fds.map(async (fd, i) => {
    for await (const guard of fd.readiness(READABLE)) {
      if (guard.isReadable) counts[i]!++
      if (over) break
    }
  })
  await breathe()
  while (!counts.every((count) => count > 0)) await turns()
  over = true
  await Promise.all(loops)
  t.pass()
})

test.serial('one descriptor awaited in a tight loop lets the event loop breathe, and the spin is counted', async (t) => {
  const [reader, writer] = pipe(t)
  feed(writer)
  const { parked } = reactor.metrics()
  for (const trigger of ['edge', 'level'] as const) {
    const fd = new AsyncFd(reader, { trigger })
    await fd.readable()
    let over = false
    let rounds = 0
    const loop = (async () => {
      while (!over) {
        await fd.readable()
        rounds++
      }
    })()
    await breathe()
    over = true
    await loop
    t.true(rounds > BREATHS, `${rounds} rounds`)
    fd.close()
  }
  t.true(reactor.metrics().parked > parked)
})

test.serial('asyncIo, tryIo and poll() in tight loops let the event loop breathe', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, writer, { interest: WRITABLE })
  feed(writer)
  for (const step of [() => fd.asyncIo(WRITABLE, () => 1), () => poll(reader, READABLE)]) {
    let over = false
    const loop = (async () => {
      while (!over) await step()
    })()
    await breathe()
    over = true
    await loop
  }
  t.pass()
})

test('a batch that takes longer than a turn keeps no others from their events, also those that come meanwhile', async (t) => {
  const pipes = Array.from({ length: 200 }, () => pipe(t))
  const woken = new Set<number>()
  const subscriptions = pipes.map(([reader], i) =>
    watch(t, reader).subscribe(READABLE, (guard) => {
      if (guard === null) return
      woken.add(i)
      take(reader)
      const later = pipes[i + 100]
      if (later !== undefined) feed(later[1])
      block(0.5)
    }),
  )
  for (const [, writer] of pipes.slice(0, 100)) feed(writer)
  // No barrier here: its own event would bring up one that was left behind.
  while (woken.size < pipes.length) await turns()
  t.is(woken.size, 200)
  for (const subscription of subscriptions) subscription[Symbol.dispose]()
})

test('a listener that throws: uncaughtException sees it, the rest of its batch arrives, and it is called again', async (t) => {
  for (const how of ['subscription', 'waker', 'end']) {
    const child = await Child.start('throwing', [how])
    const { code, signal, stdout, stderr } = await child.ended
    t.deepEqual({ code, signal }, { code: 0, signal: null }, `${how}\n${stdout}\n${stderr}`)
    t.is(stdout, 'uncaught boom\nthe rest arrived\n', how)
  }
})

test('what a listener leaves to be run after it may throw: everything is told, and nothing else ends', async (t) => {
  for (const how of ['plain', 'contexts']) {
    const { code, signal, stdout, stderr } = await (await Child.start('throwing-later', [how])).ended
    t.deepEqual({ code, signal }, { code: 0, signal: null }, `${how}\n${stdout}\n${stderr}`)
    const told = ['uncaught listener', 'uncaught microtask', 'uncaught tick', 'unhandled promise']
    t.deepEqual(stdout.trim().split('\n').sort(), told, how)
  }
})

onNode('who handles what is uncaught is in the context of who threw it: its stores, or its domain', async (t) => {
  const threw = { listener: 'subscriber', waker: 'waiter', end: 'closed', timer: 'timer' }
  for (const [how, told] of [
    ['stores', 'uncaught'],
    ['domains', 'domain'],
  ] as const) {
    const { code, signal, stdout, stderr } = await (await Child.start('throwing-contexts', [how])).ended
    t.deepEqual({ code, signal }, { code: 0, signal: null }, `${how}\n${stdout}\n${stderr}`)
    const own = Object.entries(threw).map(([what, name]) => `${told} ${what} ${name}`)
    t.deepEqual(stdout.trim().split('\n').sort(), [...own, 'outside none none', 'uncaught nobody none'].sort(), how)
  }
})

test('subscriptions, wakers, promises and iterations keep the AsyncLocalStorage context they were made in', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const seen: Record<string, string | undefined> = {}
  const note = (name: string) => {
    seen[name] = storage.getStore()
  }
  storage.run('subscription', () => fd.subscribe(READABLE, (guard) => note(guard === null ? 'end' : 'subscription')))
  storage.run('waker', () => fd.pollReadReady(() => note('waker')))
  const waits = [
    storage.run('promise', () => fd.readable().then(() => note('promise'))),
    storage.run('await', async () => {
      await fd.readable()
      note('await')
    }),
    storage.run('asyncIo', () => fd.asyncIo(READABLE, () => note('asyncIo'))),
    storage.run('iterator', async () => {
      for await (const _ of fd.readiness(READABLE)) {
        note('iterator')
        break
      }
    }),
  ]
  storage.run('of the writer', () => feed(writer))
  await Promise.all(waits)
  storage.run('of the closer', () => fd.close())
  await settled()
  const { end, ...rest } = seen
  t.is(end, 'subscription')
  for (const [name, context] of Object.entries(rest)) t.is(context, name)
  t.is(Object.keys(rest).length, 6)
})

test('callbacks given before anything used AsyncLocalStorage belong to no context, and what they enter is theirs alone', async (t) => {
  const { stdout, stderr } = await (await Child.start('contexts', [])).ended
  const expected = `
    after an await end of first
    after an await end of second
    after an await first
    after an await second
    end of first none
    end of second none
    end of the waker none
    end of third subscriber
    first none
    main none
    main none
    second none
    third subscriber
    waker none`
  t.is(stdout.trim().split('\n').sort().join('\n'), expected.replaceAll(/^ +/gm, '').trim(), stderr)
})
