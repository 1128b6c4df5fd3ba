/**
 * The servers that other specs talk to leave nothing behind, however a spec ends.
 *
 * Once: it is about helpers
 */
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from './helpers/process.js'
import { redisMissing, startRedis } from './helpers/servers/redis.js'
import { missing, ownFolder, run, unless } from './helpers/servers/server.js'
import test, { type ExecutionContext } from './helpers/test.js'

const withRedis = unless<ExecutionContext<unknown>>(redisMissing(), test)

const refused = (port: number) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.destroy())
    socket.on('error', (error) => resolve((error as { code?: string }).code)).on('close', resolve)
  })

withRedis('a server that is stopped is gone, with its folder', async (t) => {
  const server = await startRedis()
  const folder = dirname(server.socketPath)
  t.regex(readFileSync(`/proc/${server.pid}/cmdline`, 'latin1'), /redis-server/)
  t.true(existsSync(folder))
  await server.stop()
  t.false(existsSync(folder))
  t.is(await refused(server.port), 'ECONNREFUSED')
  await server.stop()
})

withRedis('a server goes with whoever started it, even if they are killed', async (t) => {
  const child = await Child.start('server-starter', [])
  while (!child.stdout.includes('\n')) await sleep(5)
  const folder = child.stdout.trim()
  t.true(existsSync(folder))
  child.kill('SIGKILL')
  await child.ended
  while (existsSync(folder)) await sleep(5)
  t.pass()
})

test('a server that does not start tells why', async (t) => {
  const folder = ownFolder('asyncfd-no-server', null)
  const failing = { name: 'It', command: ['sh', '-c', 'echo no such thing; exit 3'], ready: /ready/, signal: 'TERM' as const }
  await t.throwsAsync(run({ ...failing, folder }), { message: /It ended .*no such thing/s })
  t.false(existsSync(folder))
  await t.throwsAsync(run({ ...failing, folder }), { message: /ENOENT/ }, 'there is no such folder now')
  t.is(missing('It', 'sh'), null)
  t.regex(missing('It', 'sh', 'no-such-program')!, /It is not installed: there is no no-such-program/)
})
