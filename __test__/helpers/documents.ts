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

/** A code block between fences. */
export interface Block {
  file: string
  line: number
  /** What stands behind the opening fence. */
  kind: string
  text: string
}

const read = (file: string) => readFileSync(join(root, file), 'utf8')

function walk(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

const top = readdirSync(root).filter((name) => name.endsWith('.md'))
export const documents = [...top.sort(), ...walk('docs', '.md')]

/** Every block between fences, also those in lists. */
export function blocks(file: string): Block[] {
  const source = read(file)
  return [...source.matchAll(/^( *)(`{3,}|~{3,})([^\n`]*)\n([\s\S]*?)^ *\2 *$/gm)].map(
    ({ 1: indent, 3: kind, 4: text, index }) => ({
      file,
      line: source.slice(0, index).split('\n').length,
      kind: kind!.trim(),
      text: text!.replaceAll(new RegExp(`^ {0,${indent!.length}}`, 'gm'), ''),
    }),
  )
}

/** Every TypeScript or JavaScript block, with the text block that follows it. */
export function fencedExamples(file: string): Example[] {
  const lines = read(file).split('\n')
  const all = blocks(file)
  return all.flatMap(({ line, kind, text }, i) => {
    if (kind !== 'ts' && kind !== 'js') return []
    const next = all[i + 1]
    const end = line + text.split('\n').length
    const follows = next?.kind === 'text' && lines.slice(end, next.line - 1).every((between) => between.trim() === '')
    return [{ file, line, code: text, prints: follows ? next.text : undefined }]
  })
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

interface Manifest {
  scripts: Record<string, string>
  bin?: Record<string, string>
  devDependencies: Record<string, string>
}

/** What a shell block names and is not there, as `file:line: command`. A command that is not known here is named too. */
export function brokenCommands({ file, line, text }: Block): string[] {
  const { scripts, bin = {}, devDependencies } = JSON.parse(read('package.json')) as Manifest
  const knows = (command: string): boolean => {
    const [program, first = '', second = ''] = command.split(/\s+/)
    if (program === 'npm' && first === 'run') return second in scripts
    if (program === 'npm') return /^(test|ci|install|i|audit|pack|publish)$/.test(first)
    if (program === 'npx') return first in bin || first in devDependencies
    if (program === 'node' && !first.startsWith('-')) return existsSync(join(root, first.replace(/^build\/(.*)\.js$/, '$1.ts')))
    return existsSync(join(root, program!)) || /^(node|cargo|git|cd|mkdir|sudo|stty|strace|lsof|kill|cc)$/.test(program!)
  }
  const commands = text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .flatMap((shown) => shown.replace(/(^|\s)#.*$/, '').split(/&&|\|\||[;|]/))
    .map((command) => command.trim().replace(/^(\$ )?(\w+=\S* )*/, ''))
  return commands.filter((command) => command !== '' && !knows(command)).map((command) => `${file}:${line}: ${command}`)
}
