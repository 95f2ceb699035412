/** The contract between the block loop of a worker and the scanners it runs. */

/**
 * One block of memory, borrowed for the duration of a `scan` call. `bytes` is one contiguous stretch of guest physical
 * memory: the block itself between `ownedStart` and `ownedEnd` (offsets), some bytes before it to look back at, and
 * enough bytes behind it to finish a match that starts inside.
 */
export interface ScanWindow {
  readonly bytes: Uint8Array
  /** Guest physical address of `bytes[0]`. */
  readonly gpa: number
  /** A match is reported iff `ownedStart` ≤ its start < `ownedEnd`, so each is reported by exactly one block. */
  readonly ownedStart: number
  readonly ownedEnd: number
  /** `bytes[0]` is the first byte of a stretch: a hole, a gap or the scan's range lies before it. */
  readonly beginsStretch: boolean
  /** The last byte is the last one of its stretch. */
  readonly endsStretch: boolean
}

/** A value of a rule's metadata: an integer that a double can't hold is told as text. */
export type MetaValue = string | number | boolean

/** A YARA rule that holds. */
export interface RuleHit {
  readonly namespace: string
  readonly rule: string
  readonly tags: readonly string[]
  /** By name; where a rule has several entries of one name, all of their values in their order. */
  readonly meta: Readonly<Record<string, MetaValue | readonly MetaValue[]>>
}

/** Takes what scanners find in the current window. Offsets are relative to `window.bytes`. */
export interface MatchSink {
  /** `pattern` is the index in `CompiledScan.patterns`. */
  match(pattern: number, offset: number, length: number): void
  /** `part` is an index into `StringTables`. */
  stringMatch(part: number, offset: number, length: number): void
  /** Whether so many matches of a part lie before the window that none in it is kept: it need not be looked for. */
  isFull?(part: number): boolean
}

/** Finds matches in windows. One instance a thread, reused for every block. */
export interface Scanner extends Disposable {
  /** Reports every match that starts in the owned part, in ascending order of start within each pattern. */
  scan(window: ScanWindow, sink: MatchSink): void
}
