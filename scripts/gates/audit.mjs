#!/usr/bin/env node
/** `npm audit` of every lock in the repository. Skipped where the registry does not answer it, as mirrors do not. */
import { join } from 'node:path'
import { npm, root, run, tail } from '../run.mjs'

const FOLDERS = ['.', 'scripts/runtimes', 'scripts/install']
for (const folder of FOLDERS) {
  const result = await run(npm, ['audit', '--audit-level', 'low', '--loglevel', 'warn'], { cwd: join(root, folder), seconds: 60 })
  if (result.code === 0) continue
  const unanswered = /audit endpoint returned an error|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN/.test(result.output)
  if (!unanswered) {
    console.error(`${folder}\n${tail(result.output)}`)
    process.exit(1)
  }
  console.log(
    `the registry does not answer npm audit: ${/warn audit (\d+ [\w ]+?) -/.exec(result.output)?.[1] ?? 'no connection'}`,
  )
  process.exit(77)
}
console.log(`nothing known of the packages in ${FOLDERS.length} locks`)
