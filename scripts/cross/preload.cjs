/** Loaded first into every Node under the emulator: what it starts as `process.execPath` must be emulated too. */
process.execPath = process.env.ASYNCFD_CROSS_NODE
