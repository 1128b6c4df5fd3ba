/** HTTP by node:http over a connection of asyncfd's: whatever takes a stream takes `toDuplex()`. */
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { TcpStream } from 'asyncfd/net'

const server = createServer((request, response) => {
  response.end(`you asked for ${request.url}`)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo

const stream = await TcpStream.connect({ host: '127.0.0.1', port }, { timeout: 5000 })
const agent = new Agent()
agent.createConnection = () => stream.toDuplex() as Duplex & ReturnType<NonNullable<typeof agent.createConnection>>

const body = await new Promise<string>((resolve, reject) => {
  get({ host: '127.0.0.1', port, path: '/greeting', agent, headers: { connection: 'close' } }, async (response) => {
    let text = ''
    for await (const chunk of response) text += chunk
    resolve(text)
  }).on('error', reject)
})
console.log(body)
if (body !== 'you asked for /greeting') process.exitCode = 1
server.close()
