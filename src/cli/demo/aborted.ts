/** A wait that is aborted: it rejects with the reason that was given, and the next wait is as good as new. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AsyncFd, Interest } from '../../index.js'
import * as sys from '../../sys/index.js'
import { check, type Station } from './station.js'

export const aborted: Station = {
  name: 'abort',
  async tour(progress, signal) {
    const [reader, writer] = sys.pipe()
    using sender = new sys.OwnedFd(writer)
    using fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
    progress.watch(fd.fd)
    progress.say('a silent pipe, until somebody gives up')
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    setTimeout(() => controller.abort(reason), 1100)
    const error: unknown = await fd.readable({ signal: AbortSignal.any([signal, controller.signal]) }).then(
      () => new Error('a pipe that nobody wrote to became readable'),
      (why) => why,
    )
    if (error !== reason) throw error
    progress.say(`rejected with "${reason.message}"; writing now`)
    await sleep(600)
    sys.write(sender, Buffer.from('!'))
    const guard = await fd.readable({ signal })
    progress.woke(guard)
    const count = guard.tryIo((inner) => sys.read(inner, Buffer.alloc(8)))
    check(count === 1, `read ${String(count)} bytes`)
    return 'rejected with its reason; a later byte arrived'
  },
}
