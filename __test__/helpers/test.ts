/**
 * What every spec imports instead of ava. On Node it is ava. Bun and Deno cannot run ava: there it is the part of ava's
 * API that our specs use, on node:assert (./portable.ts). A spec that works there says so near its top:
 *
 *   // Portable: bun, deno
 */
import type { TestFn } from 'ava'

export type { ExecutionContext, TestFn } from 'ava'

const portable = 'bun' in process.versions || 'deno' in process.versions || process.env.ASYNCFD_TEST_HARNESS === 'portable'

const test: TestFn = portable ? (await import('./portable.js')).test : (await import('ava')).default

export default test
