// Stands in for `@serialport/bindings-cpp`, and is that package, under another name, but for its Poller:
// "overrides": { "@serialport/bindings-cpp": "npm:asyncfd-serialport-bindings@^0.1.0" }
require('serialport-bindings-cpp/dist/poller').Poller = require('asyncfd/compat').Poller
module.exports = require('serialport-bindings-cpp')
