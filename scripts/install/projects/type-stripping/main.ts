import assert from 'node:assert/strict'
import { Async } from 'asyncfd'
import { pipe } from 'asyncfd/sys'

const [reader, writer]: [number, number] = pipe()
const input = new Async(reader, { owned: true })
const output = new Async(writer, { owned: true })
await output.writeAll(Buffer.from('a line\n'))
for await (const line of input.lines()) {
  const text: string = line
  assert.equal(text, 'a line')
  break
}
await Promise.all([input.close(), output.close()])
