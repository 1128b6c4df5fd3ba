/** Many ends, and the operations on them, each a few numbers: so a generator makes them, and a seed repeats them. */
import { setImmediate } from 'node:timers'
import { Interest, reactor } from 'asyncfd'
import * as sys from 'asyncfd/sys'
import { End, type Files, type Kind, type Model, newFiles } from './end.js'

/** Which operation, on which end, and how. */
export type Operation = readonly [operation: number, target: number, how: number]

const KINDS: readonly Kind[] = ['pipe reader', 'socket', 'pipe writer', 'socket']
const { READABLE, WRITABLE } = Interest
/** Turns after which the embedded driver has told everything, however loaded the machine is. */
const TURNS_AT_MOST = 200
/** Elsewhere a thread has to get its time from the machine. */
const PATIENCE_MS = 30_000
const GHOSTS_KEPT = 4

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A file that lives on in a duplicate after its number was closed, with its other end. */
interface Ghost {
  copy: number
  files: Files
}

export class World implements Model {
  clock = 0
  turn = 0
  wakeups = 0
  readonly exact = reactor.driver === 'embedded'
  readonly oneshot = process.env.ASYNCFD_POLLING === 'oneshot'
  readonly problems: string[] = []
  readonly ends: End[]
  /** Ends whose descriptor was closed elsewhere and which nobody has closed yet. */
  readonly #zombies: End[] = []
  readonly #ghosts: Ghost[] = []
  readonly #trace: string[] = []
  /** The most turns that anything took to be told. */
  slowest = 0

  constructor(size: number) {
    this.ends = Array.from({ length: size }, (_, i) => new End(this, newFiles(KINDS[i % KINDS.length]!), i % 7 === 6))
  }

