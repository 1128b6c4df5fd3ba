#!/usr/bin/env node
/**
 * The packages as people install them: packs them, publishes them to a registry on loopback, and installs from it into empty projects with
 * every package manager; runs what was installed on every runtime, from TypeScript, bundled, in a worker. Writes TAP.
 *
 *   npm run test:install
 *   npm run test:install -- --keep          leaves the projects where they are, and says where
 *   npm run test:install -- pnpm            only cells whose name contains this
 *
 * A folder in projects/ is one more project: its package.json is installed by npm, `asyncfd` in it means what was packed, and its script
 * `start` must end well. `"runtimes": ["node", "node26"]` there says where, beside the Node that runs this.
 */
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ending, npm, root, run, tail } from '../run.mjs'
import { install, installFolder, runtimes, unavailable } from '../runtimes.mjs'
import { startRegistry } from './registry.mjs'

const SECONDS = 60
const { values: flags, positionals } = parseArgs({ allowPositionals: true, options: { keep: { type: 'boolean' } } })
const here = fileURLToPath(new URL('.', import.meta.url))
const tool = (path) => join(here, 'node_modules', path)
const json = (path) => JSON.parse(readFileSync(path, 'utf8'))
const { name: NAME, version: VERSION } = json(join(root, 'package.json'))
const PACKAGE = `${NAME}-linux-x64-gnu`

// --- TAP ------------------------------------------------------------------------------------------------------------

const counts = { pass: 0, fail: 0, skip: 0 }
const left = performance.now()

function report(word, name, rest = '') {
  console.log(`${word === 'fail' ? 'not ok' : 'ok'} ${counts.pass + counts.fail + counts.skip + 1} - ${name}${rest}`)
  counts[word]++
}

/** One cell: what it resolves with becomes part of its name. */
async function cell(name, work, { always = false } = {}) {
  if (!always && positionals.length > 0 && !positionals.some((part) => name.includes(part))) return
  try {
    const said = await work()
    report('pass', said === undefined ? name : `${name}: ${said}`)
  } catch (error) {
    report('fail', name)
    console.log(`  ---\n${(error instanceof assert.AssertionError ? error.message : error.stack).replace(/^/gm, '    ')}\n  ...`)
  }
}

function end() {
  console.log(`# pass ${counts.pass}\n# fail ${counts.fail}\n# skip ${counts.skip}`)
  console.log(`# ${((performance.now() - left) / 1000).toFixed(1)} s`)
  process.exit(counts.fail > 0 ? 1 : 0)
}

console.log('TAP version 13')
const why = unavailable() ?? (await install()) ?? (await installFolder('scripts/install', 'package managers and bundlers'))
if (why !== null) {
  if (unavailable()) report('skip', 'the install matrix', ` # skip ${why}`)
  else await cell('what the matrix needs is installed', () => assert.fail(why))
  end()
}

// --- The machine of somebody who has Node alone ---------------------------------------------------------------------

const place = realpathSync(mkdtempSync(join(tmpdir(), 'asyncfd-install-')))
process.on('exit', () => {
  if (flags.keep) console.log(`# kept: ${place}`)
  else rmSync(place, { recursive: true, force: true })
})
const folder = (name) => {
  mkdirSync(join(place, name), { recursive: true })
  return join(place, name)
}

const found = (program) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((path) => join(path, program))
    .find(existsSync)
/** The only folder in PATH: no compiler, no cargo, no python. */
function programs(node) {
  const bin = folder(`bin/${node}`)
  if (existsSync(join(bin, 'node'))) return bin
  symlinkSync(runtimes[node].bin, join(bin, 'node'))
  symlinkSync(realpathSync(found('npm')), join(bin, 'npm'))
  for (const program of ['sh', 'sed', 'dirname', 'uname']) symlinkSync(realpathSync(found(program)), join(bin, program))
  return bin
}

const upstream = (await run(npm, ['config', 'get', 'registry'])).output.match(/^https?:\S+/m)?.[0] ?? ''
const { url, asked, publish, close } = await startRegistry({
  own: new RegExp(`^${NAME}(-|$)`),
  upstream: upstream.replace(/\/?$/, '/'),
})
const home = folder('home')
writeFileSync(join(home, '.npmrc'), `registry=${url}/\n${url.replace('http:', '')}/:_authToken=none\n`)

