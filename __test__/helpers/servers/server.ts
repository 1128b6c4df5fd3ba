/**
 * Real servers for tests: each in a folder of its own, on loopback, for as long as the test runs.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { accessSync, chmodSync, constants, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A server that runs. */
export interface RunningServer extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** The path of its Unix socket. */
  readonly socketPath: string
  /** Of the server itself. */
  readonly pid: number
  /** Ends it, and removes its folder. */
  stop(): Promise<void>
}

/** Where packages put servers, which is not always in the path. */
function* places(): Generator<string> {
  yield* (process.env.PATH ?? '').split(':').filter((path) => path !== '')
  try {
    for (const version of readdirSync('/usr/lib/postgresql').sort().reverse()) yield `/usr/lib/postgresql/${version}/bin`
  } catch {
    // Not Debian's package.
  }
  yield* ['/usr/sbin', '/usr/local/sbin']
}

/** The path of a program, or null. */
export function program(name: string): string | null {
  for (const place of places()) {
    try {
      const path = join(place, name)
      accessSync(path, constants.X_OK)
      if (statSync(path).isFile()) return path
    } catch {
      // Not there.
    }
  }
  return null
}

/** Why a server cannot be had here, or null. `node scripts/servers.mjs` installs what is missing, where it can. */
export function missing(server: string, ...programs: string[]): string | null {
  if (process.platform === 'win32') return `there is no ${server} for tests on Windows`
  const absent = programs.filter((name) => program(name) === null)
  return absent.length === 0 ? null : `${server} is not installed: there is no ${absent.join(', ')}`
}

/** A TCP port on loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Servers that refuse to be root's run as this user. */
const NOBODY = ['postgres', 'nobody']

/** What comes before a command so that it is not root's, and who that is then. */
export function unprivileged(): { prefix: string[]; user: string | null } {
  if (process.getuid?.() !== 0) return { prefix: [], user: null }
  for (const user of NOBODY) {
    try {
      const group = execFileSync('id', ['-gn', user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
      return { prefix: ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups', '--'], user }
    } catch {
      // No such user.
    }
  }
  return { prefix: [], user: null }
}

/** A folder of `user`'s, whom it is given to. The name is short: a Unix socket's path has 107 bytes. */
export function ownFolder(name: string, user: string | null): string {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`))
  if (user !== null) execFileSync('chown', [user, folder])
  chmodSync(folder, 0o700)
  return folder
}

/**
 * Runs the server, tells its number, and removes the folder in the end. Whoever is asked for it ends it by ending this one's standard
 * input, which the kernel does too when they die: nothing is left behind.
 */
const KEEPER = `folder=$1; signal=$2; shift 2
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
echo "server $server"
{ cat >/dev/null; kill -s "$signal" "$server"; } <&3 2>/dev/null &
wait "$server"
cd / && rm -rf "$folder"`

/** What a server says may be long; this much of its end is told with a failure. */
const TOLD = 4000
const PATIENCE_MS = 60_000

export interface ServerCommand {
  name: string
  folder: string
  command: readonly string[]
  /** What comes before the command. */
  prefix?: readonly string[]
  /** It takes connections when it has said this. */
  ready: RegExp
  /** By which signal it ends without delay. */
  signal: 'INT' | 'TERM' | 'QUIT'
  env?: Record<string, string>
}

/** Starts a server, and waits until it takes connections. @returns its number, and what ends it */
export async function run({ name, folder, command, prefix = [], ready, signal, env }: ServerCommand): Promise<{
  pid: number
  stop(): Promise<void>
}> {
  const line = [...prefix, 'sh', '-c', KEEPER, 'sh', folder, signal, ...command]
  const child = spawn(line[0]!, line.slice(1), {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', ...env },
  })
  child.stdin.on('error', () => {}) // it ended before
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const stop = async () => {
    child.stdin.end()
    await ended
    // The rest of what it says keeps nobody waiting.
    child.stdout.destroy()
    child.stderr.destroy()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    return { pid: await said(child, name, ready), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function said(child: ChildProcess, name: string, ready: RegExp): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = ''
    const fail = (what: string) => {
      clearTimeout(timer)
      reject(new Error(`${name} ${what}\n${output}`))
    }
    const timer = setTimeout(() => fail(`did not start within ${PATIENCE_MS} ms`), PATIENCE_MS)
    let isReady = false
    const look = (text: string) => {
      if (isReady) return // what it says later is read, so that it is not held up
      output = (output + text).slice(-TOLD)
      const pid = /^server (\d+)$/m.exec(output)?.[1]
      if (pid === undefined || !ready.test(output)) return
      isReady = true
      clearTimeout(timer)
      resolve(Number(pid))
    }
    child.stdout!.setEncoding('utf8').on('data', look)
    child.stderr!.setEncoding('utf8').on('data', look)
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code) => fail(`ended with code ${code}`))
  })
}

/** Starts it again, with another port, if somebody else was faster. */
export async function withPort<S>(start: (port: number) => Promise<S>): Promise<S> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort())
    } catch (error) {
      if (attempt === 3 || !/in use/i.test(String(error))) throw error
    }
  }
}

interface Declare<T> {
  (title: string, body: (t: T) => unknown): void
  skip(title: string, body: (t: T) => unknown): void
}

/** `test`, or what skips and says why: `const withPostgres = unless(postgres.missing(), test)`. */
export function unless<T>(why: string | null, test: Declare<T>): (title: string, body: (t: T) => unknown) => void {
  return why === null ? test : (title, body) => test.skip(`${title} (${why})`, body)
}