  report(problem: string): void {
    if (this.problems.length === 0) this.problems.push(`${problem}\nlast operations:\n${this.#trace.slice(-40).join('\n')}`)
  }

  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await turn()
      this.turn++
    }
  }

  /** Does one operation; resolves at once unless it is one that lets the event loop go on. */
  apply([operation, target, how]: Operation): Promise<void> | undefined {
    const index = target % this.ends.length
    const end = this.ends[index]!
    const name = OPERATIONS[operation % OPERATIONS.length]!
    this.#trace.push(`${this.clock} ${name} ${index} ${how}`)
    if (this.#trace.length > 400) this.#trace.splice(0, 200)
    return this.#operations[name](end, how, index) as Promise<void> | undefined
  }

  #replace(index: number, files: Files, level: boolean): void {
    // Whoever had the number before and was never closed learns of its end now.
    for (const zombie of this.#zombies) {
      if (zombie.state !== 'lost' || zombie.files.a !== files.a) continue
      zombie.expectEnd('ERR_ASYNCFD_FD_REUSED')
      zombie.state = 'closed'
    }
    this.ends[index] = new End(this, files, level)
  }

  #haunt(ghost: Ghost): void {
    this.#ghosts.push(ghost)
    if (this.#ghosts.length > GHOSTS_KEPT) this.#lay(this.#ghosts.shift()!)
  }

  #lay({ copy, files }: Ghost): void {
    sys.close(copy)
    if (files.b !== -1) sys.close(files.b)
  }

  readonly #operations = {
    write: (end: End, how: number) => end.peerWrite(1 + (how % 5)),
    turns: (_: End, how: number) => this.turns(how % 3),
    drain: (end: End) => end.drain(),
    'read some': (end: End, how: number) => end.readSome(1 + (how % 4)),
    readable: (end: End, how: number) => {
      for (let n = how % 3; n >= 0; n--)
        end.wait(READABLE, how % 4 === 0 ? 'abortable' : 'for ever', how % 2 ? end.drainGuard : () => {})
    },
    writable: (end: End, how: number) => void end.wait(WRITABLE, how % 2 ? 'abortable' : 'for ever', () => {}),
    ready: (end: End, how: number) => void end.wait(end.interest, how % 2 ? 'abortable' : 'for ever', end.drainGuard),
    'wait again': (end: End, how: number) => {
      let left = how % 8
      const again = () =>
        void (
          left-- > 0 &&
          end.wait(READABLE, 'for ever', (guard) => {
            end.drainGuard(guard)
            again()
          })
        )
      again()
    },
    'with timeout': (end: End, how: number) =>
      void end.wait(how & 1 ? READABLE : end.interest, [0, 0, 1, 2.5][how % 4]!, () => {}),
    race: (end: End) => {
      end.wait(READABLE, 'for ever', end.drainGuard)
      end.wait(WRITABLE, 'for ever', () => end.fill())
    },
    clear: (end: End, how: number) => end.clear(how >> 8, how & 255),
    'try reading': (end: End) => end.tryIo(READABLE),
    'try writing': (end: End) => end.tryIo(WRITABLE),
    abort: (end: End, how: number) => end.abortOne(how),
    fill: (end: End) => end.fill(),
    'peer reads': (end: End, how: number) => end.peerRead(how % 2 ? 1_000_000 : 1 + (how % 5000)),
    'poll for reading': (end: End) => end.poll(READABLE),
    'poll for writing': (end: End) => end.poll(WRITABLE),
    subscribe: (end: End, how: number) =>
      end.subscribe(how % 4 === 0 && end.canWrite ? end.interest : READABLE, how % 3 ? end.drainGuard : () => {}),
    unsubscribe: (end: End) => end.unsubscribe(),
    interest: (end: End, how: number) => end.setInterest(1 + (how % 3)),
    ref: (end: End, how: number) => void (how % 2 ? end.fd.ref() : end.fd.unref()),
    'half-close': (end: End) => end.peerHalfClose(),
    'peer closes': (end: End) => end.peerClose(),
    'register again': (end: End, how: number, index: number) => {
      if (how % 3 === 0 && end.state === 'open') {
        end.expectEnd('ERR_ASYNCFD_CLOSED')
        end.state = 'closed'
        end.fd.intoInner()
      } else end.close()
      this.#replace(index, end.files, how % 5 === 0)
    },
    renew: (end: End, how: number, index: number) => {
      end.close()
      sys.close(end.files.a)
      if (end.files.b !== -1) sys.close(end.files.b)
      this.#replace(index, newFiles(end.files.kind), how % 5 === 0)
    },
    'close elsewhere': (end: End, how: number, index: number) => {
      const { files, level } = end
      const copy = sys.dup(files.a)
      sys.close(files.a)
      end.state = 'lost'
      this.#haunt({ copy, files })
      // The lowest free number is given out, so the new file mostly has the old one's.
      const next = newFiles(files.kind)
      const first = how % 3
      if (first === 0) end.close()
      const reused = next.a === files.a
      if (first !== 0 && reused) {
        end.expectEnd('ERR_ASYNCFD_FD_REUSED')
        this.#replace(index, next, level)
        if (!end.fd.closed) this.report('an AsyncFd goes on although its number is registered for another file')
        end.state = 'closed'
      } else this.#replace(index, next, level)
      if (first === 1) end.close()
      else if (first === 2) this.#zombies.push(end)
    },
    haunt: (_: End, how: number) => {
      const ghost = this.#ghosts[how % Math.max(1, this.#ghosts.length)]
      if (ghost === undefined || ghost.files.b === -1 || ghost.files.halfClosed || ghost.files.kind === 'pipe writer') return
      sys.write(ghost.files.b, Buffer.from('boo'))
    },
    'close the closed': () => {
      const zombie = this.#zombies.shift()
      if (zombie?.state === 'lost') zombie.close()
      else zombie?.fd.close()
    },
  }

  /** Lets everything that is owed be told, within bounds, and looks at every end. Throws the first problem. */
  async verify(): Promise<void> {
    const from = performance.now()
    for (let turns = 0; ; turns++) {
      // What was collected before the last operation is told first.
      if (turns >= 3 && this.ends.every((end) => end.missing() === null)) {
        this.slowest = Math.max(this.slowest, turns - 3)
        break
      }
      if (this.exact ? turns > TURNS_AT_MOST : performance.now() - from > PATIENCE_MS) break
      if (this.problems.length > 0) break
      await this.turns(1)
    }
    for (const end of this.ends) end.checkQuiet()
    if (this.problems.length > 0) throw new Error(this.problems[0])
  }

  /** Closes everything; whatever waits must end. */
  async close(): Promise<void> {
    const all = [...this.ends, ...this.#zombies]
    for (const end of this.ends) end.close()
    for (const zombie of this.#zombies) if (zombie.state === 'lost') zombie.close()
    await this.turns(3)
    for (const end of all) {
      const [pending] = end.pending
      const [listening] = end.listening
      if (pending !== undefined) this.report(`${pending.what} goes on although everything was closed`)
      if (listening !== undefined) this.report('a listener did not hear of the end')
      if (end.fd.hasRef()) this.report('a closed AsyncFd holds the process')
    }
    for (const { files } of this.ends) {
      sys.close(files.a)
      if (files.b !== -1) sys.close(files.b)
    }
    for (const ghost of this.#ghosts.splice(0)) this.#lay(ghost)
    if (this.problems.length > 0) throw new Error(this.problems[0])
  }
}

/** The operations, the frequent ones several times. Simple ones first: a failure is shrunk towards them. */
export const OPERATIONS = [
  'write',
  'turns',
  'readable',
  'drain',
  'clear',
  'write',
  'turns',
  'subscribe',
  'wait again',
  'write',
  'turns',
  'read some',
  'writable',
  'ready',
  'write',
  'turns',
  'with timeout',
  'race',
  'try reading',
  'try writing',
  'abort',
  'fill',
  'peer reads',
  'peer reads',
  'poll for reading',
  'poll for writing',
  'unsubscribe',
  'interest',
  'ref',
  'haunt',
  'write',
  'close the closed',
  'register again',
  'renew',
  'close elsewhere',
  'half-close',
  'peer closes',
  'write',
  'clear',
  'turns',
] as const