/** What npm gave to this process must not reach the package managers that it starts. */
const inherited = Object.keys(process.env).filter((key) => /^(npm_|yarn_|pnpm_|NODE_OPTIONS$|INIT_CWD$)/i.test(key))
const environment = (node = 'node') => ({
  ...Object.fromEntries(inherited.map((key) => [key, undefined])),
  PATH: programs(node),
  HOME: home,
  XDG_CONFIG_HOME: undefined,
  XDG_CACHE_HOME: undefined,
  XDG_DATA_HOME: undefined,
  CI: undefined,
  NO_COLOR: '1',
  npm_config_userconfig: join(home, '.npmrc'),
  npm_config_cache: join(home, 'npm'),
  npm_config_registry: `${url}/`,
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  pnpm_config_update_notifier: 'false',
  YARN_NPM_REGISTRY_SERVER: url,
  YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
  YARN_ENABLE_TELEMETRY: '0',
  YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
  YARN_IGNORE_PATH: '1',
})

/** Runs a command in a project and gives its output; fails unless it ends well. */
async function expect(cwd, command, args, { node = 'node', env = {} } = {}) {
  const result = await run(command, args, { cwd, env: { ...environment(node), ...env }, seconds: SECONDS })
  assert(result.code === 0, `${[command, ...args].join(' ')} ${ending(result, SECONDS)}\n${tail(result.output)}`)
  return result.output
}

/** Runs a program of the project on a runtime: it must say that it works. */
async function works(cwd, runtime, program, wanted = /^works$/m) {
  const { bin, args, env } = runtimes[runtime]
  const output = await expect(cwd, bin, [...args, program], { env })
  assert.match(output, wanted)
}

/** A project with nothing but the programs in it. */
function project(name, manifest = { private: true }) {
  const cwd = folder(`projects/${name}`)
  cpSync(join(here, 'programs'), cwd, { recursive: true })
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ name: 'project', version: '1.0.0', ...manifest }))
  return cwd
}

// --- Publishing -----------------------------------------------------------------------------------------------------

const packed = folder('packed')
const packing = async () => {
  await expect(root, process.execPath, [join(root, 'scripts/pack.mjs'), '--out', packed], { env: { PATH: process.env.PATH } })
  const standIns = readdirSync(join(root, 'compat')).map((name) => json(join(root, 'compat', name, 'package.json')).name)
  for (const name of [NAME, PACKAGE, ...standIns]) {
    await expect(place, 'npm', ['publish', join(packed, `${name}-${VERSION}.tgz`)])
    const { scripts = {}, gypfile } = json(join(packed, name, 'package.json'))
    assert.deepEqual([Object.keys(scripts), gypfile], [[], undefined], 'scripts would run at install')
    assert(!existsSync(join(packed, name, 'binding.gyp')), 'npm would run node-gyp')
  }
  // The packages of other platforms have no binary here: nothing may load them, whatever a package manager fetches.
  const others = readdirSync(join(root, 'npm')).filter((name) => `${NAME}-${name}` !== PACKAGE)
  const places = others.map((name) => join(root, 'npm', name))
  const output = await expect(place, 'npm', [
    'pack',
    '--json',
    '--ignore-scripts',
    '--pack-destination',
    folder('others'),
    ...places,
  ])
  assert.equal(readdirSync(join(place, 'others')).length, others.length, output)
  for (const name of others) {
    publish(json(join(root, 'npm', name, 'package.json')), readFileSync(join(place, 'others', `${NAME}-${name}-${VERSION}.tgz`)))
  }
}
await cell('packing and publishing', packing, { always: true })
if (counts.fail > 0) end()

// --- npm, and every runtime on what it installed --------------------------------------------------------------------

const main = project('npm')
const installing = async () => {
  const output = await expect(main, 'npm', ['install', '--foreground-scripts', NAME])
  assert.doesNotMatch(output, /install script|allow-scripts|> .*install|gyp/i)
  assert.match(output, /added 2 packages/)
  assert.deepEqual(
    readdirSync(join(main, 'node_modules')).filter((name) => !name.startsWith('.')),
    [NAME, PACKAGE],
  )
  const { packages } = json(join(main, 'package-lock.json'))
  assert.deepEqual(
    Object.values(packages).filter((entry) => entry.hasInstallScript),
    [],
  )
}
await cell('npm installs it without a compiler, runs no script and takes one package of nine', installing, { always: true })
for (const runtime of Object.keys(runtimes)) {
  const shown = runtime === 'node' ? `node${process.versions.node.split('.')[0]}` : runtime
  await cell(`${shown}: ES modules`, () => works(main, runtime, 'esm.mjs'))
  await cell(`${shown}: CommonJS`, () => works(main, runtime, 'cjs.cjs'))
  await cell(`${shown}: a worker`, () => works(main, runtime, 'worker.mjs', /works\nworks\nworker ended with 0/))
}

