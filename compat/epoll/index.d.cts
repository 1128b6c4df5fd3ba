export { Epoll } from '../../dist/compat/index.js'
