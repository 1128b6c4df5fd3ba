/** An eventfd as a doorbell: whoever has its number rings it, whoever waits is woken. Linux only. */
import { AsyncFd, AsyncFdError, ErrorCode, Interest, WouldBlock } from 'asyncfd'
import * as sys from 'asyncfd/sys'

async function ringAndWait(): Promise<number> {
  using doorbell = new AsyncFd(sys.eventfd(), { interest: Interest.READABLE, owned: true })
  // A worker thread or a C library would do this; the number is all it takes.
  setTimeout(() => sys.write(doorbell, BigUint64Array.of(2n)), 20)
  setTimeout(() => sys.write(doorbell, BigUint64Array.of(3n)), 40)
  const counter = new BigUint64Array(1)
  let rings = 0
  while (rings < 5) {
    const guard = await doorbell.readable({ timeout: 5000 })
    if (guard.tryIo((fd) => sys.read(fd, counter)) === WouldBlock) continue
    rings += Number(counter[0])
    console.log(`rang ${counter[0]} times, ${rings} in all`)
  }
  return rings
}

try {
  if ((await ringAndWait()) !== 5) process.exitCode = 1
} catch (error) {
  if (!(error instanceof AsyncFdError) || error.code !== ErrorCode.UNSUPPORTED) throw error
  console.log(error.message)
}