await cell('npx asyncfd: doctor, and the demo of a blocked loop', async () => {
  assert.match(await expect(main, 'npm', ['exec', '--', NAME, 'doctor']), /✓ binding .*node_modules.*Everything works/s)
  assert.match(await expect(main, 'npm', ['exec', '--', NAME, 'demo', 'blocked']), /Only the silent peer was to blame/)
})

// --- TypeScript -----------------------------------------------------------------------------------------------------

const tsc = join(root, 'node_modules/typescript/bin/tsc')
const oldestTsc = tool('typescript-oldest/bin/tsc')
/** The binary itself: the file of this name in the package is a script, or by its own install script the binary. */
const esbuild = [tool(`@esbuild/${process.platform}-${process.arch}/bin/esbuild`)]
await cell('TypeScript: every subpath has types', () => {
  const { exports } = json(join(main, 'node_modules', NAME, 'package.json'))
  const subpaths = Object.keys(exports).filter((subpath) => subpath !== './package.json')
  const lines = subpaths.map((subpath, i) => `export * as m${i} from '${NAME}${subpath.slice(1)}'`)
  writeFileSync(join(main, 'subpaths.ts'), `${lines.join('\n')}\n`)
  mkdirSync(join(main, 'node_modules/@types'), { recursive: true })
  for (const name of ['@types/node', 'undici-types'])
    symlinkSync(join(root, 'node_modules', name), join(main, 'node_modules', name))
  return `${subpaths.length} of them`
})
for (const [resolution, module] of [
  ['node16', 'node16'],
  ['bundler', 'esnext'],
]) {
  await cell(`TypeScript: moduleResolution ${resolution}, and what comes out runs`, async () => {
    const config = {
      compilerOptions: {
        module,
        moduleResolution: resolution,
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        types: ['node'],
        strict: true,
        exactOptionalPropertyTypes: true,
        outDir: resolution,
        rootDir: '.',
      },
      files: ['types.ts', 'subpaths.ts'],
    }
    writeFileSync(join(main, 'package.json'), JSON.stringify({ ...json(join(main, 'package.json')), type: 'module' }))
    writeFileSync(join(main, `tsconfig.${resolution}.json`), JSON.stringify(config))
    await expect(main, process.execPath, [tsc, '-p', `tsconfig.${resolution}.json`])
    await works(main, 'node', join(resolution, 'types.js'))
  })
}

await cell('TypeScript 5.2, the first with using: all declarations are understood', async () => {
  const compilerOptions = { module: 'node16', target: 'es2022', lib: ['es2022'], types: ['node'], strict: true, noEmit: true }
  writeFileSync(join(main, 'tsconfig.oldest.json'), JSON.stringify({ compilerOptions, files: ['subpaths.ts'] }))
  await expect(main, process.execPath, [oldestTsc, '-p', 'tsconfig.oldest.json'])
})

// --- Bundlers -------------------------------------------------------------------------------------------------------

const rolldown = [process.execPath, join(root, 'node_modules/rolldown/bin/cli.mjs')]
const bundlers = {
  'esbuild to ESM': [...esbuild, 'esm.mjs', '--bundle', '--platform=node', '--format=esm', '--outfile=out/esbuild.mjs'],
  'esbuild to CommonJS': [...esbuild, 'bundled.mjs', '--bundle', '--platform=node', '--format=cjs', '--outfile=out/esbuild.cjs'],
  'rolldown to ESM': [...rolldown, 'esm.mjs', '--platform', 'node', '--format', 'esm', '--file', 'out/rolldown.mjs'],
  'rolldown to CommonJS': [...rolldown, 'bundled.mjs', '--platform', 'node', '--format', 'cjs', '--file', 'out/rolldown.cjs'],
}
// CommonJS has no top-level await.
const source = readFileSync(join(here, 'programs/esm.mjs'), 'utf8')
const [imports, body] = [/^import .*$/gm, /^(?!import|\/\/).*$/gm].map((lines) => source.match(lines).join('\n'))
writeFileSync(join(main, 'bundled.mjs'), `${imports}\nasync function main() {\n${body}\n}\nmain()\n`)
for (const [name, [program, ...args]] of Object.entries(bundlers)) {
  await cell(`${name}: the bundle finds the package, or the binary beside it`, async () => {
    await expect(main, program, args)
    const file = args.at(-1).replace(/^--outfile=/, '')
    await works(main, 'node', file)
    const alone = folder(`alone/${name}`)
    cpSync(join(main, file), join(alone, file.replace('out/', '')))
    const binary = `${NAME}.${PACKAGE.slice(NAME.length + 1)}.node`
    cpSync(join(main, 'node_modules', PACKAGE, binary), join(alone, binary))
    await works(alone, 'node', file.replace('out/', ''))
  })
}

