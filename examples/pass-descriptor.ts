/** An open file handed to another process: it reads what it could not have opened itself. */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UnixListener, UnixStream } from 'asyncfd/net'

if (process.argv[2] === 'reader') {
  await using stream = await UnixStream.connect(process.argv[3]!, { timeout: 5000 })
  const { fds } = await stream.recvFds(Buffer.alloc(1), { timeout: 5000 })
  const text = readFileSync(fds[0]!, 'utf8')
  for (const fd of fds) closeSync(fd) // they are ours now
  await stream.writeAll(Buffer.from(`I read "${text}"\n`))
} else {
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-pass-'))
  {
    await using listener = await UnixListener.bind(join(folder, 'socket'), { mode: 0o600 })
    spawn(process.execPath, [process.argv[1]!, 'reader', join(folder, 'socket')], { stdio: 'inherit' })
    await using stream = await listener.accept({ timeout: 10_000 })
    if (process.platform === 'linux') console.log(`asked by a process of user ${stream.peerCredentials().uid}`)

    writeFileSync(join(folder, 'secret'), 'nobody else may open this', { mode: 0o600 })
    const fd = openSync(join(folder, 'secret'), 'r')
    await stream.sendFds([fd])
    closeSync(fd) // the other process has its own

    const { value: answer } = await stream.lines({ timeout: 5000 }).next()
    console.log(answer)
    if (answer !== 'I read "nobody else may open this"') process.exitCode = 1
  }
  rmSync(folder, { recursive: true })
}
