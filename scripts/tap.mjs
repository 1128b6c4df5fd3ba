/** Reads TAP as ava and our portable harness write it: counts, and the failures in full. */
export function tapReader(onFailure = () => {}) {
  let open // the failure whose details are being read
  const reader = {
    passed: 0,
    failed: 0,
    skipped: 0,
    complete: false, // the closing counts were seen: the run was not cut short
    /** @param {string} line */
    line(line) {
      const match = /^(not )?ok\b(?: \d+)?(?: - (.*))?$/.exec(line)
      if (match) {
        reader.flush()
        if (/# (skip|todo)\b/i.test(line)) reader.skipped++
        else if (match[1]) {
          reader.failed++
          open = [match[2] ?? 'unnamed test']
        } else reader.passed++
      } else if (/^# fail \d+/.test(line)) {
        reader.flush()
        reader.complete = true
      } else if (open && /^(\s|#)/.test(line)) {
        open.push(line)
        if (line === '  ...') reader.flush()
      }
    },
    flush() {
      if (open) onFailure(open.filter((line) => !/^\s*(---|\.\.\.)$/.test(line)).join('\n'))
      open = undefined
    },
  }
  return reader
}
