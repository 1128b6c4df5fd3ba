/**
 * Modules of Node's by another way than `import`, which reads every property of theirs: behind some is half of Node (the streams behind
 * `fs.ReadStream`, MIME types behind `util`), so that importing asyncfd would take twice as long.
 *
 * @module
 */
export const fs = process.getBuiltinModule('node:fs')
export const util = process.getBuiltinModule('node:util')

/** These are not even loaded before somebody needs them. */
export const later = {
  module: () => process.getBuiltinModule('node:module'),
  net: () => process.getBuiltinModule('node:net'),
  performance: () => process.getBuiltinModule('node:perf_hooks').performance,
  stream: () => process.getBuiltinModule('node:stream'),
}
