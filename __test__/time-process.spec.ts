// Portable: bun, deno
/** Time and the process: what holds it, how it ends, what throws, that it is never busy. Each test is a program of its own. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runtimeCommand } from './helpers/child.js'
import { root } from './helpers/documents.js'
import test from './helpers/test.js'

const onNode = process.versions.bun === undefined && !('deno' in process.versions)
const folder = mkdtempSync(join(root, 'build', 'time-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))
let programs = 0

interface Ended {
  code: number | null
  output: string
}

/** Runs a program with the names of `asyncfd`, `asyncfd/time` and, as `timers`, `asyncfd/timers`. */
function run(program: string, env: Record<string, string> = {}): Promise<Ended> {
  const file = join(folder, `${programs++}.mjs`)
  const names = "import * as fd from 'asyncfd'\nimport * as time from 'asyncfd/time'\nimport * as timers from 'asyncfd/timers'\n"
  writeFileSync(file, `${names}${program}`)
  return new Promise((resolve, reject) => {
    const [command, args] = runtimeCommand(file)
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    const kill = setTimeout(() => child.kill('SIGKILL'), 60_000)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(kill)
      resolve({ code, output })
    })
  })
}

/** A program that must print this and end by itself. */
function prints(title: string, program: string, expected: string): void {
  test(title, async (t) => {
    const { code, output } = await run(program)
    t.is(output.trim(), expected)
    t.is(code, 0)
  })
}

prints('a pending sleep holds the process', `await time.sleep(30); console.log('slept')`, 'slept')
prints(
  'an unref sleep, an unref timer and a deadline do not',
  `time.sleep(1e6, { ref: false }).then(() => console.log('no'))
  timers.setTimeout(() => console.log('no'), 1e6).unref()
  timers.setInterval(() => console.log('no'), 1e6).unref()
  time.deadline(1e6).signal
  console.log('end')`,
  'end',
)
prints(
  'a timer holds the process until it has fired; ref after unref holds it again',
  `timers.setTimeout(() => console.log('one'), 20)
  timers.setTimeout(() => console.log('two'), 40).unref().ref()
  timers.setTimeout(() => console.log('no'), 1e6).unref()`,
  'one\ntwo',
)
prints(
  'clearing the last timer lets the process go',
  `const timer = timers.setTimeout(() => console.log('no'), 1e6)
  const every = timers.setInterval(() => { timers.clearTimeout(timer); timers.clearInterval(every); console.log('cleared') }, 5)`,
  'cleared',
)
prints(
  'a CallbackTimer holds the process while it is pending, unless it is told not to',
  `new time.CallbackTimer(() => console.log('one')).start(10)
  new time.CallbackTimer(() => console.log('no'), { ref: false }).start(1e6)
  new time.CallbackTimer(() => console.log('no')).start(1e6).unref()
  new time.CallbackTimer(() => console.log('no')).start(1e6).cancel()
  new time.CallbackTimer(() => console.log('two')).unref().ref().start(30)
  new time.CallbackTimer(() => console.log('no'))`,
  'one\ntwo',
)
prints(
  'Sleep, Interval and Timer hold the process only while they are awaited',
  `new time.Sleep(1e6); time.interval(1e6); time.Timer.after(1e6)
  const aborting = new AbortController()
  const sleep = new time.Sleep(1e6)
  const waits = [sleep.wait(aborting), time.interval(1e6, { startAt: 1e6 }).tick(aborting), time.Timer.after(1e6).next(aborting)]
  await time.sleep(5)
  aborting.abort(new Error('out'))
  console.log((await Promise.allSettled(waits)).map((end) => end.reason.message).join(' '))`,
  'out out out',
)
prints(
  'a limit holds the process while its work goes on',
  `await time.timeout(20, new Promise(() => {})).catch((error) => console.log(error.name))`,
  'TimeoutError',
)
prints(
  'a callback that throws reaches uncaughtException, and the rest of its batch still fires',
  `const seen = []
  process.on('uncaughtException', (error) => seen.push(error.message))
  for (let i = 0; i < 6; i++) timers.setTimeout(() => { if (i % 2) throw new Error('e' + i); seen.push('t' + i) }, 5)
  let count = 0
  const every = timers.setInterval(() => { if (++count === 3) timers.clearInterval(every); throw new Error('i' + count) }, 20)
  process.on('exit', () => console.log(seen.join(' ')))`,
  // Deno cannot be told of an exception in the midst of a batch: a microtask throws it, after the batch.
  'deno' in process.versions ? 't0 t2 t4 e1 e3 e5 i1 i2 i3' : 't0 e1 t2 e3 t4 e5 i1 i2 i3',
)
prints(
  'a CallbackTimer that throws reaches uncaughtException, and the rest of its batch is called',
  `const seen = []
  process.on('uncaughtException', (error) => seen.push(error.message))
  for (let i = 0; i < 6; i++) new time.CallbackTimer(() => { if (i % 2) throw new Error('e' + i); seen.push('t' + i) }).start(5)
  process.on('exit', () => console.log(seen.join(' ')))`,
  'deno' in process.versions ? 't0 t2 t4 e1 e3 e5' : 't0 e1 t2 e3 t4 e5',
)
const CONTEXT =
  "import { AsyncLocalStorage, createHook, executionAsyncId } from 'node:async_hooks'; const storage = new AsyncLocalStorage(), seen = [], note = (name) => () => seen.push(name + ' ' + storage.getStore())\n"
