/**
 * `NativeReactor` without `src/reactor.ts` in front of it: junk for its constructor and methods, boards of wrong sizes,
 * and a few reactors with boards that are right, whose dispatch does anything at all.
 *
 * @module
 */
import type * as Native from '../index.js'
import { Thrown } from './coverage.js'
import type { Op } from './op.js'
import { below, bits, chance, pick } from './random.js'
import { disturbed, fd, junk, num } from './values.js'

/** What is used of `WebAssembly`, which Node's types do not declare. */
declare const WebAssembly: { Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer } }

type Binding = typeof Native

interface Held {
  native: InstanceType<Binding['NativeReactor']>
  functions: Native.NativeFunctions
  control: Uint32Array
  slots: Uint32Array
  timers: Uint32Array
  /** Slot and generation of each registration. */
  keys: [number, number][]
}

const MOST = 5
const MOST_THREADED = 2
const reactors: Held[] = []
let threads = 0
let binding: Binding
/** See crates/node/src/board.rs. */
let layout: Record<string, number> = {}

const at = (name: string): number => layout[name]!

export function useBinding(native: Binding): void {
  binding = native
  layout = native.boardLayout()
}

function dispatch(held: () => Held | undefined): () => void {
  return () => {
    const control = held()?.control
    if (control === undefined) return
    if (chance(0.5)) disturbed()
    control[at('PARKED')] = 0
    // Some batches are begun one by one, with throws in between; some are left over.
    if (chance(0.3)) control[at('WOKEN_CURSOR')]! += 1
    else control[at('WOKEN_CURSOR')] = control[at('WOKEN_COUNT')]!
    if (chance(0.1)) {
      const error = new Thrown('dispatch')
      // What throws without saying so looks like the end of JavaScript, after which nothing is delivered.
      const outcome = chance(0.98) ? pick(['THREW', 'THREW', 'REPORTED', 'RETURNED']) : undefined
      // Not said without having done it: Node aborts when nobody reports what a tick threw.
      if (outcome === 'REPORTED') held()!.native.report(error)
      control[at('OUTCOME')] = outcome === undefined ? 0 : at(outcome)
      throw error
    }
    if (chance(0.8)) control[at('WOKEN_CURSOR')] = control[at('WOKEN_COUNT')]!
    control[at('OUTCOME')] = at('RETURNED')
  }
}

function make(): void {
  const threaded = threads < MOST_THREADED && chance(0.3)
  if (threaded) threads++
  const control = new Uint32Array(new ArrayBuffer(at('CONTROL_WORDS') * 4))
  const slots = new Uint32Array(new ArrayBuffer(pick([1, 1, 8, 9, 64]) * 32 + pick([0, 0, 3])), 0, 0)
  const timers = new Uint32Array(new ArrayBuffer(pick([16, 64, 1024])))
  let held: Held | undefined
  const native = new binding.NativeReactor(
    threaded,
    chance(0.4),
    control.buffer,
    slots.buffer,
    timers.buffer,
    num(0, 1, 1000),
    dispatch(() => held),
    chance(0.9) ? { hasRef: () => true } : {},
  )
  if (chance(0.5)) {
    native.usePool(new WebAssembly.Memory({ initial: at('BLOCKS'), maximum: at('BLOCKS') }).buffer)
    for (let number = 0; number < at('BLOCKS'); number++) control[at('FREE') + number] = number
    control[at('FREE_COUNT')] = at('BLOCKS')
  }
  held = {
    native,
    functions: native.functions(),
    control,
    slots: new Uint32Array(slots.buffer, 0, slots.buffer.byteLength >> 2),
    timers,
    keys: [],
  }
  reactors.push(held)
}

function aReactor(): Held {
  if (reactors.length === 0 || (reactors.length < MOST && chance(0.05))) make()
  return pick(reactors)
}

let target: Held

/** An op on some reactor: its arguments may depend on which. */
function onReactor(args: () => unknown[], call: (given: unknown[]) => unknown, after?: Op['after']): Op {
  return {
    args: () => {
      target = aReactor()
      return args()
    },
    call: (...given) => call(given),
    ...(after && { after }),
  }
}

function method(
  name:
    | 'setInterest'
    | 'usePool'
    | 'growSlots'
    | 'growTimers'
    | 'pauseClock'
    | 'nextTimer'
    | 'now'
    | 'holdBack'
    | 'flush'
    | 'functions'
    | 'metrics',
  args: () => unknown[],
  after?: Op['after'],
): Op {
  const call = (given: unknown[]): unknown => {
    const receiver = chance(0.02) ? junk() : target.native
    return Reflect.apply(target.native[name], receiver, given)
  }
  return onReactor(args, call, after)
}

/** One of the functions that a reactor gives. */
function given(name: keyof Native.NativeFunctions, args: () => unknown[], after?: Op['after']): Op {
  return onReactor(args, (given) => Reflect.apply(target.functions[name], chance(0.02) ? junk() : undefined, given), after)
}

const key = () => (target.keys.length > 0 && chance(0.8) ? pick(target.keys) : [num(0, 1, 2), num(0, 1, 2)])
const interest = () => num(1, 2, 3, 3, 16, 32, 0)

