#!/usr/bin/env node
/** Generates index.d.ts anew and fails if that changes what is committed: reviewers read the committed one. */
import { existsSync } from 'node:fs'
import { npm, root, run, tail } from './run.mjs'

const build = await run(npm, ['run', '--silent', 'build:native'])
if (build.code !== 0) {
  console.error(tail(build.output))
  process.exit(1)
}
if (!existsSync(`${root}/.git`)) {
  console.log('not a git checkout: nothing to compare with')
  process.exit(0)
}
const tracked = await run('git', ['ls-files', '--error-unmatch', 'index.d.ts'])
const diff = await run('git', ['diff', '--exit-code', '--', 'index.d.ts'])
if (tracked.code !== 0 || diff.code !== 0) {
  console.error(`${diff.output}\nindex.d.ts is stale: "npm run build:native" generated a new one, commit it`)
  process.exit(1)
}
