// Stands in for the package `epoll`: "overrides": { "epoll": "file:node_modules/asyncfd/compat/epoll" }
exports.Epoll = require('../../dist/compat/index.js').Epoll
