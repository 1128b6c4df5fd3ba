/** The documents of the repository: their code blocks, the `@example` blocks of the sources, their links. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

export interface Example {
  /** The file it stands in, from the root. */
  file: string
  line: number
  code: string
  /** The text block right after it: what it prints. */
  prints: string | undefined
}

const read = (file: string) => readFileSync(join(root, file), 'utf8')

function walk(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

export const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...walk('docs', '.md')]

/** Every TypeScript or JavaScript block between fences. */
export function fencedExamples(file: string): Example[] {
  const source = read(file)
  return [...source.matchAll(/^```(?:ts|js)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)].map(
    ({ 1: code, 2: prints, index }) => ({
      file,
      line: source.slice(0, index).split('\n').length,
      code: code ?? '',
      prints,
    }),
  )
}

/** Every `@example` of the doc comments below a folder. */
export function docExamples(folder: string): Example[] {
  return walk(folder, '.ts').flatMap((file) => {
    const source = read(file)
    return [...source.matchAll(/^ *\* @example\n((?: *\* ?(?!@|\/).*\n)+)/gm)].map(({ 1: block, index }) => ({
      file,
      line: source.slice(0, index).split('\n').length,
      code: (block ?? '').replace(/^ *\* ?/gm, ''),
      prints: undefined,
    }))
  })
}

/** The name that a heading has as the target of a link. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

/** Links that lead nowhere, as `file: target`. */
export function brokenLinks(file: string): string[] {
  const source = read(file).replace(/^```[\s\S]*?^```/gm, '')
  const targets = [...source.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '')
  return targets
    .filter((target) => !/^https?:/.test(target))
    .filter((target) => {
      const [path, fragment] = target.split('#') as [string, string?]
      const goal = path === '' ? file : join(dirname(file), path)
      if (!existsSync(join(root, goal))) return true
      return (
        fragment !== undefined && ![...read(goal).matchAll(/^#+ (.*)$/gm)].some((match) => anchor(match[1] ?? '') === fragment)
      )
    })
    .map((target) => `${file}: ${target}`)
}
