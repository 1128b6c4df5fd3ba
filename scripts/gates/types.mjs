#!/usr/bin/env node
/** publint and arethetypeswrong on the packed main package. ES modules only: CommonJS requires them, as Node can since 20.19. */
import { join } from 'node:path'
import { root, run, tail } from '../run.mjs'
import { installFolder } from '../runtimes.mjs'
import { tarballs } from './tarballs.mjs'

const why = await installFolder('scripts/install', 'checkers of packages')
const { main } = await tarballs()
const tool = (path) => join(root, 'scripts/install/node_modules', path)
for (const [program, ...args] of [
  [tool('publint/src/cli.js'), 'run', main, '--strict'],
  [tool('@arethetypeswrong/cli/dist/index.js'), main, '--profile', 'esm-only', '--format', 'ascii'],
]) {
  const result = await run(process.execPath, [program, ...args], { env: { NO_COLOR: '1' }, seconds: 120 })
  if (result.code === 0 && !/^(Warnings|Suggestions|Errors):/m.test(result.output)) continue
  console.error(why ?? tail(result.output))
  process.exit(1)
}
console.log('publint and arethetypeswrong find nothing')
