/** An echo server and its clients, in one process: a task for each connection, and a deadline on everything. */
import { TcpListener, TcpStream } from 'asyncfd/net'

async function serve(stream: TcpStream): Promise<void> {
  await using connection = stream
  // Lent chunks are memory of asyncfd's until the next is asked for; by then this one has been written.
  for await (const chunk of connection.chunks({ lend: true, timeout: 10_000 })) await connection.writeAll(chunk)
}

await using listener = await TcpListener.bind('127.0.0.1:0')
const serving = (async () => {
  for await (const stream of listener.incoming()) serve(stream).catch(console.error)
})()

async function client(name: string): Promise<void> {
  await using stream = await TcpStream.connect(listener.localAddress, { timeout: 5000, noDelay: true })
  const message = Buffer.from(`hello from ${name}\n`)
  await stream.writeAll(message, { timeout: 5000 })
  stream.shutdown() // no more from us; what is on its way still comes
  for await (const line of stream.lines({ timeout: 5000 })) {
    console.log(line)
    if (`${line}\n` !== message.toString()) process.exitCode = 1
  }
}

await Promise.all(['Ada', 'Grace', 'Edsger'].map(client))
await listener.close() // ends incoming()
await serving
