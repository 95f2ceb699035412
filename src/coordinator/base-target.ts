/** What all targets have in common: facts, a reader for this thread, and staying open while somebody holds them. */
import { VmsiftError } from '../core/errors.js'
import type { MemoryRun, PhysicalMemory } from '../core/memory.js'
import { totalBytes } from '../core/runs.js'
import { openMemory } from '../drivers/open.js'
import type { DriverSpec } from '../drivers/spec.js'
import type { Architecture, ImageNotes } from '../formats/image.js'
import type { Target, TargetFormat } from './target.js'

export interface TargetFacts {
  readonly path: string
  readonly format: TargetFormat
  readonly live: boolean
  readonly writable: boolean
  readonly architecture: Architecture | undefined
  readonly space: 'physical' | 'virtual'
  readonly notes: ImageNotes
  readonly warnings: readonly string[]
  readonly driver: DriverSpec
  /** Called once, when nobody holds the target any more. */
  readonly close: () => void
}

export abstract class BaseTarget implements Target {
  readonly path: string
  readonly format: TargetFormat
  readonly live: boolean
  readonly writable: boolean
  readonly architecture: Architecture | undefined
  readonly space: 'physical' | 'virtual'
  readonly runs: readonly MemoryRun[]
  readonly bytes: number
  readonly maxAddress: number
  readonly notes: ImageNotes
  readonly warnings: readonly string[]
  readonly driver: DriverSpec
  readonly #close: () => void
  #memory: PhysicalMemory | undefined
  #open = true
  /** The target itself, while it is open, and every scan that runs. */
  #holders = 1

  constructor(facts: TargetFacts) {
    const { runs } = facts.driver
    this.path = facts.path
    this.format = facts.format
    this.live = facts.live
    this.writable = facts.writable
    this.architecture = facts.architecture
    this.space = facts.space
    this.runs = facts.space === 'virtual' ? [] : runs
    this.bytes = totalBytes(runs)
    const last = this.runs.at(-1)
    this.maxAddress = last === undefined ? 0 : last.gpa + last.length - 1
    this.notes = facts.notes
    this.warnings = facts.warnings
    this.driver = facts.driver
    this.#close = facts.close
  }

  abstract identity(salt: readonly string[]): string | undefined

  get memory(): PhysicalMemory {
    this.checkOpen()
    // this thread copies: a view could die under its reader while the event loop is elsewhere
    this.#memory ??= openMemory({ ...this.driver, map: false })
    return this.#memory
  }

  hold(): Disposable {
    this.checkOpen()
    this.#holders++
    let held = true
    return {
      [Symbol.dispose]: () => {
        if (held) this.#letGo()
        held = false
      },
    }
  }

  /** @throws VmsiftError `bad-argument` when the target is closed. */
  protected checkOpen(): void {
    if (!this.#open) throw new VmsiftError('bad-argument', `target is closed: ${this.path}`)
  }

  #letGo(): void {
    this.#holders--
    if (this.#holders === 0) this.#close()
  }

  [Symbol.dispose](): void {
    if (!this.#open) return
    this.#open = false
    this.#memory?.[Symbol.dispose]()
    this.#letGo()
  }
}
