/**
 * Modules of Node's that are loaded when somebody needs them. The others are imported as usual: scripts/bundle.mjs makes those imports cheap.
 *
 * @module
 */
export const later = {
  module: () => process.getBuiltinModule('node:module'),
  net: () => process.getBuiltinModule('node:net'),
  performance: () => process.getBuiltinModule('node:perf_hooks').performance,
  stream: () => process.getBuiltinModule('node:stream'),
}
