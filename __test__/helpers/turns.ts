/** The event loop, as tests wait for it. */

/** Some turns of the event loop: what lies in the kernel is handled, and what follows from that. */
export async function turns(count = 4): Promise<void> {
  // Sockets of Deno's live on another thread, and take their time.
  const next = 'deno' in process.versions ? (resolve: () => void) => setTimeout(resolve, 1) : setImmediate
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => next(resolve))
}
