/**
 * The only module that loads the native binding. It is loaded at the first use, not at import, so that importing
 * starts nothing and fails nowhere.
 *
 * @module
 */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as Native from '../index.js'
import { later } from './builtins.js'
import { AsyncFdError, ErrorCode } from './errors.js'
import { glibcVersion, type Platform, PREBUILT, platform, platformName, VERSION } from './platform.js'

export type Binding = typeof Native
export type { NativeFunctions, NativeReactor } from '../index.js'

let binding: Binding | undefined
let path = ''

/** The native binding. @throws AsyncFdError `ERR_ASYNCFD_UNSUPPORTED`, `ERR_ASYNCFD_BINDING` */
export function native(): Binding {
  return binding ?? load()
}

/** Where the binding is. @throws as {@link native} */
export function bindingPath(): string {
  native()
  return path
}

/** This file, or the bundle that it has become a part of; one in CommonJS may know its path alone. */
const here = () => (import.meta.url === undefined ? __filename : fileURLToPath(import.meta.url))

function load(): Binding {
  if (process.platform === 'win32') {
    throw new AsyncFdError(
      'asyncfd waits on Unix file descriptors; on Windows everything that needs a descriptor is unsupported',
      ErrorCode.UNSUPPORTED,
    )
  }
  const system = platform()
  const from = locate(platformName(system))
  let loaded: Binding
  try {
    const require = later.module().createRequire(here())
    path = require.resolve(from)
    loaded = require(path) as Binding
  } catch (cause) {
    throw failure(system, from, cause)
  }
  if (loaded.VERSION !== VERSION) {
    throw new AsyncFdError(
      `asyncfd ${VERSION} found a binary of version ${loaded.VERSION ?? 'unknown'} in ${from}; install asyncfd again, so that both are of one version`,
      ErrorCode.BINDING,
    )
  }
  binding = loaded
  return loaded
}

/** The binary beside this file, or the root of a checkout; else the package of the platform. The variable is that of napi-rs. */
function locate(name: string): string {
  const folder = dirname(here())
  const beside = [folder, dirname(folder)].map((place) => join(place, `asyncfd.${name}.node`))
  return process.env.NAPI_RS_NATIVE_LIBRARY_PATH ?? beside.find((path) => fs.existsSync(path)) ?? `asyncfd-${name}`
}

const BUILD =
  'clone https://github.com/asyncfd/asyncfd, run "npm ci && npm run build" there (it takes Rust and a C linker), and install that folder'

function failure(system: Platform, from: string, cause: unknown): AsyncFdError {
  const name = platformName(system)
  const { code, message } = cause as NodeJS.ErrnoException
  let text: string
  if (code === 'ERR_DLOPEN_DISABLED') {
    text =
      'this process may load no native addon, which asyncfd is: run it without --no-addons, and --permission with --allow-addons'
  } else if (code !== 'MODULE_NOT_FOUND') {
    text = `the binary of asyncfd in ${from} cannot be loaded on ${describe(system)}: ${reason(message)}. To build one for this system: ${BUILD}`
  } else if (PREBUILT.includes(name)) {
    text =
      `the package ${from}, which has the binary of asyncfd for ${describe(system)}, is not installed, or not whole. It is an optional dependency of ` +
      `asyncfd: install again, on the system that runs it and with optional dependencies (npm install --include=optional). Or ${BUILD}`
  } else {
    text = `there is no prebuilt binary of asyncfd for ${describe(system)}: no package ${from}. To build one: ${BUILD}`
  }
  return new AsyncFdError(text, ErrorCode.BINDING, { cause })
}

function describe({ os, cpu, libc }: Platform): string {
  return `${os} ${cpu}${libc === undefined ? '' : ` (${libc})`}`
}

/** What the dynamic linker says; in plain words if it is the most frequent of all. */
function reason(message: string): string {
  const glibc = /version [`'"]GLIBC_([\d.]+)['"] not found/.exec(message)?.[1]
  if (glibc === undefined) return message.trim().replace(/\.$/, '')
  return `it needs glibc ${glibc} and this system has ${glibcVersion() ?? 'an older one'}`
}
