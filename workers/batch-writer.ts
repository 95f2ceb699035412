/** Collects what scanners find in a partition into columns, and posts them with bounded batches unread. */
import { type Gap, isLeased, type PhysicalMemory } from '../src/core/memory.js'
import type { ControlBlock } from '../src/scan/control.js'
import { MAX_DATA_BYTES } from '../src/scan/events.js'
import type { Batch, CrossingColumns, MatchColumns, ScanTask, StringColumns } from '../src/scan/messages.js'
import type { MatchSink, ScanWindow } from '../src/scan/scanner.js'
import type { CrossingSink } from './crossings.js'

const MAX_MATCHES = 8192
/** libyara's bound on the matches of a string; of a partition nobody needs more. */
const MAX_STRING_MATCHES = 1_000_000
const MAX_BYTES = 512 * 1024
/** A match waits no longer than this, and a block, before it is posted. */
const MAX_DELAY_MS = 30

/** Thrown through a scanner in the midst of a block when the scan has been cancelled. What was found is posted. */
export class CancelledError extends Error {}

/** Sends a batch to the coordinator; the buffers are transferred. */
export type PostBatch = (batch: Batch, transfer: readonly ArrayBuffer[]) => void

export interface WriterOptions {
  readonly memory: PhysicalMemory
  readonly contextBytes: number
  readonly post: PostBatch
  /** As in `WorkerContext`. */
  readonly fullParts?: Uint8Array
}

export class BatchWriter implements MatchSink, CrossingSink {
  readonly #task: ScanTask
  readonly #control: ControlBlock
  readonly #contextBytes: number
  readonly #post: PostBatch
  /** A borrowed window is wanted back: rather than wait for a reader, post one more batch. */
  readonly #hurry: () => boolean
  #window: ScanWindow | undefined
  /** Made at the first match: most partitions have none. */
  #columns: Writable<MatchColumns> | undefined
  #strings: Writable<StringColumns> | undefined
  #crossings: Writable<CrossingColumns> | undefined
  #dropped = new Set<number>()
  /** Matches of each part of a rule's string so far. */
  readonly #told = new Map<number, number>()
  /** Parts of which blocks before this one have told enough; those of which this one has. */
  readonly #full = new Set<number>()
  readonly #filled: number[] = []
  readonly #fullEverywhere: Uint8Array | undefined
  #gaps: Gap[] = []
  #scanned = 0
  #used = 0
  #resumeAt: number
  #inBlock = 0
  readonly #startedAt = performance.now()
  #flushedAt = this.#startedAt
  #skip: number

  constructor(task: ScanTask, control: ControlBlock, scan: WriterOptions) {
    this.#task = task
    this.#control = control
    this.#contextBytes = scan.contextBytes
    this.#post = scan.post
    this.#fullEverywhere = scan.fullParts
    const { memory } = scan
    this.#hurry = isLeased(memory) ? () => memory.wanted : () => false
    this.#resumeAt = task.start
    this.#skip = task.skip
  }

  /** Matches that follow are offsets into `window`. */
  enter(window: ScanWindow): void {
    this.#window = window
  }

