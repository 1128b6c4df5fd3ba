export default {
  files: ['build/__test__/**/*.spec.js'],
  workerThreads: false, // processes: a crash or a leak of one spec stays with it
  concurrency: 2,
  timeout: '2m',
}
