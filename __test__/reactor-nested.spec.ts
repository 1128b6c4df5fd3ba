/** A listener that runs a nested event loop, as deasync does. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Interest } from 'asyncfd'
import { CallbackTimer } from 'asyncfd/time'
import { drain, feed, noLeaks, pipe, watch } from './helpers/fixtures.js'
import test from './helpers/test.js'

noLeaks(test)

/** Builds the addon; what it exports runs one iteration of the event loop. */
function addon(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-nested-'))
  try {
    const file = join(folder, 'nested.node')
    execFileSync('rustc', ['--edition', '2024', '--crate-type', 'cdylib', '-o', file, '__test__/fixtures/nested-loop.rs'])
    return createRequire(import.meta.url)(file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const runOnce = addon()

/** Runs nested iterations for so long that everything which is under way gets its turn in one. */
function nest(): number {
  let over = false
  let iterations = 0
  setTimeout(() => {
    over = true
  }, 30)
  while (!over) {
    runOnce()
    iterations++
  }
  return iterations
}

/** Iterations that others ask for, such as tasks of V8's: mostly none, or some dozens. One that spins takes tens of thousands. */
const FEW = 1000

test.serial(
  'what comes while a listener runs a nested loop is told when its turn is over, and the loop does not spin',
  async (t) => {
    const [reader, writer] = pipe(t)
    const [other, feeder] = pipe(t)
    const [fd, otherFd] = [watch(t, reader), watch(t, other)]
    for (let round = 0; round < 5; round++) {
      const came: string[] = []
      let iterations = 0
      using _nesting = fd.subscribe(Interest.READABLE, (guard) => {
        if (drain(guard!.inner) === 0) return
        feed(feeder)
        iterations = nest()
        came.push('over')
      })
      await new Promise<void>((resolve) => {
        const subscription = otherFd.subscribe(Interest.READABLE, (guard) => {
          if (drain(guard!.inner) === 0) return
          came.push('told')
          subscription[Symbol.dispose]()
          resolve()
        })
        feed(writer)
      })
      t.deepEqual(came, ['over', 'told'])
      t.true(iterations < FEW, `${iterations}: a nested loop rests while nothing can be told`)
    }
  },
)

test.serial('and so are timers, those that were started in it too', async (t) => {
  const [reader, writer] = pipe(t)
  const fd = watch(t, reader)
  const came: string[] = []
  let resolve!: () => void
  const all = new Promise<void>((done) => {
    resolve = done
  })
  const note = (name: string) => () => {
    if (came.push(name) === 3) resolve()
  }
  using _nesting = fd.subscribe(Interest.READABLE, (guard) => {
    if (drain(guard!.inner) === 0) return
    new CallbackTimer(note('started before it')).start(1)
    setTimeout(() => new CallbackTimer(note('started in it')).start(1), 5)
    nest()
    note('over')()
  })
  feed(writer)
  await all
  t.deepEqual(came, ['over', 'started before it', 'started in it'])
})

test.serial('a loop that the continuation of a promise runs is told of everything', async (t) => {
  const [reader, writer] = pipe(t)
  const [other, feeder] = pipe(t)
  const [fd, otherFd] = [watch(t, reader), watch(t, other)]
  const told = otherFd.readable()
  const nested = fd.readable().then(() => {
    feed(feeder)
    return nest()
  })
  feed(writer)
  t.true((await nested) < FEW)
  t.true((await told).isReadable)
})
