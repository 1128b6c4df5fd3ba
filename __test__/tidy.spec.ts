/**
 * Holds the rules of the house, so that nobody has to remember them: which file may know which, where `unsafe` lives,
 * what never appears. Each rule is a test that lists its offenders and says what to do.
 *
 * Once: reads files
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from './helpers/test.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const generated = new Set(['node_modules', 'target', 'dist', 'build', '.git', 'package-lock.json', 'Cargo.lock'])

function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (generated.has(entry.name) || /\.(node|tgz|wasm|png|gif)$/.test(entry.name)) return []
    return entry.isDirectory() ? walk(path) : [path]
  })
}

const text = new Map(walk('').map((path) => [path, readFileSync(join(root, path), 'utf8')]))
const below = (folder: string, extension = '') => [...text.keys()].filter((f) => f.startsWith(folder) && f.endsWith(extension))
const read = (path: string) => text.get(path) ?? ''
const sources = below('src/', '.ts')
const core = below('crates/core/')
const rust = below('crates/', '.rs')

/** The file without its comments and the contents of its strings; lines keep their numbers. */
function code(path: string): string {
  const blank = (match: string) => match.replace(/[^\n]/g, ' ')
  const pattern = path.endsWith('.rs')
    ? /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^\\'\n])'|r(#*)"[\s\S]*?"\1|"(?:\\[\s\S]|[^"\\])*"/g
    : /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g
  return read(path).replace(pattern, (match) =>
    /^["'`]/.test(match) ? `${match[0]}${blank(match.slice(1, -1))}${match[0]}` : blank(match),
  )
}

/** Where a pattern occurs, as `path:line: text`. */
function find(files: string[], pattern: RegExp, content: (path: string) => string = code): string[] {
  return files.flatMap((path) => {
    const shown = read(path).split('\n')
    return content(path)
      .split('\n')
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${shown[i]?.trim()}`] : []))
  })
}

interface Lock {
  packages: Record<string, { optionalDependencies?: Record<string, string> }>
}

interface Import {
  from: string
  to: string
  /** Erased by the compiler, so it cannot make a cycle at run time. */
  type: boolean
}

const imports: Import[] = sources.flatMap((from) => {
  const bare = read(from).replace(/^\s*(\/\/|\*|\/\*).*$/gm, '')
  const pattern = /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g
  return [...bare.matchAll(pattern)].map(([, type, named, dynamic]) => {
    const target = named ?? dynamic ?? ''
    const to = target.startsWith('.') ? join(dirname(from), target).replace(/\.js$/, '.ts') : target
    return { from, to, type: type !== undefined }
  })
})
const show = ({ from, to }: Import) => `${from} imports ${to}`
const ours = ({ to }: Import) => to.startsWith('src/') || to === 'index.ts'

function cycles(): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (path.includes(file) || done.has(file)) return
    for (const { from, to, type } of imports) if (from === file && !type) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of sources) visit(file, [])
  return found
}

/** Functions that crates/node exports, under their JavaScript names. */
function nativeFunctions(): string[] {
  return below('crates/node/src/', '.rs').flatMap((path) => {
    const source = read(path).replace(/^\s*\/\/.*$/gm, '')
    const generated = [...source.matchAll(/#\[napi(?:\(([^\]]*)\))?\]\s*(?:#\[[^\]]*\]\s*)*pub (?:unsafe )?(?:async )?fn (\w+)/g)]
      .filter(([, options]) => !/module_exports|constructor|factory|skip_typescript/.test(options ?? ''))
      .map(([, options, name]) => /js_name = "(\w+)"/.exec(options ?? '')?.[1] ?? camel(name as string))
    const hot = [...source.matchAll(/\bexport\(\s*env,\s*exports,\s*c"(\w+)"/g)].map(([, name]) => name as string)
    return [...generated, ...hot]
  })
}
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** `unsafe` blocks and impls without a SAFETY line in the lines just above them. */
function unreasoned(path: string): string[] {
  const lines = read(path).split('\n')
  const bare = code(path).split('\n')
  return bare.flatMap((line, i) => {
    if (!/\bunsafe\s*(\{|impl\b)/.test(line)) return []
    for (let above = i; above >= Math.max(0, i - 10); above--) if (/\/\/ SAFETY: \S/.test(lines[above] ?? '')) return []
    return [`${path}:${i + 1}: ${lines[i]?.trim()}`]
  })
}

/** The spec of an export: `__test__/sys.spec.ts`, `__test__/sys-read.spec.ts` or anything in `__test__/sys/`. */
function hasSpec(module: string): boolean {
  return below('__test__/', '.spec.ts').some((f) => new RegExp(`^__test__/${module}([-./].*)?\\.spec\\.ts$`).test(f))
}

const manifest = JSON.parse(read('package.json')) as { exports: Record<string, string | { default: string }> }
const modules = Object.entries(manifest.exports)
  .filter(([name]) => name !== './package.json')
  .map(([name, target]) => {
    const file = (typeof target === 'string' ? target : target.default).replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')
    return { name, file, spec: name === '.' ? 'async-fd' : name.slice(2) }
  })

const leaves = [
  'src/builtins.ts',
  'src/diagnostics.ts',
  'src/domains.ts',
  'src/driver.ts',
  'src/errors.ts',
  'src/interest.ts',
  'src/platform.ts',
  'src/would-block.ts',
]
/** What src/reactor.ts is made of. */
const parts = ['src/grace.ts', 'src/board.ts', 'src/registration.ts', 'src/timer-queue.ts']
const prose = [...text.keys()].filter((f) => f !== '__test__/tidy.spec.ts')
const lines = (path: string) => read(path).split('\n').length - 1

const rules: [title: string, advice: string, offenders: () => string[]][] = [
  [
    'only src/native.ts loads the binding',
    'go through src/reactor.ts, or src/native.ts inside src/sys/',
    () => [
      ...find(
        sources.filter((f) => f !== 'src/native.ts'),
        /\.node['"]|\bcreateRequire\b/,
        read,
      ),
      ...imports.filter(({ from, to }) => to === 'index.ts' && from !== 'src/native.ts').map(show),
    ],
  ],
  [
    'only src/reactor.ts and src/sys/ import src/native.ts',
    'ask src/reactor.ts for what you need; arrows go src/* -> reactor.ts -> native.ts -> binding',
    () =>
      imports
        .filter(({ from, to }) => to === 'src/native.ts' && from !== 'src/reactor.ts' && !from.startsWith('src/sys/'))
        .map(show),
  ],
  [
    'src/reactor.ts, its parts and src/native.ts look downwards only',
    'let the caller pass in what they need',
    () =>
      imports
        .filter((i) => ours(i) && !i.type && !leaves.includes(i.to))
        .filter(
          ({ from, to }) =>
            (from === 'src/reactor.ts' && to !== 'src/native.ts' && !parts.includes(to)) ||
            (parts.includes(from) && !parts.includes(to)) ||
            (from === 'src/native.ts' && to !== 'index.ts'),
        )
        .map(show),
  ],
  [
    'errors, interest, platform and would-block are leaves, which know errors and builtins at most',
    'move what they would need into them, or out of them',
    () =>
      imports.filter((i) => leaves.includes(i.from) && ours(i) && !['src/errors.ts', 'src/builtins.ts'].includes(i.to)).map(show),
  ],
  ['src has no import cycle', 'move the shared part into a file of its own; a type-only import is no cycle', cycles],
  [
    'src depends on Node alone',
    'there are no run-time dependencies; node: builtins are fine',
    () => imports.filter(({ to }) => !/^(src\/|node:|index\.ts$)/.test(to)).map(show),
  ],
  [
    'no `any` in src',
    'use unknown, or the type it really has',
    () => find(sources, /[:<,|&(=]\s*any\b(?!\s*[:(])|\bas\s+any\b|\bany\[\]/),
  ],
  [
    'nothing in src waits while it is being imported',
    'require() cannot load a module with a top-level await',
    () => find(sources, /^(?!.*\basync\b)\S.*\bawait\b|^await\b/),
  ],
  [
    'src prints nothing, but for its command',
    'throw, or process.emitWarning',
    () =>
      find(
        sources.filter((f) => !f.startsWith('src/cli')),
        /\bconsole\s*\./,
      ),
  ],
  [
    'crates/core knows nothing of Node',
    'it belongs into crates/node',
    () => find(core, /\bnapi\b|\bnapi[-_]/i, (f) => (f.endsWith('.rs') ? code(f) : read(f).replace(/#.*$/gm, ''))),
  ],
  [
    'unsafe in crates/core lives in registration.rs and sys/',
    'wrap it there and call the safe function',
    () =>
      find(
        below('crates/core/src/', '.rs').filter((f) => !/^crates\/core\/src\/(registration\.rs|sys\.rs|sys\/)/.test(f)),
        /\bunsafe\b/,
      ),
  ],
  ['every unsafe block and impl says why it holds', 'put a `// SAFETY:` comment right above it', () => rust.flatMap(unreasoned)],
  [
    'every native function is in index.d.ts',
    'generated ones: npm run build:native; hot ones: add their types where the generator takes its header from',
    () => nativeFunctions().filter((name) => !new RegExp(`\\b${name}\\b`).test(read('index.d.ts'))),
  ],
  [
    'no source is longer than 600 lines',
    'one concept, one file: cut it',
    () => [...sources, ...rust].filter((f) => lines(f) > 600).map((f) => `${f}: ${lines(f)} lines`),
  ],
  ['nothing is left for later', 'do it, or write down in docs/ why not', () => find(prose, /\b(TODO|FIXME|XXX)\b/, read)],
  [
    'every export of package.json has a source and a spec',
    'a module x has src/x/index.ts and __test__/x.spec.ts or __test__/x/',
    () =>
      modules.flatMap(({ name, file, spec }) => [
        ...(existsSync(join(root, file)) ? [] : [`${name}: ${file} is missing`]),
        ...(hasSpec(spec) ? [] : [`${name}: __test__/${spec}.spec.ts is missing`]),
      ]),
  ],
  [
    'no file names a registry or a path of one machine',
    'use relative paths; locks carry no addresses',
    () => [
      ...find(prose, /\bregistry\.[\w-]+\.\w+|(?<![\w.\-/+])\/(home|root|Users|opt|work)\/\w/, read),
      ...['docs', 'install', 'runtimes']
        .map((folder) => `scripts/${folder}/package-lock.json`)
        .concat('package-lock.json')
        .filter((f) => /"resolved"/.test(existsSync(join(root, f)) ? readFileSync(join(root, f), 'utf8') : ''))
        .map((f) => `${f}: has "resolved" addresses; npm config set omit-lockfile-registry-resolved true`),
    ],
  ],
  [
    'locks have the packages of every platform',
    'npm ci refuses it otherwise: node scripts/complete-lock.mjs',
    () => {
      return ['package-lock.json', 'scripts/install/package-lock.json'].flatMap((lock) => {
        const { packages } = JSON.parse(readFileSync(join(root, lock), 'utf8')) as Lock
        const names = new Set(Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, '')))
        const optional = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
        return optional.filter((name) => !names.has(name)).map((name) => `${lock}: ${name}`)
      })
    },
  ],
  [
    'every spec imports the portable harness',
    "import test from './helpers/test.js', so that it can run on every runtime",
    () => find(below('__test__/', '.spec.ts'), /from 'ava'/, read).filter((hit) => !hit.startsWith('__test__/tidy')),
  ],
]

for (const [title, advice, offenders] of rules) {
  test(title, (t) => {
    t.deepEqual(offenders(), [], advice)
  })
}

test('the tidy test sees the sources', (t) => {
  t.true(sources.length > 3 && rust.length > 3 && imports.length > 3, 'the rules above would hold for an empty folder too')
  t.true([...text.keys()].every((f) => extname(f) !== '.node'))
})
