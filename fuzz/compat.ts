/**
 * The classes of `asyncfd/compat`: several at once on the descriptors of all others.
 *
 * @module
 */
import { Epoll, Poller } from 'asyncfd/compat'
import { review } from './fds.js'
import type { Callable, Op } from './op.js'
import { chance, pick } from './random.js'
import { fd, junk, num } from './values.js'
import { callback, keep, methodOf } from './waiting.js'

const epolls: Epoll[] = []
const pollers: Poller[] = []

const { EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLPRI, EPOLLERR, EPOLLHUP, EPOLLET, EPOLLONESHOT } = Epoll
/** Mostly a oneshot: a level that nobody takes goes on for ever. */
const events = () =>
  num(pick([0, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLPRI, EPOLLRDHUP, EPOLLERR | EPOLLHUP])) |
  (chance(0.8) ? EPOLLONESHOT : 0) |
  (chance(0.3) ? EPOLLET : 0)
/** The last that were added: what comes after is mostly about them. */
let last: [one: Epoll, number: number] | undefined
const aDescriptor = () => fd('reader', 'writer', 'stream', 'eventfd', 'master', 'slave', 'tcp', 'listener', 'timerfd', 'udp')

function listener(): unknown {
  if (chance(0.02)) return junk()
  return callback()
}

/** A method of the Epoll that was added to last, for that descriptor; or anything of any. */
function sameAgain(name: 'modify' | 'remove'): Op {
  const other = method(epolls, name)
  return {
    args: () => [chance(0.8) && last !== undefined ? last[1] : aDescriptor(), ...(name === 'modify' ? [events()] : [])],
    call: (...given) =>
      last === undefined ? other.call!(...given) : Reflect.apply(last[0][name], last[0], given as [number, number]),
    after: other.after!,
  }
}

/** A method of one of those that were made, which may be of a descriptor. */
function method<T extends object>(made: T[], name: keyof T, args?: () => unknown[]): Op {
  return {
    ...methodOf(made, name, args),
    after: (_, [number]) => {
      if (typeof number === 'number' && chance(0.2)) review(number)
    },
  }
}

export const compat: Record<string, Op> = {
  Epoll: {
    args: () => [listener()],
    call: (...args) => Reflect.construct(Epoll, args),
    after: (made) => keep(epolls, made as Epoll, (one) => one.closed || one.close()),
  },
  'Epoll.add': {
    weight: 4,
    args: () => [aDescriptor(), events()],
    call: (...args) => {
      if (epolls.length === 0) return
      const one = pick(epolls)
      Reflect.apply(one.add, one, args as [number, number])
      last = [one, args[0] as number]
    },
  },
  'Epoll.modify': sameAgain('modify'),
  'Epoll.remove': sameAgain('remove'),
  'Epoll.close': { ...method(epolls, 'close'), weight: 0.2 },
  'Epoll.closed': { args: () => [], call: () => (epolls.length === 0 ? undefined : pick(epolls).closed) },
  Poller: {
    weight: 2,
    args: () => [aDescriptor()],
    call: (...args) => Reflect.construct(Poller, args),
    after: (made) => keep(pollers, made as Poller, (one) => one.destroy()),
  },
  'Poller.once': {
    weight: 3,
    args: () => [listener()],
    // What is no name is Node's to refuse.
    call: (...given) => {
      if (pollers.length === 0) return
      const one = pick(pollers)
      Reflect.apply(one.once as Callable, one, [pick(['readable', 'writable', 'disconnect', 'readable', 'other']), ...given])
    },
  },
  'Poller.poll': method(pollers, 'poll', () => [num(0, 1, 2, 4, 7)]),
  'Poller.stop': method(pollers, 'stop'),
  'Poller.destroy': method(pollers, 'destroy'),
  'Poller.emitCanceled': method(pollers, 'emitCanceled'),
}

/** Methods that are not called. */
export const uncoveredCompat = [Epoll, Poller].flatMap((Class) =>
  Object.getOwnPropertyNames(Class.prototype)
    .map((name) => `${Class.name}.${name}`)
    .filter((name) => !name.endsWith('.constructor') && !(name in compat)),
)

/** Ends everything that waits. */
export function endCompat(): void {
  for (const one of pollers) {
    one.removeAllListeners()
    one.destroy()
  }
  for (const one of epolls) if (!one.closed) one.close()
}
