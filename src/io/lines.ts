/**
 * Iterating over lines of text.
 *
 * @module
 */
import { StringDecoder } from 'node:string_decoder'
import { ErrorCode, invalidArgType, invalidArgValue, outOfRange, stateError } from '../errors.js'
import { checkOptions } from '../sys/result.js'
import { checkWaitOptions, type WaitOptions } from '../wait.js'
import { copyReader, iterate } from './chunks.js'
import type { Port } from './port.js'

/**
 * How to cut what arrives into lines.
 *
 * @example
 * const options: LineOptions = { delimiter: '\r', maxLength: 200, encoding: 'latin1', timeout: 1000 }
 * for await (const line of async.lines(options)) console.log(line)
 */
export interface LineOptions extends WaitOptions {
  /** What ends a line. The default is a line feed; a carriage return before it is then taken off as well. */
  delimiter?: string | undefined
  /** Characters of a line, at most: a longer one throws `ERR_ASYNCFD_LINE_TOO_LONG` before memory runs out. Default 1,048,576. */
  maxLength?: number | undefined
  /** How bytes become text. Default `'utf8'`. */
  encoding?: BufferEncoding | undefined
}

const MAX_LENGTH = 1024 * 1024

export function lines(port: Port, options: LineOptions = {}): AsyncIterableIterator<string> {
  checkOptions(options)
  checkWaitOptions(options)
  const { signal, timeout, delimiter = '\n', maxLength = MAX_LENGTH, encoding = 'utf8' } = options
  if (typeof delimiter !== 'string') throw invalidArgType('options.delimiter', 'of type string', delimiter)
  if (delimiter === '') throw invalidArgValue('options.delimiter', 'must not be empty', delimiter)
  if (typeof maxLength !== 'number') throw invalidArgType('options.maxLength', 'of type number', maxLength)
  if (!(maxLength >= 1)) throw outOfRange('options.maxLength', '>= 1', maxLength)
  if (!Buffer.isEncoding(encoding)) throw invalidArgValue('options.encoding', 'must be an encoding of Buffer', encoding)
  const decoder = new StringDecoder(encoding)
  const read = copyReader(port, { signal, timeout })
  /** Text that came and is in no line yet, from `at` on; the first `searched` characters of it hold no delimiter. */
  let text = ''
  let at = 0
  let searched = 0
  let ended = false

  function check(line: string): string {
    if (line.length <= maxLength) return line
    text = ''
    at = 0
    searched = 0
    ended = true
    throw stateError(
      ErrorCode.LINE_TOO_LONG,
      `a line is longer than ${maxLength} characters; raise maxLength, or read chunks()`,
      port.fd,
    )
  }

  function cut(): string | null {
    const end = text.indexOf(delimiter, at + searched)
    if (end === -1) {
      text = text.slice(at)
      at = 0
      check(text.length > maxLength + delimiter.length ? text : '')
      // A delimiter of several characters may have begun.
      searched = Math.max(0, text.length - delimiter.length + 1)
      return null
    }
    const line = text.slice(at, delimiter === '\n' && end > at && text[end - 1] === '\r' ? end - 1 : end)
    at = end + delimiter.length
    searched = 0
    return check(line)
  }

  async function next(): Promise<string | null> {
    for (;;) {
      const line = cut()
      if (line !== null) return line
      if (ended) {
        const rest = text
        text = ''
        return rest === '' ? null : check(rest)
      }
      const chunk = await read()
      if (chunk === null) {
        ended = true
        text += decoder.end()
      } else {
        text += decoder.write(chunk)
      }
    }
  }
  return iterate(port, next)
}
