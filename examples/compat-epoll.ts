/** Watches two pipes with the class of the `epoll` package: level-triggered, and told of the end. */
import { Epoll } from 'asyncfd/compat'
import * as sys from 'asyncfd/sys'

const names = new Map<number, string>()
const buffer = Buffer.alloc(4)
const lines: string[] = []

const epoll = new Epoll((err, fd, events) => {
  if (err !== null) throw err
  const name = names.get(fd)
  if (events & Epoll.EPOLLIN) {
    // What does not fit is told again: nothing has to be read to its end.
    const count = sys.read(fd, buffer)
    if (typeof count === 'number') lines.push(`${name}: ${buffer.toString('utf8', 0, count)}`)
  } else if (events & Epoll.EPOLLHUP) {
    lines.push(`${name} is over`)
    epoll.remove(fd)
    sys.close(fd)
    names.delete(fd)
    // With nothing added any more the process ends.
    if (names.size === 0) epoll.close()
  }
})

for (const name of ['first', 'second']) {
  const [reader, writer] = sys.pipe()
  names.set(reader, name)
  epoll.add(reader, Epoll.EPOLLIN)
  sys.write(writer, Buffer.from(`12345${name[0]}`))
  sys.close(writer)
}

process.on('exit', () => {
  console.log(lines.sort().join('\n'))
  const expected = ['first is over', 'first: 1234', 'first: 5f', 'second is over', 'second: 1234', 'second: 5s']
  if (lines.join() !== expected.join()) process.exitCode = 1
})
