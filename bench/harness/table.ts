/**
 * Results as people read them: one table per group, as text or as Markdown.
 *
 * @module
 */
import type { Spread } from './stats.js'

export interface Row {
  /** What was measured, and the contender. */
  name: string
  /** The figure as measured, with its unit. Of this machine at that moment only. */
  figure: string
  /** The ratio to the peer: median, smallest and largest of the rounds. */
  ratio?: Spread | undefined
  /** To what the ratio is. */
  peer?: string | undefined
  bar?: Bar | undefined
}

export interface Bar {
  at: 'least' | 'most'
  value: number
}

export interface Group {
  title: string
  /** What one operation consists of, and where it ran. */
  notes: string[]
  rows: Row[]
}

/** Whether the median holds the bar. */
export const isMet = ({ ratio, bar }: Row): boolean | undefined =>
  ratio === undefined || bar === undefined
    ? undefined
    : bar.at === 'least'
      ? ratio.median >= bar.value
      : ratio.median <= bar.value

const short = (value: number) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value < 0.1 ? 3 : 2)

function cells(row: Row): string[] {
  const { name, figure, ratio, peer, bar } = row
  const met = isMet(row)
  return [
    name,
    figure,
    ratio === undefined ? '' : `${short(ratio.median)} (${short(ratio.min)}-${short(ratio.max)})`,
    peer ?? '',
    bar === undefined ? '' : `${bar.at === 'least' ? '>=' : '<='} ${bar.value}`,
    met === undefined ? '' : met ? 'yes' : 'NO',
  ]
}

const HEAD = ['', 'median', 'ratio (min-max)', 'to', 'bar', 'met']

function lines(group: Group, separator: string, edge: string): string[] {
  const table = [HEAD, ...group.rows.map(cells)]
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]!.length), edge === '' ? 0 : 3))
  const line = (row: string[]) =>
    `${edge}${row.map((cell, column) => cell.padEnd(widths[column]!)).join(separator)}${edge === '' ? '' : edge.split('').reverse().join('')}`.trimEnd()
  const rule = widths.map((width) => '-'.repeat(width))
  return [line(table[0]!), line(rule), ...table.slice(1).map(line)]
}

export function asText({ title, notes, rows }: Group): string {
  return [
    title,
    ...notes.map((note) => `  ${note}`),
    '',
    ...lines({ title, notes, rows }, '  ', '').map((line) => `  ${line}`),
    '',
  ].join('\n')
}

export function asMarkdown(group: Group): string {
  const { title, notes } = group
  return [
    `## ${title}`,
    '',
    ...(notes.length === 0 ? [] : [...notes.map((note) => `- ${note}`), '']),
    ...lines(group, ' | ', '| '),
    '',
  ].join('\n')
}
