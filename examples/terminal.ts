/** A terminal: commands are typed into a shell on a pseudo-terminal, which echoes them, hears of a new size, and ends by Ctrl-D. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Async } from 'asyncfd'
import * as sys from 'asyncfd/sys'

const { master, slave } = sys.openpty({ cols: 80, rows: 24 })
sys.setNonblocking(slave, false) // programs expect their terminal to block
const shell = spawn('sh', ['-c', 'while read -r command; do eval "$command"; done'], {
  stdio: [slave, slave, slave],
  detached: true,
})
const ended = once(shell, 'exit')
sys.close(slave) // the shell has its own; the end comes when the last one is closed

await using terminal = new Async(master, { owned: true })
const lines = terminal.lines({ timeout: 10_000 })
const screen: string[] = []

/** Types a line and reads so many: the echo is the first. */
async function type(command: string, count: number): Promise<void> {
  await terminal.writeAll(Buffer.from(`${command}\r`))
  while (count-- > 0) screen.push((await lines.next()).value)
}

await type('stty size', 2)
sys.setWinsize(terminal.fd, { cols: 132, rows: 50 })
await type('stty size', 2)
await type('echo "$((6 * 7))"', 2)
await terminal.writeAll(Buffer.from('\x04'))
for await (const line of lines) screen.push(line) // a terminal that everybody has left is at its end
const [code] = await ended

console.log(screen.join('\n'))
const expected = ['stty size', '24 80', 'stty size', '50 132', 'echo "$((6 * 7))"', '42']
if (code !== 0 || screen.join() !== expected.join()) process.exitCode = 1
