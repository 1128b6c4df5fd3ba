/**
 * Paths as the kernel takes them: bytes without a NUL.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import { invalidArgType, invalidArgValue } from '../errors.js'
import { byteLengthOf, isUint8Array } from './bytes.js'

/**
 * A path: text, a `file:` URL, or bytes for names that are no UTF-8.
 *
 * @example
 * const paths: sys.PathLike[] = ['/dev/null', new URL('file:///dev/null'), Buffer.from('/dev/null')]
 * for (const path of paths) sys.close(sys.open(path, sys.constants.O_RDONLY))
 */
export type PathLike = string | URL | Uint8Array

/** @throws `ERR_INVALID_ARG_TYPE`; `ERR_INVALID_ARG_VALUE` if there is a NUL inside */
export function pathBytes(path: PathLike): Uint8Array {
  const bytes = path instanceof URL ? Buffer.from(fileURLToPath(path)) : typeof path === 'string' ? Buffer.from(path) : path
  if (!isUint8Array(bytes)) throw invalidArgType('path', 'of type string or an instance of Uint8Array or URL', path)
  byteLengthOf('path', bytes)
  if (bytes.includes(0)) throw invalidArgValue('path', 'must not contain NUL bytes', path)
  return bytes
}
