/**
 * The second process: writes one byte into a FIFO picked at random, reads the acknowledgement, and so on, until there
 * are no more acknowledgements. Then prints the round trips. It blocks in read(2), so it adds little and the same to all.
 *
 *   node build/bench/fd/feeder.js ACKNOWLEDGEMENTS FIFO...
 *
 * @module
 */
import fs from 'node:fs'
import { report } from '../harness/measure.js'
import { generator } from '../harness/random.js'
import { quantile } from '../harness/stats.js'

const [acknowledgements, ...fifos] = process.argv.slice(2)
// The other side opens its readers before its writer, so both of these wait for it, in this order.
const reader = fs.openSync(acknowledgements!, fs.constants.O_RDONLY)
const writers = fifos.map((fifo) => fs.openSync(fifo, fs.constants.O_WRONLY))
const random = generator(1)
const byte = Uint8Array.of(1)
const trips: number[] = []

const acknowledged = () => fs.readSync(reader, byte, 0, 1, null) === 1
const exchange = (): boolean => {
  const from = performance.now()
  try {
    fs.writeSync(writers[random(writers.length)]!, byte)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return false
    throw error
  }
  const got = acknowledged()
  trips.push((performance.now() - from) * 1000)
  return got
}

if (acknowledged()) while (exchange());
// The first quarter was the other side's warm-up, and ours.
const warm = trips.slice(trips.length >> 2).sort((a, b) => a - b)
report({ roundTripUs: quantile(warm, 0.5), p99Us: quantile(warm, 0.99) })
