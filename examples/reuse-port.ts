/** One address, several workers: each has a listener of its own, and the kernel spreads the connections over them. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { TcpListener, TcpStream } from 'asyncfd/net'

if (isMainThread) {
  // Bound, so that the port is known and stays ours; it accepts nothing, so it does not listen for long.
  const first = await TcpListener.bind('127.0.0.1:0', { reusePort: true })
  const address = first.localAddress
  const workers = await Promise.all(
    [1, 2].map((number) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { number, address } })
      return new Promise<Worker>((ready) => worker.once('message', () => ready(worker)))
    }),
  )
  await first.close()

  const served = new Map<string, number>()
  for (let i = 0; i < 40; i++) {
    await using stream = await TcpStream.connect(address, { timeout: 5000 })
    const { value: who } = await stream.lines({ timeout: 5000 }).next()
    served.set(who!, (served.get(who!) ?? 0) + 1)
  }
  for (const [who, count] of [...served].sort()) console.log(`${who} served ${count}`)
  if ([...served.values()].reduce((sum, count) => sum + count, 0) !== 40) process.exitCode = 1
  for (const worker of workers) worker.postMessage('stop')
} else {
  const { number, address } = workerData as { number: number; address: { address: string; port: number } }
  const listener = await TcpListener.bind(address, { reusePort: true })
  parentPort!.once('message', () => void listener.close())
  parentPort!.postMessage('ready')
  for await (const stream of listener.incoming()) {
    await stream.writeAll(Buffer.from(`worker ${number}\n`))
    await stream.close()
  }
  parentPort!.close()
}
