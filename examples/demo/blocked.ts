/**
 * Whose fault is a blocked event loop? Two peers, one of which answers at once and one never, each asked twice: under the limit of
 * `socket.setTimeout` and under the same limit of `asyncfd/timeouts`. Then our own loop is blocked for longer than the limit.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { withTimeouts } from 'asyncfd/timeouts'

const LIMIT_MS = 300
const BLOCK_MS = 400

/** On a thread of its own, as another machine would be: answers whoever asks politely, and counts its answers. */
const PEER = `
const { createServer } = require('node:net')
const { parentPort, workerData: answers } = require('node:worker_threads')
const server = createServer((socket) =>
  socket.on('error', () => {}).on('data', (text) => {
    if (String(text) !== 'please') return
    socket.write('here you are', () => {
      Atomics.add(answers, 0, 1)
      Atomics.notify(answers, 0)
    })
  }),
)
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

export type Verdict = 'answer read' | 'peer blamed'

interface Outcome {
  verdict: Verdict
  ms: number
}

export interface BlockedOutcome {
  /** What became of the peer that answered, and of the one that did not. */
  node: { answered: Outcome; silent: Outcome }
  asyncfd: { answered: Outcome; silent: Outcome }
  /** Milliseconds until the peer had answered both questions that it answers: the loop was blocked for longer. */
  answered_ms: number
}

function limitOfNode(socket: Socket): void {
  socket.setTimeout(LIMIT_MS, () => socket.destroy(new Error('timeout')))
}

function limitOfOurs(socket: Socket): void {
  withTimeouts(socket, { response: LIMIT_MS })
}

async function ask(port: number, question: string, limit: (socket: Socket) => void): Promise<() => Promise<Outcome>> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return () => {
    const asked = performance.now()
    const outcome = new Promise<Verdict>((resolve) => {
      socket.once('error', () => resolve('peer blamed')).once('data', () => resolve('answer read'))
    })
    limit(socket)
    socket.write(question)
    return outcome.then((verdict) => {
      socket.destroy()
      return { verdict, ms: performance.now() - asked }
    })
  }
}

/** Blocks this thread, as a long calculation would: until there are so many answers, and until the limit has passed. */
function block(answers: Int32Array, count: number, begun: number): number {
  for (let seen = 0; seen < count; seen = Atomics.load(answers, 0)) Atomics.wait(answers, 0, seen, 10_000)
  const answered_ms = performance.now() - begun
  Atomics.wait(answers, 0, count, Math.max(0, BLOCK_MS - answered_ms))
  return answered_ms
}

export async function blockedLoop(): Promise<BlockedOutcome> {
  const answers = new Int32Array(new SharedArrayBuffer(4))
  const peer = new Worker(PEER, { eval: true, workerData: answers })
  const [port] = (await once(peer, 'message')) as [number]
  const questions = await Promise.all([
    ask(port, 'please', limitOfNode),
    ask(port, '...', limitOfNode),
    ask(port, 'please', limitOfOurs),
    ask(port, '...', limitOfOurs),
  ])
  let answered_ms = 0
  // In an immediate: the next thing that the loop does after it is to look at its timers, and only then at its sockets.
  const outcomes = await new Promise<Promise<Outcome>[]>((resolve) => {
    setImmediate(() => {
      const begun = performance.now()
      resolve(questions.map((put) => put()))
      answered_ms = block(answers, 2, begun)
    })
  })
  const [nodeAnswered, nodeSilent, answered, silent] = (await Promise.all(outcomes)) as [Outcome, Outcome, Outcome, Outcome]
  await peer.terminate()
  return { node: { answered: nodeAnswered, silent: nodeSilent }, asyncfd: { answered, silent }, answered_ms }
}

/** Shows it, and whether ours judged rightly. */
export async function showBlockedLoop(): Promise<boolean> {
  console.log(`Two peers, each asked under a limit of ${LIMIT_MS} ms. Then our own event loop is blocked for ${BLOCK_MS} ms.\n`)
  const { node, asyncfd, answered_ms } = await blockedLoop()
  const show = ({ verdict, ms }: Outcome) => `${verdict} after ${ms.toFixed(0)} ms`.padEnd(28)
  const row = (name: string, { answered, silent }: BlockedOutcome['node']) =>
    console.log(`${name.padEnd(20)}${show(answered)}${show(silent)}`.trimEnd())
  console.log(`${''.padEnd(20)}${`answered after ${answered_ms.toFixed(1)} ms`.padEnd(28)}silent`)
  row('socket.setTimeout', node)
  row('asyncfd/timeouts', asyncfd)
  const right = asyncfd.answered.verdict === 'answer read' && asyncfd.silent.verdict === 'peer blamed'
  console.log(right ? '\nOnly the silent peer was to blame.' : '\nNOT well: asyncfd blamed the wrong one.')
  return right
}
