#!/usr/bin/env node
/**
 * Makes the JavaScript of dist out of src: one file for each export and `bin` of package.json, one for what `asyncfd` itself needs, and one
 * for what some of the others share. A file costs Node more to find than to run: as single modules the import took three times as long.
 * The types stay one file per module, from tsc: those that the exports lead to.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { rolldown } from 'rolldown'
import { root } from './run.mjs'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** Sources by the names of their outputs. The first two are for tests, which look at the binding itself. */
const input = { native: join(root, 'src/native.ts'), platform: join(root, 'src/platform.ts') }
const outputs = [...Object.values(manifest.exports).map((target) => target.default), ...Object.values(manifest.bin ?? {})]
for (const output of outputs.filter((path) => path !== undefined)) {
  const name = relative('dist', output).replace(/\.js$/, '')
  input[name] = join(root, `src/${name}.ts`)
}

// A worker of the demo, which is found beside the command.
input['cli/poster'] = join(root, 'src/cli/demo/poster.ts')

const CODE = /^(?:import|export)\s+(?!type\s)(?:[^'"]*?\sfrom\s+)?'(\.[^']+)'/gm
const TYPES = /\b(?:from|import)\b[\s(]*['"](\.[^'"]+)['"]/g

/** Everything that a module imports, itself too. */
function reach(file, imports, extension, seen = new Set()) {
  if (seen.has(file)) return seen
  seen.add(file)
  const source = readFileSync(file, 'utf8').replace(/^\s*(\/\/|\*|\/\*).*$/gm, '')
  for (const [, path] of source.matchAll(imports))
    reach(join(dirname(file), path.replace(/\.js$/, extension)), imports, extension, seen)
  return seen
}

const dist = join(root, 'dist')
// Nothing of an earlier layout stays behind.
for (const file of readdirSync(dist, { recursive: true })) if (/\.js(\.map)?$/.test(file)) rmSync(join(dist, file))

const declared = new Set()
for (const name of Object.keys(input)) if (!name.startsWith('cli/')) reach(join(dist, `${name}.d.ts`), TYPES, '.d.ts', declared)
for (const file of readdirSync(dist, { recursive: true })) {
  if (file.endsWith('.d.ts') && !declared.has(join(dist, file))) rmSync(join(dist, file))
}

const core = reach(input.index, CODE, '.ts')
const bundle = await rolldown({
  input,
  platform: 'node',
  transform: { target: 'node20' },
  external: /^node:/,
  onLog(level, log) {
    if (level !== 'warn') return
    throw new Error(log.message)
  },
})
const { output } = await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  comments: false,
  codeSplitting: { groups: [{ name: 'core', test: (id) => core.has(id) }] },
  sourcemap: 'hidden', // for scripts/gates/coverage.mjs; not published
})
await bundle.close()

/**
 * A module of Node's costs more as an `import`, which reads every property of it: behind some is half of Node (the streams behind
 * `fs.ReadStream`, MIME types behind `util`), so that importing asyncfd would take twice as long. Lines stay where they are, for the source map.
 */
function withoutFacades(code) {
  return code.replace(
    /^import (?:\* as )?(?:(\w[\w$]*)(?:, )?)?(?:(\{.*\}) )? ?from "(node:[^"]+)";$/gm,
    (_, whole, names, module) => {
      const got = `process.getBuiltinModule("${module}")`
      const named = names?.replaceAll(' as ', ': ')
      return [whole && `const ${whole} = ${got};`, named && `const ${named} = ${got};`].filter(Boolean).join(' ')
    },
  )
}

for (const { fileName, code } of output.filter(({ type }) => type === 'chunk')) {
  const cheap = withoutFacades(code)
  if (/^(import|export)\b.*"node:/m.test(cheap))
    throw new Error(`${fileName} has an import of Node's in a form that is not known here`)
  writeFileSync(join(dist, fileName), cheap)
}
