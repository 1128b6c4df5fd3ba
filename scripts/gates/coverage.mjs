#!/usr/bin/env node
/**
 * How many lines of src the specs run, from what the suite `node, embedded driver` left in build/coverage. Skipped when it did not run.
 *
 *   npm test -- --suite embedded && node scripts/gates/coverage.mjs --list     the lines that do not run
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../run.mjs'

/** Per cent; a few below what it is, so that it tells of new code without specs and not of every line. */
const FLOOR = 94

/** A program that has a suite of its own. */
const DEMO = /^src\/cli\/demo/

const place = join(root, 'build/coverage')
const dist = join(root, 'dist')
const reports = existsSync(place) ? readdirSync(place).filter((name) => name.startsWith('coverage-')) : []
if (reports.length === 0) {
  console.log('the suite "node, embedded driver" did not run before')
  process.exit(77)
}

/** For each file of dist the characters that ran, in any process: 1. */
const ran = new Map()
for (const report of reports) {
  for (const { url, functions } of JSON.parse(readFileSync(join(place, report), 'utf8')).result) {
    if (!url.startsWith('file:')) continue
    const file = fileURLToPath(url)
    if (!file.startsWith(dist) || !existsSync(`${file}.map`)) continue
    const total = ran.get(file) ?? new Uint8Array(readFileSync(file, 'utf8').length)
    ran.set(file, total)
    // What is inside comes after what is around it.
    const ranges = functions.flatMap((fn) => fn.ranges).sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset)
    const here = new Uint8Array(total.length)
    for (const { startOffset, endOffset, count } of ranges) here.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    for (let i = 0; i < here.length; i++) total[i] |= here[i]
  }
}

/** Source lines that have code: whether any of it ran. */
const lines = new Map()
for (const [file, total] of ran) {
  const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
  let at = 0
  for (const [row, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    for (const { index } of text.matchAll(/[\w$#"'`]+/g)) {
      const { originalSource, originalLine, generatedLine } = map.findEntry(row, index)
      if (generatedLine !== row || originalSource === undefined) continue
      const source = relative(root, resolve(dirname(file), originalSource))
      if (DEMO.test(source)) continue
      const key = `${source}:${originalLine + 1}`
      lines.set(key, lines.get(key) || total[at + index] === 1)
    }
    at += text.length + 1
  }
}
const missed = [...lines].filter(([, run]) => !run).map(([line]) => line)
if (process.argv.includes('--list')) console.log(missed.join('\n'))
const percent = (100 * (lines.size - missed.length)) / lines.size
console.log(`${percent.toFixed(1)} % of ${lines.size} lines of src run (floor: ${FLOOR} %), from ${reports.length} processes`)
process.exit(percent < FLOOR ? 1 : 0)
