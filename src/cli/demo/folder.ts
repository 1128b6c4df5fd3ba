/** A folder for the time of a station; it goes even if the tour is interrupted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class TemporaryFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'asyncfd-demo-'))
  readonly #remove = () => rmSync(this.path, { recursive: true, force: true })

  constructor() {
    process.once('exit', this.#remove)
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#remove)
    this.#remove()
  }
}
