/** What the entries of the package export, as their sources say it. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './documents.js'

/** Their names, `index` for the package itself. */
export const entries: readonly string[] = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }).exports,
)
  .filter((name) => name !== './package.json')
  .map((name) => (name === '.' ? 'index' : name.slice(2)))

export interface Export {
  name: string
  /** Whether it is nothing but a type. */
  type: boolean
  /** The file that declares it. */
  file: string
  /** The doc comment of its declaration; empty if there is none. */
  doc: string
}

const DECLARES = 'export (?:abstract |async )*(?:class|function|const|interface|type)'

function docOf(file: string, name: string): string {
  const found = new RegExp(`(/\\*\\*(?:(?!\\*/)[^])*\\*/)?\\n${DECLARES} ${name}\\b`).exec(readFileSync(join(root, file), 'utf8'))
  if (found === null) throw new Error(`${file} does not declare ${name} in a way that is understood here`)
  return found[1] ?? ''
}

export function exportsOf(entry: string): Export[] {
  const file = entry === 'index' ? 'src/index.ts' : `src/${entry}/index.ts`
  const source = readFileSync(join(root, file), 'utf8')
  const passedOn = [...source.matchAll(/^export (type )?\{([^}]*)\} from '([^']+)'/gm)].flatMap(([, all, list, from]) => {
    const target = join(dirname(file), from!).replace(/\.js$/, '.ts')
    const names = list!.split(',').map((text) => text.trim())
    return names
      .filter((text) => text !== '')
      .map((text) => ({ name: text.replace(/^type /, ''), type: all !== undefined || text.startsWith('type '), file: target }))
  })
  const own = [...source.matchAll(new RegExp(`^${DECLARES} (\\w+)`, 'gm'))].map(([text, name]) => ({
    name: name!,
    type: /^export (interface|type) /.test(text),
    file,
  }))
  const all = [...new Map([...passedOn, ...own].map((one) => [one.name, one])).values()]
  return all.map((one) => ({ ...one, doc: docOf(one.file, one.name) }))
}
