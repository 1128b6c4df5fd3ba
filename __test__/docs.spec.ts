/**
 * What the documents say is so: their code compiles, the programs among them run and print what stands below them, every export of the
 * package has an example that runs, links and commands lead somewhere.
 *
 * An example that imports what it uses is a program. Any other is a fragment: it may use what `asyncfd` and its entry export, `sys`, and
 * what the world of its entry has (fixtures/examples/world.ts). Fragments of the sources run, unless they begin with `// Needs: <what>`.
 *
 * Once: reads files and runs the compiler
 */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runtimeCommand } from './helpers/child.js'
import {
  blocks,
  brokenCommands,
  brokenLinks,
  docExamples,
  documents,
  type Example,
  fencedExamples,
  root,
} from './helpers/documents.js'
import { entryOf, moduleOf } from './helpers/example-modules.js'
import { entries, exportsOf } from './helpers/exports.js'
import test from './helpers/test.js'

const run = promisify(execFile)
const folder = join(root, 'build/docs-examples')

const ofDocuments = documents.flatMap(fencedExamples)
const ofSources = docExamples('src')
const examples = [...ofDocuments, ...ofSources]
const isProgram = ({ code }: Example) => /^import /m.test(code)
const nameOf = ({ file, line }: Example) => `${file.replace(/[^\w.]/g, '_')}-line-${line}`

const CONFIG = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    rootDir: '.',
    outDir: 'out',
    declaration: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    exactOptionalPropertyTypes: false,
    // Our declarations too, as for users who have them looked at.
    skipLibCheck: false,
  },
  include: ['*.ts'],
}

/** What the compiler says, by the name of the example. */
async function compile(): Promise<Map<string, string[]>> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG))
  const fixtures = join(root, '__test__/fixtures/examples')
  for (const file of readdirSync(fixtures)) copyFileSync(join(fixtures, file), join(folder, file))
  for (const example of examples) {
    writeFileSync(join(folder, `${nameOf(example)}.ts`), isProgram(example) ? example.code : moduleOf(example))
  }
  const said = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error)
  const errors = new Map<string, string[]>()
  let name = ''
  for (const line of said.stdout.split('\n').filter((text) => text !== '')) {
    // What is indented goes on about the line above it.
    if (!line.startsWith(' ')) name = /^([\w.-]+)\.ts\(/.exec(line)?.[1] ?? ''
    errors.set(name, [...(errors.get(name) ?? []), line])
  }
  return errors
}

let errors: Map<string, string[]>
test.serial.before('compile every example', async () => {
  errors = await compile()
})

test('the compiler was able to look at the examples', (t) => {
  t.true(ofDocuments.length > 15 && ofSources.length > 100, `only ${ofDocuments.length} and ${ofSources.length} were found`)
  const names = new Set(examples.map(nameOf))
  t.deepEqual(
    [...errors].filter(([name]) => !names.has(name)),
    [],
  )
})

for (const file of new Set(examples.map((example) => example.file))) {
  test(`the examples in ${file} compile`, (t) => {
    const wrong = examples.filter((example) => example.file === file).flatMap((example) => errors.get(nameOf(example)) ?? [])
    t.deepEqual(wrong, [])
  })
}

/** A program that shows what only Linux has says so elsewhere. */
const isUnsupported = (error: unknown) =>
  process.platform !== 'linux' && String((error as { stderr?: unknown }).stderr).includes('ERR_ASYNCFD_UNSUPPORTED')

const programs = examples.filter(isProgram)
for (const program of programs) {
  test(`the program in ${program.file}, line ${program.line}, runs and prints what it says`, async (t) => {
    const cwd = join(folder, `run-${nameOf(program)}`)
    mkdirSync(cwd)
    const [command, args] = runtimeCommand(join(folder, `out/${nameOf(program)}.js`))
    const ran = await run(command, args, { cwd, timeout: 60_000 }).catch((error: unknown) => {
      if (isUnsupported(error)) return null
      throw error
    })
    if (ran === null || program.prints === undefined) t.pass()
    else t.is(ran.stdout, program.prints)
  })
}

const fragments = ofSources.filter((example) => !isProgram(example) && !example.code.startsWith('// Needs: '))
for (const entry of entries) {
  const own = fragments.filter(({ file }) => entryOf(file) === entry)
  test(`the ${own.length} examples of ${entry} run`, async (t) => {
    t.true(own.length > 0)
    const results = join(folder, `results-${entry}.json`)
    const [command, args] = runtimeCommand(join(folder, 'out/run.js'), results, ...own.map(nameOf))
    await run(command, args, { cwd: folder, timeout: 60_000 })
    t.deepEqual(JSON.parse(readFileSync(results, 'utf8')), {})
  })
  test(`every export of ${entry} has a doc comment with an example`, (t) => {
    t.deepEqual(
      exportsOf(entry)
        .filter(({ doc }) => !/^ \* @example\n \* \S/m.test(doc))
        .map(({ name, file }) => `${file}: ${name}`),
      [],
    )
  })
}

const allBlocks = documents.flatMap(blocks)
const at = ({ file, line }: { file: string; line: number }) => `${file}:${line}`

test('every code block is of a kind that is looked at', (t) => {
  const known = new Set(['ts', 'js', 'text', 'sh', 'json'])
  t.deepEqual(
    allBlocks.filter(({ kind }) => !known.has(kind)).map((block) => `${at(block)}: ${block.kind || 'no kind'}`),
    [],
    `take one of: ${[...known].join(', ')}`,
  )
})

test('every command in the documents exists', (t) => {
  const commands = allBlocks.filter(({ kind }) => kind === 'sh')
  t.true(commands.length > 3)
  t.deepEqual(commands.flatMap(brokenCommands), [])
})

test('every JSON block is JSON', (t) => {
  for (const block of allBlocks.filter(({ kind }) => kind === 'json')) t.notThrows(() => JSON.parse(block.text), at(block))
  t.pass()
})

test('README begins with three programs of less than ten lines', (t) => {
  const ofReadme = programs.filter(({ file }) => file === 'README.md')
  t.true(ofReadme.length >= 3)
  for (const { code, line, prints } of ofReadme) {
    t.true(code.trimEnd().split('\n').length < 10, `README.md:${line}`)
    t.not(prints, undefined, `README.md:${line}: what does it print?`)
  }
})

test('every link between documents leads to a file, and to a heading if it names one', (t) => {
  t.deepEqual(documents.flatMap(brokenLinks), [])
})

test('every code of our own errors is explained', (t) => {
  const semantics = readFileSync(join(root, 'docs/SEMANTICS.md'), 'utf8')
  const codes = [...readFileSync(join(root, 'src/errors.ts'), 'utf8').matchAll(/'(ERR_ASYNCFD_\w+)'/g)].map(
    (match) => match[1] ?? '',
  )
  t.true(codes.length > 0)
  t.deepEqual(
    codes.filter((code) => !semantics.includes(`\`${code}\``)),
    [],
  )
})