prints(
  'a context that comes into use after the first timers is kept, and is nobody else’s',
  `${CONTEXT}
  timers.setTimeout(note('before'), 5)
  storage.run('one', () => timers.setTimeout(note('in'), 5))
  timers.setTimeout(note('after'), 5)
  timers.setTimeout(() => { note('in a timer')(); storage.run('two', () => timers.setTimeout(note('nested'), 5)) }, 5)
  process.on('exit', () => console.log(seen.join(', ')))`,
  'before undefined, in one, after undefined, in a timer undefined, nested two',
)
prints(
  'a CallbackTimer calls back in the context in which it was made, wherever it is started',
  `${CONTEXT}
  const outside = new time.CallbackTimer(note('outside')).start(5)
  const inside = storage.run('one', () => new time.CallbackTimer(note('inside')))
  storage.run('two', () => { inside.start(5); outside.start(5) })
  new time.CallbackTimer((timer) => { storage.enterWith('entered'); note('own')() }).start(5)
  new time.CallbackTimer(note('after')).start(5)
  process.on('exit', () => console.log(seen.join(', ')))`,
  'inside one, outside undefined, own entered, after undefined',
)
prints(
  'a context that a callback enters is not that of other callbacks',
  `${CONTEXT}
  process.on('uncaughtException', () => {})
  timers.setTimeout(async () => { storage.enterWith('entered'); note('own')(); timers.setTimeout(note('child'), 5); await null; note('awaited')() }, 5)
  timers.setTimeout(note('same tick'), 5)
  timers.setTimeout(() => { storage.run('inner', note('run')); storage.enterWith('again'); throw new Error('thrown') }, 5)
  timers.setTimeout(note('after a throw'), 5)
  timers.setTimeout(note('later'), 8)
  process.on('exit', () => console.log(seen.sort().join(', ')))`,
  'after a throw undefined, awaited entered, child entered, later undefined, own entered, run inner, same tick undefined',
)
prints(
  'the context in which the first timer is made is not that of the others',
  `${CONTEXT}
  storage.run('first', () => { timers.setTimeout(note('first'), 5); queueMicrotask(() => timers.setTimeout(note('its microtask'), 5)) })
  timers.setTimeout(note('other'), 5)
  setImmediate(() => { timers.setTimeout(note('later'), 10); process.on('exit', () => console.log(seen.join(', '))) })`,
  'first first, other undefined, its microtask first, later undefined',
)
if (onNode) {
  prints(
    'async hooks see timers, each with an id of its own in which its callback runs',
    `${CONTEXT}
    timers.setTimeout(() => {}, 1)
    const ids = [], ran = []
    createHook({ init: (id, type) => { if (type === 'Timeout') ids.push(id) } }).enable()
    for (let i = 0; i < 3; i++) timers.setTimeout(() => ran.push(executionAsyncId()), 5)
    while (ran.length < 3) await time.sleep(1)
    console.log(ids.length >= 3 && new Set(ran).size === 3 && ran.every((id) => ids.includes(id)))`,
    'true',
  )
  prints(
    'async hooks are told when a timer or a subscription is no more',
    `import { createHook } from 'node:async_hooks'
    import { setFlagsFromString } from 'node:v8'
    import { runInNewContext } from 'node:vm'
    import * as sys from 'asyncfd/sys'
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc'), live = new Set()
    createHook({ init: (id, type) => { if (/^(Timeout|ASYNCFD_.*)$/.test(type)) live.add(id) }, destroy: (id) => live.delete(id) }).enable()
    const make = () => {
      for (let i = 0; i < 100; i++) timers.clearTimeout(timers.setTimeout(() => {}, 1e6))
      for (let i = 0; i < 100; i++) timers.setTimeout(() => {}, 1)
      const [reader] = sys.pipe()
      const registered = new fd.AsyncFd(reader, { owned: true })
      for (let i = 0; i < 100; i++) registered.subscribe(fd.Interest.READABLE, () => {})[Symbol.dispose]()
      registered.close()
      return live.size
    }
    const made = make()
    for (let i = 0; i < 100 && live.size > 0; i++) { await time.sleep(5); gc() }
    console.log(made, live.size)`,
    '300 0',
  )
  test('what a callback that throws has queued runs when it does in Node', async (t) => {
    const program = (module: string) => `import * as used from '${module}'
      const seen = []
      process.on('uncaughtException', (error) => seen.push(error.message))
      used.setTimeout(() => { process.nextTick(() => seen.push('tick')); throw new Error('thrown') }, 5)
      used.setTimeout(() => seen.push('next'), 5)
      process.on('exit', () => console.log(seen.join(' ')))
      // Both are due when timers are looked at next, whatever millisecond each was started in.
      for (const until = performance.now() + 20; performance.now() < until; );`
    const [ours, node] = await Promise.all([run(program('asyncfd/timers')), run(program('node:timers'))])
    t.is(ours.output, node.output)
    t.regex(ours.output, /thrown/)
  })
  test('what a tick, a microtask and a promise of a callback throw comes as in Node, and does not abort the process', async (t) => {
    const program = (module: string) => `import * as used from '${module}'
      const seen = []
      process.on('uncaughtException', (error) => seen.push(error.message)).on('unhandledRejection', (error) => seen.push(error.message))
      used.setTimeout(() => { process.nextTick(() => { throw new Error('tick') }); process.nextTick(() => seen.push('after')) }, 5)
      used.setTimeout(() => { seen.push('two'); queueMicrotask(() => { throw new Error('microtask') }) }, 5)
      used.setTimeout(() => { seen.push('three'); Promise.reject(new Error('promise')) }, 5)
      used.setTimeout(() => seen.push('four'), 5)
      process.on('exit', () => console.log(seen.join(' ')))
      for (const until = performance.now() + 20; performance.now() < until; );`
    const [ours, node] = await Promise.all([run(program('asyncfd/timers')), run(program('node:timers'))])
    t.deepEqual(ours, node)
    t.deepEqual(ours, { code: 0, output: 'tick two after microtask three promise four\n' })
    const uncaught = await run("timers.setTimeout(() => process.nextTick(() => { throw new Error('tick') }), 5)")
    t.is(uncaught.code, 1)
    t.regex(uncaught.output, /^Error: tick$/m)
  })
  test("handlers of what a callback throws see the contexts that they see with Node's timers", async (t) => {
    const program = (module: string) => `import * as used from '${module}'
      import { AsyncLocalStorage } from 'node:async_hooks'
      const storage = new AsyncLocalStorage(), seen = []
      const note = (what) => seen.push(what + ' ' + storage.getStore())
      process.on('uncaughtException', (error) => { note(error.message); used.setTimeout(note, 1, 'from the handler of ' + error.message) })
      const fail = (what) => { throw new Error(what) }
      storage.run('a', () => used.setTimeout(fail, 5, 'one'))
      used.setTimeout(note, 5, 'between')
      storage.run('b', () => used.setTimeout(() => { storage.enterWith('c'); fail('two') }, 5))
      used.setTimeout(() => { storage.enterWith('d'); fail('three') }, 5)
      storage.run('e', () => used.setTimeout(() => process.nextTick(fail, 'tick'), 5))
      used.setTimeout(note, 5, 'last')
      process.on('exit', () => console.log(seen.join(', ')))
      for (const until = performance.now() + 20; performance.now() < until; );`
    const [ours, node] = await Promise.all([run(program('asyncfd/timers')), run(program('node:timers'))])
    t.deepEqual(ours, node)
    t.regex(ours.output, /^one a, .*two c, .*three d/)
  })
  test('nothing that Node is about to deprecate is used', async (t) => {
    const program = `import * as net from 'asyncfd/net'
      import * as limits from 'asyncfd/timeouts'
      const listener = await net.TcpListener.bind('127.0.0.1:0')
      const [client, server] = await Promise.all([net.TcpStream.connect(listener.localAddress), listener.accept()])
      client.setTimeouts({ idle: 1e6 })
      await client.writeAll(Buffer.from('line\\n'))
      for await (const line of server.lines()) { console.log(line); break }
      const socket = await limits.connect({ host: '127.0.0.1', port: listener.localAddress.port }, { connect: 1e6, idle: 1e6 })
      await new Promise((resolve) => timers.setTimeout(resolve, 1))
      await time.sleep(1)
      socket.destroy()
      for (const one of [client, server, listener]) one.destroy()`
    const { code, output } = await run(program, { NODE_OPTIONS: '--pending-deprecation --throw-deprecation' })
    t.deepEqual({ code, output }, { code: 0, output: 'line\n' })
  })
  test('warnings of durations are those of Node', async (t) => {
    const program = (module: string) => `import * as used from '${module}'
      const seen = []
      process.on('warning', ({ name, message }) => seen.push(name + ': ' + message))
      for (const ms of [2 ** 31, 1e20, Infinity, -5, -Infinity, NaN, 'x', undefined, null, {}]) used.clearTimeout(used.setTimeout(() => {}, ms))
      for (const ms of [2 ** 31, -5, NaN]) used.clearInterval(used.setInterval(() => {}, ms))
      setImmediate(() => console.log(JSON.stringify(seen, null, 1)))`
    const [ours, node] = await Promise.all([run(program('asyncfd/timers')), run(program('node:timers'))])
    const listed = ({ output }: Ended) => /\[[\s\S]*\]/.exec(output.replace(/^\(.*\n/gm, ''))?.[0]
    t.is(listed(ours), listed(node))
  })
  prints(
    'a worker terminated with a hundred thousand timers pending, and one that ends by itself',
    `import { Worker, isMainThread } from 'node:worker_threads'
    import { once } from 'node:events'
    const program = (end) => "import { setTimeout } from 'asyncfd/timers'; import { sleep } from 'asyncfd/time'; import { parentPort } from 'node:worker_threads';"
      + "for (let i = 0; i < 100000; i++) setTimeout(() => {}, 1 + i); void sleep(5); parentPort.postMessage('ready');" + end
    const { writeFileSync } = await import('node:fs')
    for (const [name, end] of [['terminate', ''], ['exit', 'process.exit(0)'], ['throw', 'throw new Error("thrown")']]) {
      const file = new URL(name + '.mjs', import.meta.url)
      writeFileSync(file, program(end))
      const worker = new Worker(file)
      worker.on('error', (error) => console.log(error.message))
      const ended = new Promise((resolve) => worker.once('exit', resolve))
      if (end === '') await once(worker, 'message').then(() => worker.terminate())
      await ended
      console.log(name)
    }`,
    'terminate\nexit\nthrown\nthrow',
  )
}
test('one pending timer is no busy wait: a second of it takes a few turns and next to no CPU', async (t) => {
  const { code, output } = await run(`const cpu = process.cpuUsage()
    timers.setTimeout(() => {}, 20_000).unref()
    await time.sleep(1000)
    const { user, system } = process.cpuUsage(cpu)
    console.log(JSON.stringify({ turns: fd.reactor.metrics().turns, cpu: (user + system) / 1000 }))`)
  t.is(code, 0, output)
  const { turns, cpu } = JSON.parse(output) as { turns: number; cpu: number }
  // The wheel looks in where levels border: once per level at most.
  t.true(turns <= 12, `${turns} turns`)
  t.true(cpu < 500, `${cpu} ms of CPU`)
})
prints('importing starts nothing', `console.log(fd.reactor.metrics().turns, fd.reactor.metrics().refs)`, '0 0')
