/**
 * What a person sees of the tour. On a terminal that is wide and high enough, a table that is redrawn in place; elsewhere one
 * line for each thing that is seen.
 */
import { reactor } from '../../index.js'
import type { Progress } from './station.js'

export interface Row extends Progress {
  done(text: string): void
  failed(error: unknown): void
  unavailable(text: string): void
}

export interface Report {
  rows: Row[]
  /** Shows the final state. */
  end(): void
  counts(): { shown: number; failed: number; unavailable: number }
}

type State = 'waiting' | 'done' | 'failed' | 'unavailable'

interface Cells {
  name: string
  state: State
  fd: number | undefined
  guards: number
  text: string
  /** When it last changed, to make what is new stand out. */
  changed_ms: number
}

interface View {
  changed(cells: Cells): void
  end(): void
}

const MARKS: Record<State, string> = { waiting: '●', done: '✓', failed: '✗', unavailable: '-' }
const COLOURS: Record<State, number> = { waiting: 33, done: 32, failed: 31, unavailable: 2 }
const FLASH_MS = 250
const FRAME_MS = 50
const NAME_WIDTH = 16

const { bun, deno, node } = process.versions
const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`
const title = `asyncfd on ${runtime}, ${process.platform}-${process.arch}: all of these are awaited at the same time`

export function createReport(names: string[]): Report {
  const table = names.map((name): Cells => ({ name, state: 'waiting', fd: undefined, guards: 0, text: '', changed_ms: 0 }))
  const { isTTY, columns = 80, rows = 24 } = process.stdout
  const live = isTTY && process.env.TERM !== 'dumb' && columns >= 40 && rows > names.length + 6
  const view = live ? liveTable(table) : plainLines()
  const set = (cells: Cells, change: Partial<Cells>) =>
    view.changed(Object.assign(cells, change, { changed_ms: performance.now() }))
  return {
    rows: table.map((cells) => ({
      watch: (fd) => void Object.assign(cells, { fd }),
      woke: () => void Object.assign(cells, { guards: cells.guards + 1 }),
      say: (text) => set(cells, { text }),
      show: (text) => void Object.assign(cells, { text, changed_ms: performance.now() }),
      done: (text) => set(cells, { state: 'done', text }),
      failed: (error) => set(cells, { state: 'failed', text: error instanceof Error ? error.message : String(error) }),
      unavailable: (text) => set(cells, { state: 'unavailable', text }),
    })),
    end: () => view.end(),
    counts: () => ({
      shown: table.filter(({ state }) => state === 'done').length,
      failed: table.filter(({ state }) => state === 'failed' || state === 'waiting').length,
      unavailable: table.filter(({ state }) => state === 'unavailable').length,
    }),
  }
}

/** Control characters, as programs on a terminal write them, would spoil the report. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}

function plainLines(): View {
  const started = performance.now()
  console.log(title)
  return {
    changed({ name, state, text }) {
      const time = ((performance.now() - started) / 1000).toFixed(2).padStart(5)
      console.log(`${time} s  ${MARKS[state]} ${name.padEnd(NAME_WIDTH)} ${printable(text)}`)
    },
    end() {},
  }
}

function liveTable(table: Cells[]): View {
  const { stdout } = process
  const started = performance.now()
  const colour = process.env.NO_COLOR === undefined || process.env.NO_COLOR === ''
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  let drawn = 0

  const cut = (text: string, width: number) => (text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`)

  const lineOf = ({ name, state, fd, guards, text, changed_ms }: Cells, width: number, now: number) => {
    const numbers = width < 70 ? '' : `${String(fd ?? '').padStart(3)} ${String(guards).padStart(7)}  `
    const said = cut(printable(text), width - numbers.length - NAME_WIDTH - 5)
    const fresh = state === 'waiting' && now - changed_ms < FLASH_MS
    return `  ${paint(COLOURS[state], MARKS[state])} ${name.padEnd(NAME_WIDTH)} ${paint(2, numbers)}${fresh ? paint(1, said) : state === 'waiting' ? paint(2, said) : said}`
  }

  const draw = () => {
    const width = stdout.columns || 80
    const now = performance.now()
    const { wakeups, turns, refs } = reactor.metrics()
    const heading = width < 70 ? '' : `    ${''.padEnd(NAME_WIDTH)} ${'fd'.padStart(3)} ${'guards'.padStart(7)}  seen`
    const foot = `  ${((now - started) / 1000).toFixed(1)} s · ${refs} awaited now · ${wakeups} wake-ups · ${turns} turns`
    const lines = [
      '',
      paint(1, cut(`  ${title}`, width - 1)),
      paint(2, cut(heading, width - 1)),
      ...table.map((cells) => lineOf(cells, width, now)),
      '',
      paint(2, cut(foot, width - 1)),
    ]
    const up = drawn > 0 ? `\x1b[${drawn}A` : ''
    drawn = lines.length
    stdout.write(`${up}${lines.map((line) => `\r${line}\x1b[K\n`).join('')}`)
  }

  /** A terminal that changes its width wraps what was drawn, so that nobody knows where it is. */
  const redraw = () => {
    stdout.write('\x1b[2J\x1b[H')
    drawn = 0
    draw()
  }
  const showCursor = () => stdout.write('\x1b[?25h')
  const interrupted = () => {
    showCursor()
    process.exit(130)
  }

  stdout.write('\x1b[?25l')
  stdout.on('resize', redraw)
  process.once('exit', showCursor).once('SIGINT', interrupted)
  draw()
  const frames = setInterval(draw, FRAME_MS)
  return {
    changed() {},
    end() {
      clearInterval(frames)
      stdout.off('resize', redraw)
      process.off('exit', showCursor).off('SIGINT', interrupted)
      draw()
      stdout.write('\n')
      showCursor()
    },
  }
}
