/**
 * How the binding is found, and what is said when it is not: in a project of its own, with packages of platforms made for it.
 *
 * Once: starts processes that load it, or do not
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PREBUILT, platform, platformName, VERSION } from './helpers/inside.js'
import test from './helpers/test.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const name = platformName(platform())
const binary = `asyncfd.${name}.node`

interface Answer {
  works?: boolean
  code?: string
  message?: string
  cause?: string
}

/** A folder with asyncfd in its node_modules, and no binary; `ask` calls something native there. */
function project(t: { teardown(fn: () => void): void }) {
  const folder = mkdtempSync(join(tmpdir(), 'asyncfd-native-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const modules = join(folder, 'node_modules')
  cpSync(join(root, 'dist'), join(modules, 'asyncfd/dist'), { recursive: true })
  copyFileSync(join(root, 'package.json'), join(modules, 'asyncfd/package.json'))
  return {
    folder,
    /** A package of a platform, whose main file has this text or is a copy of the binary. */
    install(platform: string, main?: string) {
      const place = join(modules, `asyncfd-${platform}`)
      const file = main === undefined ? binary : 'main.cjs'
      mkdirSync(place, { recursive: true })
      writeFileSync(join(place, 'package.json'), JSON.stringify({ name: `asyncfd-${platform}`, version: VERSION, main: file }))
      if (main === undefined) copyFileSync(join(root, binary), join(place, file))
      else writeFileSync(join(place, file), main)
      return place
    },
    ask(before = '', env = {}): Answer {
      const script = `
        ${before}
        import { isNonblocking } from 'asyncfd/sys'
        try { console.log(JSON.stringify({ works: isNonblocking(0) !== undefined })) }
        catch ({ code, message, cause }) { console.log(JSON.stringify({ code, message, cause: cause?.message })) }`
      const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, ...env },
      })
      return JSON.parse(child.stdout || JSON.stringify({ message: child.stderr }))
    },
  }
}
const set = (property: string, value: string) =>
  `Object.defineProperty(process, '${property}', { value: ${JSON.stringify(value)} });`

test('the package of the platform is found', (t) => {
  const { install, ask } = project(t)
  install(name)
  t.deepEqual(ask(), { works: true })
})

test('a binary beside the code comes before the package, for checkouts and bundles', (t) => {
  const { folder, install, ask } = project(t)
  install(name, 'throw new Error("the package was taken")')
  t.regex(ask().message ?? '', /the package was taken/)
  copyFileSync(join(root, binary), join(folder, 'node_modules/asyncfd', binary))
  t.deepEqual(ask(), { works: true })
})

test('a package that was left out is named, with what to do', (t) => {
  const { code, message, cause } = project(t).ask()
  t.is(code, 'ERR_ASYNCFD_BINDING')
  t.regex(message ?? '', new RegExp(`asyncfd-${name}, .*${process.platform} ${process.arch}.* is not installed`))
  t.regex(message ?? '', /npm install --include=optional/)
  t.regex(message ?? '', /npm ci && npm run build/)
  t.regex(cause ?? '', /Cannot find/)
})

test('a platform without a package is named, with how to build', (t) => {
  const { code, message } = project(t).ask(set('arch', 'riscv64'))
  t.is(code, 'ERR_ASYNCFD_BINDING')
  t.regex(
    message ?? '',
    new RegExp(`no prebuilt binary of asyncfd for ${process.platform} riscv64.*: no package asyncfd-.*riscv64`),
  )
  t.regex(message ?? '', /npm ci && npm run build/)
})

test('a system with an older glibc is told which one it takes', (t) => {
  const { install, ask } = project(t)
  install(
    name,
    "throw Object.assign(new Error(\"/lib/libc.so.6: version `GLIBC_2.99' not found (required by x.node)\"), { code: 'ERR_DLOPEN_FAILED' })",
  )
  const { code, message, cause } = ask()
  t.is(code, 'ERR_ASYNCFD_BINDING')
  t.regex(message ?? '', /it needs glibc 2\.99 and this system has (\d+\.\d+|an older one)\. To build/)
  t.regex(cause ?? '', /GLIBC_2\.99/)
})

test('a binary that is damaged says what the linker says', (t) => {
  const { install, ask } = project(t)
  writeFileSync(join(install(name), binary), 'not a library')
  const { code, message, cause } = ask()
  t.is(code, 'ERR_ASYNCFD_BINDING')
  t.true(message?.includes(`in asyncfd-${name} cannot be loaded on ${process.platform} ${process.arch}`))
  t.true(cause !== undefined && message?.includes(cause))
})

test('a process that may load no addons is told what lets it', (t) => {
  const { install, ask } = project(t)
  install(name)
  const { code, message } = ask('', { NODE_OPTIONS: '--no-addons' })
  t.is(code, 'ERR_ASYNCFD_BINDING')
  t.regex(message ?? '', /without --no-addons/)
  t.regex(message ?? '', /with --allow-addons/)
})

test('a binary of another version is refused', (t) => {
  const { install, ask } = project(t)
  install(name, "module.exports = { VERSION: '0.0.9' }")
  t.regex(ask().message ?? '', /found a binary of version 0\.0\.9 in asyncfd-/)
  install(name, 'module.exports = {}')
  const { code, message } = ask()
  t.is(code, 'ERR_ASYNCFD_BINDING')
  t.regex(message ?? '', /version unknown/)
})

if (process.platform === 'linux') {
  test('musl is told from glibc by the program itself', (t) => {
    const { folder, ask } = project(t)
    for (const [interpreter, libc] of [
      ['/lib/ld-musl-x86_64.so.1', 'musl'],
      ['/lib64/ld-linux-x86-64.so.2', 'gnu'],
    ] as const) {
      const program = join(folder, 'node')
      writeFileSync(program, `\x7fELF${'\0'.repeat(700)}${interpreter}\0${'\0'.repeat(9000)}`)
      const { message } = ask(`${set('execPath', program)}${set('arch', 'x64')}`, { NAPI_RS_NATIVE_LIBRARY_PATH: undefined })
      t.true(message === undefined ? libc === 'gnu' : message.includes(`asyncfd-linux-x64-${libc}`), message)
    }
  })
}

test('names of platforms are those of napi-rs', (t) => {
  const names = [
    { os: 'linux', cpu: 'x64', libc: 'glibc' },
    { os: 'linux', cpu: 'arm64', libc: 'musl' },
    { os: 'linux', cpu: 'arm', libc: 'glibc' },
    { os: 'darwin', cpu: 'arm64' },
    { os: 'freebsd', cpu: 'x64' },
    { os: 'win32', cpu: 'x64' },
  ] as const
  t.deepEqual(names.map(platformName), [
    'linux-x64-gnu',
    'linux-arm64-musl',
    'linux-arm-gnueabihf',
    'darwin-arm64',
    'freebsd-x64',
    'win32-x64-msvc',
  ])
  t.true(names.every((system) => PREBUILT.includes(platformName(system))))
  t.is(platformName({ os: 'linux', cpu: 'armv6', libc: 'glibc' }), 'linux-armv6-gnueabihf')
})

test('where descriptors are unsupported all of it can be imported, and says why it does nothing', (t) => {
  const fixture = join(root, 'build/__test__/fixtures/unsupported.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [fixture, 'pretend'], { encoding: 'utf8' })
  t.is(stdout, 'all of it says why\n', stderr)
  t.is(status, 0)
})
