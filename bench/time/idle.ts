/**
 * One pending timer, and nothing else to do: the CPU that passes until it fires.
 *
 *   node build/bench/time/idle.js asyncfd|node|nothing MILLISECONDS
 *
 * @module
 */
import * as node from 'node:timers'
import * as ours from 'asyncfd/timers'
import { report } from '../harness/measure.js'

const [side, ms] = [process.argv[2], Number(process.argv[3])]
// What starts with the first timer has started, and what is compiled lazily is compiled.
await new Promise<void>((resolve) => void node.setTimeout(() => resolve(), 200))
await new Promise<void>((resolve) => void ours.setTimeout(() => resolve(), 200))
const from = process.cpuUsage()
const end = (): void => {
  const { user, system } = process.cpuUsage(from)
  report({ ms: (user + system) / 1000 })
}
if (side === 'asyncfd') ours.setTimeout(end, ms)
else if (side === 'node') node.setTimeout(end, ms)
else {
  // An idle thread, which not even a loop wakes.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  end()
}
