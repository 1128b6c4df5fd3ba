/**
 * Interest and Ready: the bits they share, and how they are shown.
 *
 * Portable: bun, deno
 */
import { Interest, Ready, readyToString } from 'asyncfd'
import test from './helpers/test.js'

test('an interest is held against what is ready with one &', (t) => {
  for (const name of Object.keys(Interest) as (keyof typeof Interest)[]) t.is(Interest[name], Ready[name], name)
  t.is(Ready.EMPTY, 0)
})

test('no two flags share a bit, and ALL is all of them', (t) => {
  const { EMPTY: _empty, ALL, ...flags } = Ready
  let seen = 0
  for (const [name, bit] of Object.entries(flags)) {
    t.is(bit & (bit - 1), 0, name)
    t.is(seen & bit, 0, name)
    seen |= bit
  }
  t.is(seen, ALL)
})

test('flags can be combined without being changed by accident', (t) => {
  t.is(Interest.READABLE | Interest.WRITABLE, 3)
  t.deepEqual({ ...Interest }, { READABLE: 1, WRITABLE: 2, PRIORITY: 16, ERROR: 32 })
  t.deepEqual(
    { ...Ready },
    { EMPTY: 0, READABLE: 1, WRITABLE: 2, READ_CLOSED: 4, WRITE_CLOSED: 8, PRIORITY: 16, ERROR: 32, ALL: 63 },
  )
})

const shown: [bits: number, text: string][] = [
  [Ready.EMPTY, 'EMPTY'],
  [Ready.READABLE, 'READABLE'],
  [Ready.READABLE | Ready.READ_CLOSED, 'READABLE | READ_CLOSED'],
  [Interest.WRITABLE | Interest.ERROR, 'WRITABLE | ERROR'],
  [Ready.ALL, 'READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | PRIORITY | ERROR'],
  [64, '0x40'],
  [Ready.PRIORITY | 0x100, 'PRIORITY | 0x100'],
  [-64, '0xffffffc0'],
]
for (const [bits, text] of shown) {
  test(`readyToString(${bits}) is ${text}`, (t) => {
    t.is(readyToString(bits), text)
  })
}
