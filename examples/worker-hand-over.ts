/** A connection handed to another worker: the number goes over, and belongs to one of the two at a time. */
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { TcpListener, TcpStream } from 'asyncfd/net'

if (isMainThread) {
  await using listener = await TcpListener.bind('127.0.0.1:0')
  const worker = new Worker(new URL(import.meta.url))
  const client = await TcpStream.connect(listener.localAddress, { timeout: 5000 })
  const accepted = await listener.accept({ timeout: 5000 })
  worker.postMessage(accepted.intoInner()) // given away: here it is closed
  await client.writeAll(Buffer.from('who serves me?'))
  client.shutdown()
  let text = ''
  for await (const line of client.lines({ timeout: 10_000 })) text += line
  console.log(text)
  if (text !== 'the worker heard: who serves me?') process.exitCode = 1
  await client.close()
} else {
  parentPort!.once('message', async (fd: number) => {
    await using stream = new TcpStream(fd)
    for await (const question of stream.lines()) await stream.writeAll(Buffer.from(`the worker heard: ${question}`))
  })
}
