/** HTTP/1.1 by undici over connections of asyncfd's: its `connect` option takes a function that makes them. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TcpStream } from 'asyncfd/net'
import { Client, request } from 'undici'

const server = createServer(async (request, response) => {
  let size = 0
  for await (const chunk of request) size += chunk.length
  response.end(`${request.method} ${request.url} with ${size} bytes`)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo

let connections = 0
const client = new Client(`http://127.0.0.1:${port}`, {
  connect: ({ hostname, port }, callback) => {
    connections++
    TcpStream.connect({ host: hostname, port: Number(port) }, { timeout: 5000, noDelay: true }).then(
      // What undici calls a socket is any stream of both directions.
      (stream) => callback(null, stream.toDuplex() as unknown as Parameters<typeof callback>[1] & object),
      (error) => callback(error, null),
    )
  },
})

for (const body of [null, Buffer.alloc(1_000_000)]) {
  const answer = await request(`http://127.0.0.1:${port}/greeting`, {
    dispatcher: client,
    ...(body === null ? { method: 'GET' } : { method: 'POST', body }),
  })
  const text = await answer.body.text()
  console.log(text)
  if (text !== `${body === null ? 'GET' : 'POST'} /greeting with ${body?.length ?? 0} bytes`) process.exitCode = 1
}
console.log(`${connections} connection was kept for both`)
if (connections !== 1) process.exitCode = 1

await client.close()
server.close()
