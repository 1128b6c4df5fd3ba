#!/usr/bin/env node
/**
 * `npm run docs`: the API reference, as HTML in build/docs. A link that leads nowhere and an export without a description are errors. What
 * it needs is installed in a folder of its own (scripts/docs) when first asked for.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ending, npm, root, run, tail } from './run.mjs'

const home = join(root, 'scripts/docs')
const lock = join(home, 'package-lock.json')
const installed = join(home, 'node_modules/.package-lock.json')

async function step(what, command, args, seconds) {
  console.log(what)
  const result = await run(command, args, { seconds })
  if (result.code === 0) return result.output
  console.error(`${what} ${ending(result, seconds)}\n${tail(result.output)}`)
  process.exit(1)
}

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  const args = ['ci', '--prefix', home, '--ignore-scripts', '--no-audit', '--no-fund']
  await step('installing typedoc (scripts/docs)', npm, args, 600)
}
const typedoc = join(home, 'node_modules/typedoc/bin/typedoc')
await step('making build/docs', process.execPath, [typedoc, '--options', join(home, 'typedoc.json')], 300)
console.log(`open ${join(root, 'build/docs/index.html')}`)