  /** The block is whole: it and everything below `next` is told. */
  blockDone(scannedBytes: number, next: number): void {
    this.#scanned += scannedBytes
    for (const part of this.#filled.splice(0)) this.#full.add(part)
    this.#resumeAt = next
    this.#inBlock = 0
    const counts = [this.#columns, this.#strings, this.#crossings].map(columns => columns?.count ?? 0)
    const waiting = counts.some(count => count > 0) || this.#gaps.length > 0
    if (waiting && performance.now() - this.#flushedAt > MAX_DELAY_MS) this.flush(false)
  }

  /** Bytes that can't be scanned; a gap that touches the last one of its kind extends it. */
  gap(gap: Gap): void {
    const before = this.#gaps.at(-1)
    if (before !== undefined && before.reason === gap.reason && before.gpa + before.length === gap.gpa)
      this.#gaps[this.#gaps.length - 1] = { ...before, length: before.length + gap.length }
    else this.#gaps.push(gap)
    this.#resumeAt = gap.gpa + gap.length
    this.#inBlock = 0
    if (this.#gaps.length >= MAX_MATCHES) this.flush(false)
  }

  /** Counts a match of this block; true for those that an earlier attempt has told. */
  #isTold(): boolean {
    this.#inBlock++
    if (this.#skip === 0) return false
    this.#skip--
    return true
  }

  /** A string of a rule: its bytes are read again, if it is ever told. At most `MAX_STRING_MATCHES` a part and partition. */
  stringMatch(part: number, offset: number, length: number): void {
    if (this.#isTold()) return
    const told = this.#told.get(part) ?? 0
    if (told > MAX_STRING_MATCHES) {
      this.#dropped.add(part)
      return
    }
    this.#told.set(part, told + 1)
    if (told === MAX_STRING_MATCHES) this.#filled.push(part)
    this.#strings ??= newStrings(MAX_MATCHES)
    const strings = this.#strings
    const at = strings.count++
    strings.part[at] = part
    strings.gpa[at] = (this.#window as ScanWindow).gpa + offset
    strings.length[at] = length
    if (strings.count === MAX_MATCHES) this.flush(false)
  }

  isFull(part: number): boolean {
    return this.#full.has(part) || this.#fullEverywhere?.[part] === 1
  }

  crossing(part: number, address: number, length: number, order: number): void {
    if (this.#isTold()) return
    this.#crossings ??= newCrossings(MAX_MATCHES)
    const crossings = this.#crossings
    const at = crossings.count++
    crossings.part[at] = part
    crossings.address[at] = address
    crossings.length[at] = length
    crossings.order[at] = order
    if (crossings.count === MAX_MATCHES) this.flush(false)
  }

  drop(part: number): void {
    this.#dropped.add(part)
  }

  get cancelled(): boolean {
    return this.#control.cancelled
  }

  match(pattern: number, offset: number, length: number): void {
    if (this.#isTold()) return
    const window = this.#window as ScanWindow
    this.#columns ??= newColumns(MAX_MATCHES)
    const columns = this.#columns
    const at = columns.count++
    columns.pattern[at] = pattern
    columns.gpa[at] = window.gpa + offset
    columns.length[at] = length
    const kept = Math.min(length, MAX_DATA_BYTES)
    this.#keep(columns, window.bytes, offset, offset + kept)
    columns.dataEnd[at] = this.#used
    if (this.#contextBytes > 0) {
      this.#keep(columns, window.bytes, Math.max(0, offset - this.#contextBytes), offset + kept)
      const end = offset + length
      this.#keep(columns, window.bytes, end, Math.min(window.bytes.length, end + this.#contextBytes))
    }
    columns.contextEnd[at] = this.#used
    if (columns.count === MAX_MATCHES || this.#used >= MAX_BYTES) this.flush(false)
  }

  #keep(columns: Writable<MatchColumns>, bytes: Uint8Array, from: number, to: number): void {
    const length = to - from
    if (this.#used + length > columns.bytes.length) {
      const larger = new Uint8Array(Math.max(columns.bytes.length * 2, this.#used + length))
      larger.set(columns.bytes)
      columns.bytes = larger
    }
    // a loop beats set(subarray()) for the few bytes of a match
    for (let i = 0; i < length; i++) columns.bytes[this.#used + i] = bytes[from + i] as number
    this.#used += length
  }

  /** Posts what there is. `last` closes the partition. Waits while too many batches are unread, unless cancelled. */
  flush(last: boolean): void {
    const wanted = this.#control.acquire(this.#task.slot, this.#hurry)
    const all = this.#columns ?? newColumns(0)
    const columns: MatchColumns = { ...filled(all), bytes: all.bytes.slice(0, this.#used) }
    const strings = this.#strings && filled(this.#strings)
    const crossings = this.#crossings && filled(this.#crossings)
    const batch: Batch = {
      partition: this.#task.partition,
      attempt: this.#task.attempt,
      slot: this.#task.slot,
      columns,
      ...(strings && { strings }),
      ...(crossings && { crossings }),
      ...(this.#dropped.size > 0 && { dropped: [...this.#dropped] }),
      gaps: this.#gaps,
      scannedBytes: this.#scanned,
      resumeAt: this.#resumeAt,
      resumeSkip: this.#inBlock,
      milliseconds: performance.now() - this.#startedAt,
      last: last || !wanted,
    }
    this.#post(batch, [columns, strings, crossings].flatMap(buffersOf))
    if (this.#strings !== undefined) this.#strings.count = 0
    if (this.#crossings !== undefined) this.#crossings.count = 0
    this.#dropped = new Set()
    if (this.#columns !== undefined) this.#columns.count = 0
    this.#used = 0
    this.#gaps = []
    this.#scanned = 0
    this.#flushedAt = performance.now()
    if (!wanted && !last) throw new CancelledError()
  }
}

function newStrings(matches: number): Writable<StringColumns> {
  return {
    count: 0,
    part: new Uint32Array(matches),
    gpa: new Float64Array(matches),
    length: new Uint32Array(matches),
  }
}

function newCrossings(matches: number): Writable<CrossingColumns> {
  return {
    count: 0,
    part: new Uint32Array(matches),
    address: new Float64Array(matches),
    length: new Uint32Array(matches),
    order: new Uint32Array(matches),
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

function newColumns(matches: number): Writable<MatchColumns> {
  return {
    count: 0,
    pattern: new Uint32Array(matches),
    gpa: new Float64Array(matches),
    length: new Uint32Array(matches),
    dataEnd: new Uint32Array(matches),
    contextEnd: new Uint32Array(matches),
    bytes: new Uint8Array(matches * 8),
  }
}

/** Columns cut to the entries that are in use. */
function filled<T extends { readonly count: number }>(columns: T): T {
  const entries: [string, unknown][] = Object.entries(columns)
  const cut = entries.map(([name, column]) => [
    name,
    ArrayBuffer.isView(column) ? (column as Uint8Array).slice(0, columns.count) : column,
  ])
  return Object.fromEntries(cut) as T
}

function buffersOf(columns: object | undefined): ArrayBuffer[] {
  return Object.values(columns ?? {})
    .filter(column => ArrayBuffer.isView(column))
    .map(({ buffer }) => buffer as ArrayBuffer)
}
