/**
 * What exists when: nothing by importing, a thread only with the threaded driver, and `hasRef` says what holds the process.
 *
 * Portable: bun, deno
 */
import { AsyncFd, Interest, reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { Child } from '../helpers/process.js'
import test from '../helpers/test.js'

test('importing loads no binding and starts no thread; a failed registration leaves none of its own', async (t) => {
  const { code, stdout, stderr } = await (await Child.start('lifecycle', ['import'])).ended
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  const [metrics, imported] = stdout.split('\n')
  t.is(metrics, `${reactor.driver} 0`)
  t.deepEqual(JSON.parse(imported!), { loaded: false, thread: false })
})

test('the threaded driver has one thread, named asyncfd, from the first AsyncFd on; the embedded one has none', async (t) => {
  const { code, stdout } = await (await Child.start('lifecycle', ['thread'])).ended
  t.is(code, 0)
  const { before, after, driver } = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{'))!)
  t.is(driver, reactor.driver)
  t.deepEqual([before, after], [0, driver === 'threaded' ? 1 : 0])
})

test('a further AsyncFd starts no further thread', async (t) => {
  const { code, stdout } = await (await Child.start('lifecycle', ['many-threads'])).ended
  t.is(code, 0)
  t.true(stdout.split('\n').includes(`threads ${reactor.driver === 'threaded' ? 1 : 0}`))
})

test.serial('hasRef is whether something pending holds the process, and ref and unref return this', async (t) => {
  const [reader, writer] = sys.pipe()
  using fd = new AsyncFd(reader, { owned: true })
  using other = new AsyncFd(writer, { owned: true })
  const refs = () => reactor.metrics().refs
  const before = refs()
  t.false(fd.hasRef(), 'nothing is pending')
  const wait = fd.readable()
  t.true(fd.hasRef())
  t.is(refs(), before + 1)
  t.is(fd.unref(), fd)
  t.false(fd.hasRef())
  fd.unref()
  t.is(refs(), before, 'unref twice counts once')
  const subscription = fd.subscribe(Interest.READABLE, () => {})
  t.false(fd.hasRef(), 'what starts later is not refd either')
  t.is(fd.ref(), fd)
  fd.ref()
  t.true(fd.hasRef())
  t.is(refs(), before + 2)
  sys.write(other, Buffer.from('x'))
  await wait
  t.true(fd.hasRef(), 'the subscription still holds it')
  subscription[Symbol.dispose]()
  t.false(fd.hasRef())
  fd.close()
  t.false(fd.hasRef())
  fd.ref()
  fd.unref()
  t.is(refs(), before)
})

test.serial('a waker and a wait that expires give their hold back', async (t) => {
  const [reader, writer] = sys.pipe()
  using fd = new AsyncFd(reader, { owned: true })
  t.is(
    fd.pollReadReady(() => {}),
    null,
  )
  t.true(fd.hasRef())
  const called = new Promise<void>((resolve) => t.is(fd.pollReadReady(resolve), null))
  sys.write(writer, Buffer.from('x'))
  await called
  t.false(fd.hasRef(), 'the waker was called, the replaced one is gone')
  sys.read(reader, Buffer.alloc(1))
  fd.tryIo(Interest.READABLE, (inner) => sys.read(inner, Buffer.alloc(1)))
  await t.throwsAsync(fd.readable({ timeout: 1 }), { name: 'TimeoutError' })
  t.false(fd.hasRef())
  sys.close(writer)
})

test('an OwnedFd that is dropped leaves its descriptor open: nothing closes behind your back', async (t) => {
  const { code, stdout } = await (await Child.start('lifecycle', ['owned-fd-dropped'])).ended
  t.is(code, 0)
  t.true(stdout.split('\n').includes('open'))
})

test('an AsyncFd that is dropped deregisters itself, warns once, and closes only what it owns', async (t) => {
  const { code, stdout, stderr } = await (await Child.start('lifecycle', ['dropped'])).ended
  t.is(code, 0)
  t.deepEqual(JSON.parse(stdout.split('\n').find((line) => line.startsWith('{'))!), {
    registered: 0,
    borrowed: 'open',
    owned: 'closed',
    warnings: ['ASYNCFD_LEAK'],
  })
  t.regex(stderr, /ASYNCFD_LEAK/)
})
