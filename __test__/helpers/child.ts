/** How a spec starts another process of the runtime it is running on, and how long its loops are. */

/** The command and arguments that run a script here: `spawn(...runtimeCommand(script, 'x'))`. */
export function runtimeCommand(script: string, ...args: string[]): [command: string, args: string[]] {
  const deno = ['run', '-A', '--no-lock', '--cached-only', '--node-modules-dir=manual']
  return [process.execPath, [...('deno' in process.versions ? deno : []), script, ...args]]
}

/**
 * The number of rounds of a loop that only gains by being long (fuzz, stress): the suites that repeat the specs on
 * another runtime ask for fewer. `ASYNCFD_TEST_SCALE=10` makes a long night of it.
 */
export function rounds(count: number): number {
  return Math.max(1, Math.round(count * Number(process.env.ASYNCFD_TEST_SCALE ?? 1)))
}
