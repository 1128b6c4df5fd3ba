/**
 * systemd's readiness protocol: a service sends a datagram to the socket that NOTIFY_SOCKET names. Here both ends are ours: the manager,
 * and a service in a process of its own.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UnixDatagram } from 'asyncfd/net'

/** What a service calls when it is up; does nothing without a manager. A leading @ is systemd's way to write an abstract name. */
async function notify(state: string): Promise<void> {
  const path = process.env.NOTIFY_SOCKET
  if (path === undefined) return
  await using socket = UnixDatagram.unbound()
  await socket.sendTo(Buffer.from(state), path.replace(/^@/, '\0'), { timeout: 1000 })
}

if (process.argv[2] === 'service') {
  await notify('STATUS=reading the configuration\n')
  await notify('READY=1\n')
} else {
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-notify-'))
  const path = join(folder, 'notify')
  {
    await using manager = await UnixDatagram.bind(path)
    spawn(process.execPath, [process.argv[1]!, 'service'], { stdio: 'inherit', env: { ...process.env, NOTIFY_SOCKET: path } })
    const buffer = Buffer.alloc(4096)
    for (let ready = false; !ready; ) {
      const state = buffer.toString('utf8', 0, await manager.recv(buffer, { timeout: 10_000 })).trim()
      console.log(`the service says ${state}`)
      ready = state === 'READY=1'
    }
  }
  rmSync(folder, { recursive: true })
}
