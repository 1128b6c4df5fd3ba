/**
 * A registry on loopback that has what is published to it and sends for everything else to the one this machine is configured with, by
 * a redirect. What it is the registry of (`own`) is never asked for elsewhere. It ends with the process.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const digest = (algorithm, form, data) => createHash(algorithm).update(data).digest(form)

/**
 * @param {{ own: RegExp, upstream: string }} options
 * @returns {Promise<{ url: string, asked: string[], publish: (pkg: object, tarball: Buffer) => void, close: () => void }>}
 */
export function startRegistry({ own, upstream }) {
  /** Packages by name, as npm describes them; tarballs by path. */
  const packages = new Map()
  const tarballs = new Map()
  const asked = []
  let url

  function publish(pkg, tarball) {
    const path = `/${pkg.name}/-/${pkg.name}-${pkg.version}.tgz`
    tarballs.set(path, tarball)
    const dist = {
      tarball: `${url}${path}`,
      shasum: digest('sha1', 'hex', tarball),
      integrity: `sha512-${digest('sha512', 'base64', tarball)}`,
    }
    const known = packages.get(pkg.name) ?? { name: pkg.name, 'dist-tags': {}, versions: {}, time: {} }
    known['dist-tags'].latest = pkg.version
    known.versions[pkg.version] = { ...pkg, _id: `${pkg.name}@${pkg.version}`, dist }
    // Long ago: package managers may refuse what is younger than a day.
    known.time[pkg.version] = known.time.created = known.time.modified = '2020-01-01T00:00:00.000Z'
    packages.set(pkg.name, known)
  }

  async function answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, url).pathname)
    const reply = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    if (request.method === 'PUT') {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const body = JSON.parse(Buffer.concat(chunks))
      const [attachment] = Object.values(body._attachments)
      publish(Object.values(body.versions)[0], Buffer.from(attachment.data, 'base64'))
      return reply(201, { ok: true })
    }
    if (request.method !== 'GET') return reply(405, { error: 'method not allowed' })
    const name = path.slice(1)
    asked.push(name)
    if (tarballs.has(path)) return response.end(tarballs.get(path))
    if (packages.has(name)) return reply(200, packages.get(name))
    if (own.test(name)) return reply(404, { error: `${name} was not published here` })
    response.writeHead(302, { location: new URL(request.url.slice(1), upstream).href })
    response.end()
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error))
  })
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      url = `http://127.0.0.1:${server.address().port}`
      resolve({ url, asked, publish, close: () => server.close().closeAllConnections() })
    })
  })
}
