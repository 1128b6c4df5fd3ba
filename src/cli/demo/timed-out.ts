/** A wait that times out, never early; what comes after the deadline is not lost. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AsyncFd, Interest, TimeoutError } from '../../index.js'
import * as sys from '../../sys/index.js'
import { check, type Station } from './station.js'

const TIMEOUT_MS = 700

export const timedOut: Station = {
  name: 'timeout',
  async tour(progress, signal) {
    const [reader, writer] = sys.pipe()
    using sender = new sys.OwnedFd(writer)
    using fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
    progress.watch(fd.fd)
    progress.say(`a silent pipe, for ${TIMEOUT_MS} ms`)
    const started = performance.now()
    const error: unknown = await fd.readable({ signal, timeout: TIMEOUT_MS }).then(
      () => new Error('a pipe that nobody wrote to became readable'),
      (reason) => reason,
    )
    const elapsed_ms = performance.now() - started
    if (!(error instanceof TimeoutError)) throw error
    check(elapsed_ms >= TIMEOUT_MS, `timed out early, after ${elapsed_ms} ms`)
    progress.say(`TimeoutError after ${elapsed_ms.toFixed(1)} ms; writing now`)
    await sleep(600)
    sys.write(sender, Buffer.from('!'))
    const guard = await fd.readable({ signal })
    progress.woke(guard)
    const count = guard.tryIo((inner) => sys.read(inner, Buffer.alloc(8)))
    check(count === 1, `read ${String(count)} bytes`)
    return `${elapsed_ms.toFixed(1)} ms, never early; a later byte arrived`
  },
}
