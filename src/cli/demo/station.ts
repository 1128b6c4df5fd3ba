/** What one stop of the tour is, and what it may tell while it goes on. */
import type { AsyncFdReadyGuard } from '../../index.js'

export interface Progress {
  /** Shows which descriptor is awaited. */
  watch(fd: number): void
  /** Counts a guard: a wait that has ended. */
  woke(guard: AsyncFdReadyGuard<unknown>): void
  /** Shows what was just seen. */
  say(text: string): void
  /** Shows what is still changing, where it can be shown in place. */
  show(text: string): void
}

export interface Station {
  name: string
  /** Resolves with what was seen and checked; rejects if anything of it was wrong. `signal` ends every wait of it. */
  tour(progress: Progress, signal: AbortSignal): Promise<string>
}

/** Throws unless what was seen is what was expected. */
export function check(ok: boolean, wrong: string): void {
  if (!ok) throw new Error(wrong)
}
