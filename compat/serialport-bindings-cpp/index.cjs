// Stands in for `@serialport/bindings-cpp`. It is that package, which the project has under another name, but for its Poller:
// "dependencies": { "serialport-bindings-cpp": "npm:@serialport/bindings-cpp@^13.0.0" }
// "overrides": { "@serialport/bindings-cpp": "file:node_modules/asyncfd/compat/serialport-bindings-cpp" }
require('serialport-bindings-cpp/dist/poller').Poller = require('../../dist/compat/index.js').Poller
module.exports = require('serialport-bindings-cpp')