/** A board in which JavaScript has written anything: counts and cursors are checked, or reset before they are used. */
function scribble(): void {
  const { native, control, slots, timers } = aReactor()
  const writes = below(4)
  for (let i = 0; i < writes; i++) {
    pick([
      () => {
        slots[below(slots.length)] = bits()
      },
      () => {
        control[at('SUBMIT_COUNT')] = num(1, 2, 1024, 1025)
      },
      () => {
        control[at('REFS')] = chance(0.5) ? 1 : 0
      },
      () => {
        control[at('PARKED')] = 1
      },
      () => {
        control[16 + below(control.length - 16)] = bits()
      },
      () => {
        control[at('SUBMIT')] = bits()
      },
      () => {
        control[at('WOKEN_CURSOR')] = bits()
      },
      () => {
        timers[below(timers.length)] = chance(0.5) ? below(4) : bits()
      },
      // Timers are submitted: those whose numbers stand in the ring, a few of them with words.
      () => {
        control[at('TIMER_COUNT')] = num(1, 2, 4096, 4097)
        for (let i = 0; i < 3; i++) control[at('TIMER') + i] = chance(0.8) ? below(timers.length >> 2) : bits()
      },
      () => {
        control[at('EXPIRED_CURSOR')] = num(0, 1, 4096)
      },
      // Blocks that are in use are free, or there are none.
      () => {
        control[at('FREE_COUNT')] = num(0, 1, 32, 33)
      },
    ])()
  }
  native.flush()
}

export const nativeReactors: Record<string, Op> = {
  // Junk, and boards of the wrong size: what is right comes from `make`.
  NativeReactor: {
    args: () =>
      [
        false,
        chance(0.5),
        new ArrayBuffer(pick([0, 4, at('CONTROL_WORDS') * 4 - 4, at('CONTROL_WORDS') * 4 + 4])),
        pick([() => new ArrayBuffer(64), junk])(),
        pick([() => new ArrayBuffer(64), junk])(),
        num(0, 1, 1000),
        pick([() => () => {}, junk])(),
        pick([() => ({}), junk])(),
      ].map((argument) => (chance(0.1) ? junk() : argument)),
    call: (...args) =>
      chance(0.1)
        ? Reflect.apply(binding.NativeReactor as never, undefined, args)
        : Reflect.construct(binding.NativeReactor, args),
  },
  'NativeReactor.functions': method('functions', () => []),
  'NativeFunctions.register': given(
    'register',
    () => [fd(), interest(), num(0, 0, 0, 0, 1)],
    (result) => {
      const slot = result as number
      if (slot < 0) return
      target.slots[slot * at('STRIDE') + at('WANTED')] = pick([0, 1, 3, 63, at('READ_OP'), at('READ_OP') | 63])
      target.slots[slot * at('STRIDE') + at('READ')] = pick([1, 100, at('BLOCK_BYTES'), bits()])
      target.keys = [...target.keys.slice(-100), [slot, target.slots[slot * at('STRIDE') + at('GENERATION')]!]]
    },
  ),
  'NativeFunctions.deregister': given('deregister', key, (result, [slot]) => {
    if ((result as number) >= 0 && chance(0.9)) target.keys = target.keys.filter(([other]) => other !== slot)
  }),
  'NativeReactor.setInterest': method('setInterest', () => [...key(), interest()]),
  'NativeReactor.growSlots': method(
    'growSlots',
    () => {
      const bytes = pick([0, 4, target.slots.byteLength, target.slots.byteLength * 2])
      if (chance(0.2) || bytes > 65536) return [junk()]
      const larger = new Uint32Array(new ArrayBuffer(bytes))
      larger.set(target.slots.subarray(0, larger.length))
      return [larger.buffer]
    },
    (result, [buffer]) => {
      if (result === true) target.slots = new Uint32Array(buffer as ArrayBuffer)
    },
  ),
  // The old words are not copied: native code must stand any state of them.
  'NativeReactor.growTimers': method(
    'growTimers',
    () => [chance(0.2) ? junk() : new ArrayBuffer(pick([0, 4, 1024, 65536]))],
    (result, [buffer]) => {
      if (result === true) target.timers = new Uint32Array(buffer as ArrayBuffer)
    },
  ),
  // Of the right size only what nobody can detach: that is the one thing that it has to be told.
  'NativeReactor.usePool': method('usePool', () => [
    chance(0.5) ? new WebAssembly.Memory({ initial: at('BLOCKS'), maximum: at('BLOCKS') }).buffer : junk(),
  ]),
  'NativeReactor.holdBack': method('holdBack', () => [chance(0.9) ? chance(0.4) : junk()]),
  'NativeReactor.pauseClock': method('pauseClock', () => [
    pick([null, null, 0, 1.5, 1e9, -1, Number.NaN, Number.POSITIVE_INFINITY]),
  ]),
  'NativeReactor.nextTimer': method('nextTimer', () => []),
  'NativeReactor.now': method('now', () => []),
  'NativeReactor.flush': method('flush', () => []),
  'NativeReactor.metrics': method('metrics', () => []),
  // Inside a turn or outside of one.
  'NativeFunctions.collectAgain': given('collectAgain', () => []),
  // Of its own errors only: others would be findings.
  'NativeReactor.report': { weight: 0.2, args: () => [], call: () => aReactor().native.report(new Thrown('reported')) },
  'NativeReactor.isEdge': { weight: 0.3, args: () => [], call: () => aReactor().native.isEdge },
  'NativeReactor (words of the board)': { args: () => [], call: scribble },
}

/** Lets go of the event loop, so that the process can end. */
export function releaseAll(): void {
  for (const { native, control } of reactors) {
    control[at('REFS')] = 0
    control[at('PARKED')] = 0
    control[at('WOKEN_COUNT')] = 0
    control[at('WOKEN_CURSOR')] = 0
    native.holdBack(false)
    native.flush()
  }
}