// --- Other package managers -----------------------------------------------------------------------------------------

const pnpm = tool('pnpm/bin/pnpm.mjs')
const yarn1 = tool('yarn/bin/yarn.js')
const yarn = tool('@yarnpkg/cli-dist/bin/yarn.js')

await cell('pnpm', async () => {
  const cwd = project('pnpm')
  await expect(cwd, process.execPath, [pnpm, 'add', NAME, '--store-dir', join(home, 'pnpm')])
  const { pendingBuilds, ignoredBuilds = [] } = json(join(cwd, 'node_modules/.modules.yaml'))
  assert.deepEqual([pendingBuilds, ignoredBuilds], [[], []], 'scripts that pnpm asks about')
  for (const program of ['esm.mjs', 'cjs.cjs']) await works(cwd, 'node', program)
})
await cell('yarn 1', async () => {
  const cwd = project('yarn1')
  await expect(cwd, process.execPath, [yarn1, 'add', NAME, '--no-progress', '--cache-folder', join(home, 'yarn1')])
  for (const program of ['esm.mjs', 'cjs.cjs']) await works(cwd, 'node', program)
})
for (const linker of ['pnp', 'node-modules']) {
  await cell(`yarn 4, ${linker}`, async () => {
    const cwd = project(`yarn-${linker}`)
    writeFileSync(join(cwd, 'yarn.lock'), '')
    const env = { YARN_NODE_LINKER: linker, YARN_GLOBAL_FOLDER: join(home, 'yarn') }
    await expect(cwd, process.execPath, [yarn, 'add', NAME], { env })
    for (const program of ['esm.mjs', 'cjs.cjs']) {
      assert.match(await expect(cwd, process.execPath, [yarn, 'node', program], { env }), /^works$/m)
    }
  })
}
await cell('bun as package manager', async () => {
  const cwd = project('bun')
  await expect(cwd, runtimes.bun.bin, ['add', NAME, '--registry', url, '--cache-dir', join(home, 'bun')])
  await works(cwd, 'bun', 'esm.mjs')
})

// --- Without the binary ---------------------------------------------------------------------------------------------

await cell('npm install --omit=optional: the error names platform, package and what to do', async () => {
  const cwd = project('omitted')
  await expect(cwd, 'npm', ['install', '--omit=optional', NAME])
  const output = await expect(cwd, process.execPath, ['missing.mjs'])
  assert.match(
    output,
    new RegExp(
      `^ERR_ASYNCFD_BINDING: the package ${PACKAGE}, .*linux x64 \\(glibc\\).*npm install --include=optional.*npm run build`,
    ),
  )
})

await cell('nothing else was downloaded', () => {
  const others = asked.filter((name) => !name.startsWith(NAME))
  assert.deepEqual(others, [])
  return `${asked.length} requests, all for packages of ours`
})

// --- Projects -------------------------------------------------------------------------------------------------------

for (const name of readdirSync(join(here, 'projects')).sort()) {
  const cwd = folder(`projects/${name}`)
  cpSync(join(here, 'projects', name), cwd, { recursive: true })
  await cell(`project ${name}: npm install`, async () => {
    await expect(cwd, 'npm', ['install', '--no-package-lock'])
  })
  for (const runtime of json(join(cwd, 'package.json')).runtimes ?? ['node']) {
    await cell(`project ${name}: npm start on ${runtime}`, async () => {
      const { output, code } = await run('npm', ['start'], { cwd, env: environment(runtime), seconds: SECONDS })
      assert.equal(code, 0, tail(output))
    })
  }
}

close()
end()
