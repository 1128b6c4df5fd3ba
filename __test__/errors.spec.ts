/**
 * Errors: what a handler can rely on, whatever failed.
 *
 * Portable: bun, deno
 */
import { constants } from 'node:os'
import * as asyncfd from 'asyncfd'
import { AsyncFd, AsyncFdError, ErrorCode, Interest, TimeoutError, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { noLeaks, own, pipe, shut, watch } from './helpers/fixtures.js'
import test from './helpers/test.js'

noLeaks(test)

test('a failed system call looks as those of the runtime do: code, negative errno, syscall', (t) => {
  const [reader] = pipe(t)
  shut(reader)
  const error = t.throws(() => sys.isNonblocking(reader), { instanceOf: AsyncFdError }) as AsyncFdError
  t.is(error.code, 'EBADF')
  t.is(error.errno, -constants.errno.EBADF)
  t.is(error.syscall, 'fcntl')
  t.is(error.fd, reader)
  t.regex(error.message, /^EBADF: .+, fcntl fd \d+$/)
})

test('EAGAIN has its own name where two names share the number', (t) => {
  t.is(constants.errno.EAGAIN, constants.errno.EWOULDBLOCK)
  const [reader] = pipe(t)
  t.is(sys.read(reader, Buffer.alloc(1)), WouldBlock, 'and is no error at all')
})

test('our own errors carry a code of ours, no errno, and the descriptor', (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader)
  fd.close()
  const error = t.throws(() => fd.intoInner(), { instanceOf: AsyncFdError }) as AsyncFdError
  t.is(error.name, 'AsyncFdError')
  t.is(error.code, ErrorCode.CLOSED)
  t.is(error.fd, reader)
  t.true(error instanceof Error)
  t.deepEqual(Object.keys(error).sort(), ['code', 'fd'], 'what there is not is not shown as undefined')
})

test('all codes of ours begin alike and are told apart', (t) => {
  const codes = Object.values(ErrorCode)
  t.deepEqual(
    codes.filter((code) => !code.startsWith('ERR_ASYNCFD_')),
    [],
  )
  t.is(new Set(codes).size, codes.length)
})

test('the object given to a constructor that fails comes back on the error', (t) => {
  const source = { fd: own(t, sys.open('/dev/null')) }
  const error = t.throws(() => new AsyncFd(source), { code: 'EPERM' }) as AsyncFdError
  t.is(error.inner, source)
})

test('the name of an error is no own property, which would be shown twice', (t) => {
  for (const error of [new AsyncFdError('message', 'CODE'), new TimeoutError('message', 5, 6)]) {
    t.false(Object.hasOwn(error, 'name'))
    t.true(String(error).startsWith(`${error.name}: message`))
    t.true(error.stack?.startsWith(error.name), error.stack)
  }
})

test('causes are kept', (t) => {
  const cause = new Error('why')
  t.is(new AsyncFdError('message', 'CODE', { cause }).cause, cause)
  t.is(new TimeoutError('message', 5, 6, { cause }).cause, cause)
})

test('a TimeoutError can be told by name as by class, and says how long it was', async (t) => {
  const [reader] = pipe(t)
  const error = await t.throwsAsync(watch(t, reader).readable({ timeout: 1.5 }), { instanceOf: TimeoutError })
  t.like(error, { name: 'TimeoutError', code: 'ETIMEDOUT', timeout: 1.5 })
  t.true((error as TimeoutError).elapsed >= 1.5)
  t.false(error instanceof AsyncFdError)
})

test('WouldBlock is one symbol for every copy of the package', (t) => {
  t.is(WouldBlock, Symbol.for('asyncfd.WouldBlock') as typeof WouldBlock)
  t.is(sys.WouldBlock, WouldBlock)
  t.is(sys.AsyncFdError, AsyncFdError)
})

test('the package exports what its documents name, and nothing by accident', (t) => {
  const names = ['AsyncFd', 'AsyncFdError', 'AsyncFdReadyGuard', 'ErrorCode', 'Interest', 'Ready', 'TimeoutError', 'WouldBlock']
  for (const name of [...names, 'poll', 'reactor', 'readyToString']) t.true(name in asyncfd, name)
  t.deepEqual(
    Object.keys(asyncfd).filter((name) => /^_|internal/i.test(name)),
    [],
  )
})

test('an error has a stack that leads to the call', async (t) => {
  const [reader] = pipe(t)
  const fd = watch(t, reader, { interest: Interest.READABLE })
  const error = t.throws(() => fd.writable(), { code: 'ERR_ASYNCFD_INTEREST' })
  t.regex(error?.stack ?? '', /errors\.spec/)
})
