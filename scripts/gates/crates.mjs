#!/usr/bin/env node
/**
 * What `cargo deny` checks and can be told without it: the licences of all crates, and crates in the binary in two
 * versions. Advisories are checked by `cargo deny` in the workflow, with the same lists, from deny.toml.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, tail } from '../run.mjs'

const settings = readFileSync(join(root, 'deny.toml'), 'utf8')
/** An array of strings in it. */
function list(name) {
  const [, text] = new RegExp(`^${name} = \\[([^\\]]*)\\]`, 'm').exec(settings)
  return [...text.matchAll(/"([^"]+)"/g)].map(([, value]) => value)
}
const allowed = new Set(list('allow'))
const targets = list('targets')

const cargo = async (...args) => {
  const result = await run('cargo', [...args, '--locked'])
  if (result.code !== 0) {
    console.error(tail(result.output))
    process.exit(1)
  }
  return result.output
}

/** Whether an SPDX expression can be met by licences that are allowed. */
function fits(expression) {
  const words = expression.replaceAll('/', ' OR ').match(/[()]|[^\s()]+(?: WITH [^\s()]+)?/g)
  const either = () => {
    let result = both()
    while (words[0] === 'OR') result = words.shift() && both() | result
    return result
  }
  const both = () => {
    let result = one()
    while (words[0] === 'AND') result = words.shift() && one() & result
    return result
  }
  const one = () => {
    const word = words.shift()
    if (word !== '(') return allowed.has(word) ? 1 : 0
    const result = either()
    words.shift()
    return result
  }
  return either() === 1
}

const { packages } = JSON.parse((await cargo('metadata', '--format-version', '1')).match(/^\{.*\}$/m)[0])
const wrong = packages
  .filter(({ license }) => license === null || !fits(license))
  .map(({ name, version, license }) => `${name} ${version}: licence ${license ?? 'unknown'}`)
for (const { name, version, source } of packages)
  if (source !== null && !source.startsWith('registry+')) wrong.push(`${name} ${version}: comes from ${source}`)

let most = 0
for (const target of targets) {
  const tree = await cargo('tree', '--package', 'asyncfd-node', '--edges', 'normal', '--prefix', 'none', '--target', target)
  const versions = new Map()
  for (const [, name, version] of tree.matchAll(/^([\w-]+) v(\S+)/gm))
    versions.set(name, (versions.get(name) ?? new Set()).add(version))
  most = Math.max(most, versions.size)
  for (const [name, several] of versions) if (several.size > 1) wrong.push(`${name}: ${[...several].join(' and ')} on ${target}`)
}
if (wrong.length > 0) {
  console.error(`${wrong.join('\n')}\ndeny.toml has what is allowed`)
  process.exit(1)
}
console.log(`${packages.length} crates with licences of the list, at most ${most} in a binary, none twice`)
