#!/usr/bin/env node
import { VERSION } from '../platform.js'
/**
 * The command `asyncfd`.
 *
 * @module
 */
import { showBlockedLoop } from './demo/blocked.js'
import { demo } from './demo.js'
import { doctor } from './doctor.js'

const HELP = `asyncfd ${VERSION}: wait until any file descriptor is ready

  npx asyncfd demo             see it work: a tour on real descriptors and 100,000 timers
  npx asyncfd demo blocked     a blocked event loop: whom node:net blames for it, and whom asyncfd/timeouts does
  npx asyncfd doctor [--json]  what runs here, what this machine supports, and a self-test of a second`

function run([command, ...rest]: string[]): number | Promise<number> {
  const line = rest.join(' ')
  if (command === 'demo' && line === '') return demo()
  if (command === 'demo' && line === 'blocked') return showBlockedLoop()
  if (command === 'doctor' && (line === '' || line === '--json')) return doctor(line === '--json')
  if (command === '--version' && line === '') console.log(VERSION)
  else if (command === undefined || command === '--help' || command === 'help') console.log(HELP)
  else {
    console.error(`asyncfd: there is no command "${[command, ...rest].join(' ')}"\n\n${HELP}`)
    return 2
  }
  return 0
}

const main = async (): Promise<void> => {
  process.exitCode = await run(process.argv.slice(2))
}
main()
