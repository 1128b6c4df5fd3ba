/**
 * The only module that loads the native binding. It is loaded at the first use, not at import, so that importing
 * starts nothing and fails nowhere.
 *
 * @module
 */
import { createRequire } from 'node:module'
import type * as Native from '../index.js'
import { AsyncFdError, ErrorCode } from './errors.js'

export type Binding = typeof Native
export type { NativeReactor } from '../index.js'

let binding: Binding | undefined

/** The native binding. @throws AsyncFdError `ERR_ASYNCFD_UNSUPPORTED`, `ERR_ASYNCFD_BINDING` */
export function native(): Binding {
  return binding ?? load()
}

function load(): Binding {
  if (process.platform === 'win32') {
    throw new AsyncFdError(
      'asyncfd waits on Unix file descriptors; on Windows everything that needs a descriptor is unsupported',
      ErrorCode.UNSUPPORTED,
    )
  }
  try {
    binding = createRequire(import.meta.url)('../binding.cjs') as Binding
  } catch (cause) {
    throw new AsyncFdError(
      `the native binding for ${process.platform}-${process.arch} could not be loaded; in a checkout run "npm run build", elsewhere reinstall asyncfd with optional dependencies`,
      ErrorCode.BINDING,
      { cause },
    )
  }
  return binding
}

/** Where the binding was loaded from. @throws as {@link native} */
export function bindingPath(): string {
  native()
  return Object.keys(createRequire(import.meta.url).cache).find((path) => /asyncfd[^/]*\.node$/.test(path)) ?? 'unknown'
}
