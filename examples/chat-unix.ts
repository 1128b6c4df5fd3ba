/** A chat in lines on a Unix socket: what one says, the others hear. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UnixListener, UnixStream } from 'asyncfd/net'

const folder = mkdtempSync(join(tmpdir(), 'asyncfd-chat-'))
const path = join(folder, 'chat')

const members = new Map<UnixStream, string>()

async function serve(stream: UnixStream): Promise<void> {
  await using member = stream
  const lines = member.lines({ maxLength: 1000 })
  const { value: name } = await lines.next()
  members.set(member, name)
  await member.writeAll(Buffer.from(`welcome, ${name}\n`))
  try {
    for await (const line of lines) {
      const others = [...members.keys()].filter((other) => other !== member)
      // Who does not listen for a second is not waited for.
      await Promise.allSettled(others.map((other) => other.writeAll(Buffer.from(`${name}: ${line}\n`), { timeout: 1000 })))
    }
  } finally {
    members.delete(member)
  }
}

await using listener = await UnixListener.bind(path, { mode: 0o600 })
const serving = (async () => {
  for await (const stream of listener.incoming()) serve(stream).catch(console.error)
})()

async function enter(name: string) {
  const stream = await UnixStream.connect(path, { timeout: 5000 })
  const lines = stream.lines({ timeout: 5000 })
  const hear = async () => (await lines.next()).value as string
  const say = (text: string) => stream.writeAll(Buffer.from(`${text}\n`))
  await say(name)
  console.log(await hear())
  return { hear, say, stream }
}

const ada = await enter('Ada')
const grace = await enter('Grace')
await grace.say('is this thing on?')
console.log(`Ada hears "${await ada.hear()}"`)
await ada.say('it is')
const heard = await grace.hear()
console.log(`Grace hears "${heard}"`)
if (heard !== 'Ada: it is') process.exitCode = 1

await ada.stream.close()
await grace.stream.close()
await listener.close() // removes the path
await serving
rmSync(folder, { recursive: true })
