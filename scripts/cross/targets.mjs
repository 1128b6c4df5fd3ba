/** What is built and run, on what, and which tests are known to fail there for reasons that are not ours. */

/** The oldest glibc that a binary may ask for. */
export const GLIBC = '2.17'

/** The semantics, the timers, the system calls and what they stand on. */
export const SPECS = /^(?:async|reactor|time-|timers\.|sys-|interest|errors)/

/** Enough to see that a further Node loads the binding, waits and keeps time. */
export const FEW = /^(?:async-fd|async-fd-waits|reactor|timers)\.spec/

/**
 * `deb` is Debian's name of the processor, whose packages have the Rust standard library; without it the machine's own Rust builds.
 * A node is `npm`, a package of package.json here, or `deb`, Debian's own; without either it is the one that runs this.
 */
export const targets = {
  arm64: {
    triple: 'aarch64-unknown-linux-gnu',
    file: 'asyncfd.linux-arm64-gnu.node',
    machine: 'AArch64',
    deb: 'arm64',
    qemu: 'qemu-aarch64',
    nodes: [
      { npm: 'arm64-node24', specs: SPECS },
      { npm: 'arm64-node22', specs: FEW },
      { npm: 'arm64-node20', specs: FEW },
    ],
  },
  armv7: {
    triple: 'armv7-unknown-linux-gnueabihf',
    file: 'asyncfd.linux-arm-gnueabihf.node',
    machine: 'ARM',
    deb: 'armhf',
    qemu: 'qemu-arm',
    nodes: [
      { deb: true, specs: SPECS }, // with libuv in a library of its own; npm's newest, 20.11, is older than what we support
    ],
  },
  x64: {
    triple: 'x86_64-unknown-linux-gnu',
    file: 'asyncfd.linux-x64-gnu.node',
    machine: 'Advanced Micro Devices X86-64',
    nodes: [{ specs: SPECS }],
  },
}

/** Failures of the emulator. A test that passes all the same is told. */
export const EXPECTED = [
  {
    on: ['arm64', 'armv7'],
    test: "async-fd-sockets › an error alone wakes: the timestamp in a socket's error queue",
    why: 'qemu-user does not know SO_TIMESTAMPING and answers ENOPROTOOPT itself',
  },
  {
    on: ['arm64', 'armv7'],
    test: 'sys-socket › descriptors without a byte on a stream are refused, because the kernel would drop them in silence',
    why: 'qemu-user answers a recvmsg without buffers itself, with 0, and leaves the message where it is',
  },
  {
    on: ['armv7'],
    test: 'sys-socket › descriptors that nobody asked for are closed, not leaked',
    why: 'qemu-user asks the kernel with more room than it was given, drops the descriptors that do not fit and forgets MSG_CTRUNC',
  },
]
