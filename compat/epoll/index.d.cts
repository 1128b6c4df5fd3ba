export { Epoll } from 'asyncfd/compat'
