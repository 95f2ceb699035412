/** What of memory was scanned and what was not, to the byte; gaps and what was given up are told as they become known. */
import { hex } from '../core/address.js'
import type { ErrorRecord } from '../core/errors.js'
import { unfoldAddress } from '../core/folded-address.js'
import { EXPECTED_GAPS, type Gap, type MemoryRun } from '../core/memory.js'
import { clipRuns, totalBytes } from '../core/runs.js'
import type { GapEvent, ScanEvent, SummaryEvent } from '../scan/events.js'
import type { Batch } from '../scan/messages.js'
import type { Partition } from '../scan/plan.js'
import { ATTEMPTS } from './flights.js'
import { GapJoiner } from './gap-joiner.js'
import type { RuleSide } from './rules/rule-side.js'
import type { SpaceView } from './space-view.js'

/** What the scan is of, as far as it is known yet. */
export interface Covered {
  readonly runs: readonly MemoryRun[]
  readonly virtual: SpaceView['virtual']
  readonly rules: RuleSide | undefined
}

export class Coverage {
  readonly #folded: boolean
  readonly #covered: () => Covered
  readonly #tell: (events: Iterable<ScanEvent>) => void
  readonly #gaps = new GapJoiner()
  #scanned = 0
  #unread = 0
  #failed = 0

  /** `folded`: addresses are folded virtual ones. */
  constructor(folded: boolean, covered: () => Covered, tell: (events: Iterable<ScanEvent>) => void) {
    this.#folded = folded
    this.#covered = covered
    this.#tell = tell
  }

  /** As the summary tells it. */
  get bytes(): Pick<SummaryEvent, 'bytesScanned' | 'bytesUnread' | 'bytesFailed'> {
    return { bytesScanned: this.#scanned, bytesUnread: this.#unread, bytesFailed: this.#failed }
  }

  /** Takes in what a batch covers of its partition. */
  count(batch: Batch, partition: Partition | undefined): void {
    const { virtual } = this.#covered()
    if (virtual === undefined || partition === undefined) {
      this.#scanned += batch.scannedBytes
      this.#countGaps(batch.gaps)
      return
    }
    const gaps = virtual.clip(partition, batch.gaps)
    this.#scanned += virtual.advance(partition, batch.resumeAt) - totalBytes(gaps)
    this.#countGaps(gaps)
  }

  /** A gap that is told otherwise: what spaces map and nobody has. */
  countAbsent({ length, reason }: Pick<GapEvent, 'length' | 'reason'>): void {
    this.#unread += length
    if (reason === 'unreadable') this.#failed += length
  }

  /** From an address on, the partition is a gap, and an error tells why. */
  giveUp(partition: Partition, from: number, error: ErrorRecord): void {
    const { end } = partition
    const { virtual, runs, rules } = this.#covered()
    if (virtual !== undefined && partition.area !== undefined) {
      this.#giveUpSpaces(partition, error)
      return
    }
    const lost = clipRuns(runs, from, end).map((run): Gap => ({ ...run, reason: 'error' }))
    this.#countGaps(virtual === undefined ? lost : virtual.clip(partition, lost))
    virtual?.lose(from, end)
    rules?.lose(lost)
    if (virtual?.isSwapped(from) === true) {
      this.#tellError(error, 'pages held compressed were')
      return
    }
    const at = (address: number): string => hex(this.#folded ? unfoldAddress(address) : address)
    const range = this.#folded ? undefined : { gpa: from, length: end - from }
    this.#tellError(error, `${at(from)}-${at(end)} was`, range)
  }

  /** The frames were scanned, but what needs virtual order was not: it counts as failed, though every frame was read. */
  #giveUpSpaces({ area, bytes }: Partition, error: ErrorRecord): void {
    const lost = Math.min(bytes, this.#scanned)
    this.#scanned -= lost
    this.#unread += lost
    this.#failed += lost
    const what = area === 'joints' ? 'matches across joints of pages' : 'YARA strings across joints of pages'
    this.#tellError(error, `${what}: part was`)
  }

  #tellError(error: ErrorRecord, what: string, range: MemoryRun = { gpa: 0, length: 0 }): void {
    const message = `${what} given up after ${ATTEMPTS} attempts: ${error.message}`
    this.#tell([{ type: 'error', ...range, error: { ...error, message } }])
  }

  #countGaps(gaps: readonly Gap[]): void {
    for (const gap of gaps) {
      this.#unread += gap.length
      if (!EXPECTED_GAPS.has(gap.reason)) this.#failed += gap.length
    }
    const ready = this.#gaps.add(gaps)
    if (ready.length > 0) this.#tell(this.#gapEvents(ready))
  }

  /** The gaps that are left to tell. */
  rest(): Iterable<GapEvent> {
    return this.#gapEvents(this.#gaps.drain())
  }

  /** Pages that were brought back from swap have no address of their own: such a gap is told where it lies in processes. */
  *#gapEvents(gaps: readonly Gap[]): Generator<GapEvent> {
    const { virtual } = this.#covered()
    for (const gap of gaps) {
      if (virtual?.isSwapped(gap.gpa) === true) yield* virtual.gapsInSwap(gap)
      else if (this.#folded)
        yield { type: 'gap', pid: 0, va: unfoldAddress(gap.gpa), length: gap.length, reason: gap.reason }
      else yield { type: 'gap', ...gap }
    }
  }
}
