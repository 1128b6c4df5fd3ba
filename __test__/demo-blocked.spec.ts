/**
 * The demo of the blocked event loop shows what it says: that ours blames nobody who has answered.
 */
import { blockedLoop } from '../examples/demo/blocked.js'
import test from './helpers/test.js'

test('a blocked event loop is not held against the peer that answered, and the silent one is blamed all the same', async (t) => {
  const { node, asyncfd, answered_ms } = await blockedLoop()
  t.is(asyncfd.answered.verdict, 'answer read')
  t.is(asyncfd.silent.verdict, 'peer blamed')
  t.is(node.answered.verdict, 'peer blamed', 'socket.setTimeout learnt to look: the demo, and the README, show nothing any more')
  t.true(answered_ms < asyncfd.answered.ms, 'the peer did not answer while the loop was blocked')
})
