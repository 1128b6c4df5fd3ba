// Stands in for the package `epoll`: "overrides": { "epoll": "npm:asyncfd-epoll@^0.1.0" }
exports.Epoll = require('asyncfd/compat').Epoll
