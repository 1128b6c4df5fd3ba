/** The recipe of docs/guides/node-pty.md, held against node-pty itself. Skipped where its prebuilt form has no binary. */
import { spawnSync } from 'node:child_process'
import fs, { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IPty } from '@lydell/node-pty'
import { Async, reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { root } from './helpers/documents.js'
import { fifo, isPending, noLeaks, settled, turns } from './helpers/fixtures.js'
import test, { type ExecutionContext } from './helpers/test.js'

const nodePty = await import('@lydell/node-pty').catch((error: Error) => error)
const available = 'spawn' in nodePty
const withPty = available ? test.serial : test.skip
if (!available) {
  test('node-pty is not to be had here', (t) => {
    t.log(nodePty.message)
    t.pass()
  })
}

noLeaks(test)

const SIZE = 300_000

/** A program on a terminal that reads nothing before it is let, and then says how many bytes there were. */
async function reluctant(t: ExecutionContext) {
  if (!available) throw nodePty
  const gate = fifo(t)
  const script = `stty raw -echo; echo ready; read go < ${gate}; head -c ${SIZE} | wc -c`
  const pty = nodePty.spawn('sh', ['-c', script], { cols: 80, rows: 24 })
  let said = ''
  pty.onData((text) => {
    said += text
  })
  const exited = new Promise((resolve) => pty.onExit(resolve))
  while (!said.includes('ready')) await turns()
  return { pty, letGo: () => writeFileSync(gate, 'go\n'), said: () => said, exited }
}

function writerOf(pty: IPty): Async {
  const writer = new Async(sys.dup((pty as unknown as { fd: number }).fd), { owned: true })
  pty.onExit(() => writer.destroy())
  return writer
}

withPty('node-pty itself asks again and again while its program does not read', async (t) => {
  const { pty, letGo, said, exited } = await reluctant(t)
  const { write } = fs
  let calls = 0
  fs.write = ((...args: Parameters<typeof write>) => {
    calls++
    write(...args)
  }) as typeof write
  t.teardown(() => {
    fs.write = write
  })
  pty.write('x'.repeat(SIZE))
  while (calls < 500) await turns()
  letGo()
  await exited
  t.regex(said(), new RegExp(`\\b${SIZE}\\b`))
})

withPty('the recipe waits for the program, and is not woken before it reads', async (t) => {
  const { pty, letGo, said, exited } = await reluctant(t)
  const written = writerOf(pty).writeAll(Buffer.alloc(SIZE, 'x'))
  t.true(await isPending(written))
  const before = reactor.metrics().wakeups
  await settled()
  t.is(reactor.metrics().wakeups - before, 3, 'those of settled() itself')
  letGo()
  await written
  await exited
  t.regex(said(), new RegExp(`\\b${SIZE}\\b`))
})

withPty('a write that is pending when the program ends rejects, and says how far it came', async (t) => {
  const { pty, exited } = await reluctant(t)
  const written = writerOf(pty).writeAll(Buffer.alloc(SIZE, 'x'))
  t.true(await isPending(written))
  pty.kill('SIGKILL')
  const error = await t.throwsAsync(written)
  t.regex((error as Error & { code: string }).code, /^(ERR_ASYNCFD_CLOSED|EIO)$/)
  t.true((error as Error & { bytesWritten: number }).bytesWritten < SIZE)
  await exited
})

test('the guide shows what the example runs', (t) => {
  const functionOf = (file: string) => /^function writerOf[\s\S]*?^}$/m.exec(readFileSync(join(root, file), 'utf8'))?.[0]
  t.truthy(functionOf('docs/guides/node-pty.md'))
  t.is(functionOf('docs/guides/node-pty.md'), functionOf('examples/node-pty.ts'))
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'build/examples/node-pty.js')], { encoding: 'utf8' })
  t.is(status, available ? 0 : 77, stdout)
})
