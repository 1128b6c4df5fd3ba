/**
 * Limits on the connections of node:http and of undici: a server answers, is waited for no longer than it may take, and a connection
 * that rests in a pool stays.
 */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection, TimeoutError, undiciConnector } from 'asyncfd/timeouts'
import undici from 'undici'

const server = http.createServer((request, response) => {
  if (request.url !== '/silent') response.end(`${request.url}, as asked`)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const phases = { lookup: 500, connect: 2000, secureConnect: 3000, response: 200, write: 2000 }

const agent = new http.Agent({ keepAlive: true })
agent.createConnection = createConnection(phases)

async function get(path: string): Promise<string> {
  const [response] = (await once(http.get(`${url}${path}`, { agent }), 'response')) as [http.IncomingMessage]
  let text = ''
  for await (const chunk of response) text += chunk
  return text
}

const dispatcher = new undici.Agent({ connect: undiciConnector(phases) })
const fetched = async (path: string) => (await undici.fetch(`${url}${path}`, { dispatcher })).text()

/** The limit that an error tells of, wherever the client has put it. */
function phaseIn(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof TimeoutError) return at.phase ?? 'some'
  throw error
}

for (const [name, ask] of Object.entries({ 'node:http': get, undici: fetched })) {
  const texts = [await ask('/first'), await sleep(500, 'a rest longer than the limit'), await ask('/second')]
  const phase = await ask('/silent').then(() => 'no', phaseIn)
  console.log(`${name}: ${texts.join('; ')}; the silent one ended by its ${phase} limit`)
  if (phase !== 'response') process.exitCode = 1
}

agent.destroy()
await dispatcher.destroy()
server.closeAllConnections()
server.close()
