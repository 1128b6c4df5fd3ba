/** A pseudo-terminal with a shell behind it: typed to and read through guards, as a terminal emulator does. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AsyncFd, AsyncFdError, WouldBlock } from '../../index.js'
import * as sys from '../../sys/index.js'
import { endOf, startShell } from './child.js'
import { check, type Progress, type Station } from './station.js'

/** The session's leader opens the terminal by its path, which makes it its controlling one. */
const SHELL_ON_TERMINAL = 'exec sh -i <"$0" >"$0" 2>&1'

const [a, b] = [random(), random()]
const COMMANDS = [`echo $((${a} * ${b}))`, '[ -t 0 ] && echo a terminal indeed', 'exit 7']

function random(): number {
  return 100 + Math.floor(Math.random() * 900)
}

async function readTerminal(master: AsyncFd, progress: Progress, signal: AbortSignal): Promise<string> {
  const buffer = Buffer.alloc(4096)
  let text = ''
  for (;;) {
    const guard = await master.readable({ signal })
    progress.woke(guard)
    let count: number | WouldBlock
    try {
      count = guard.tryIo((inner) => sys.read(inner, buffer))
    } catch (error) {
      // The last program on the terminal is gone. Linux says so by EIO.
      if (error instanceof AsyncFdError && error.code === 'EIO') return text
      throw error
    }
    if (count === WouldBlock) continue
    if (count === 0) return text
    const before = text.split('\r\n').length
    text += buffer.toString('utf8', 0, count)
    const lines = text.split('\r\n')
    for (const line of lines.slice(before - 1, -1)) progress.say(line)
    progress.show(lines.at(-1)!.trim() === '$' ? (lines.at(-2) ?? '$') : lines.at(-1)!)
  }
}

async function type(master: AsyncFd, line: string, signal: AbortSignal): Promise<void> {
  const keys = Buffer.from(`${line}\n`)
  for (let typed = 0; typed < keys.length; ) {
    const guard = await master.writable({ signal })
    const count = guard.tryIo((inner) => sys.write(inner, keys, typed, 1))
    if (count !== WouldBlock) typed += count
    await sleep(10)
  }
}

export const pty: Station = {
  name: 'PTY ↔ shell',
  async tour(progress, signal) {
    const { master: number, slave, path } = sys.openpty({ cols: 80, rows: 24 })
    using master = new AsyncFd(number, { owned: true })
    using terminal = new sys.OwnedFd(slave)
    progress.watch(master.fd)
    progress.say(`a shell starts on ${path}`)
    const env = { PATH: process.env.PATH, PS1: '$ ', TERM: 'dumb' }
    const shell = startShell(['-c', SHELL_ON_TERMINAL, path], { stdio: [slave, slave, slave], detached: true, env })
    terminal.close()
    const typing = async () => {
      for (const command of COMMANDS) {
        await sleep(350)
        await type(master, command, signal)
      }
    }
    const [text, code] = await Promise.all([readTerminal(master, progress, signal), endOf(shell), typing()])
    check(text.includes(`\n${a * b}\r\n`), `${a} * ${b} is not in ${JSON.stringify(text)}`)
    check(text.includes('\na terminal indeed\r\n'), `the shell sees no terminal: ${JSON.stringify(text)}`)
    check(code === 7, `the shell ended with ${code}`)
    return `${a} * ${b} is ${a * b}, exit code 7`
  },
}
