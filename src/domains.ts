/**
 * Domains (node:domain), which some programs still run in.
 *
 * @module
 */

/** Makes what all have in common. A domain (node:domain) that is active meanwhile would be entered with it, whoever's turn it is. */
export function outsideDomains<T>(make: () => T): T {
  const active = process as { domain?: unknown }
  const { domain } = active
  if (domain == null) return make()
  active.domain = undefined
  try {
    return make()
  } finally {
    active.domain = domain
  }
}
