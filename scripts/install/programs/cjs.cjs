// The same from CommonJS: the ES modules are required.
const assert = require('node:assert/strict')
const { AsyncFd, Interest } = require('asyncfd')
const sys = require('asyncfd/sys')
const { exports: subpaths, version } = require('asyncfd/package.json')

for (const subpath of Object.keys(subpaths)) assert(Object.keys(require(`asyncfd${subpath.slice(1)}`)).length > 1, subpath)
assert.match(version, /^\d/)
const [reader, writer] = sys.pipe()
const fd = new AsyncFd(reader, { interest: Interest.READABLE, owned: true })
sys.write(writer, Buffer.from('hello'))
sys.close(writer)
fd.readable().then((guard) => {
  assert.equal(
    guard.tryIo((inner) => sys.read(inner, Buffer.alloc(8))),
    5,
  )
  fd.close()
  console.log('works')
})
