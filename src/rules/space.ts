/** What a condition asks about the space it is evaluated in: an image, the kernel, or a process. */

/**
 * Offsets are bigints, and unsigned: of an image the guest physical address minus the image's lowest, of a process or
 * the kernel the virtual address. A condition sees them as YARA's signed 64 bits: an address of the kernel's half is
 * negative there.
 */
export type Offset = bigint

/**
 * The matches of one string, by ascending offset, one a place at most. Whatever holds the columns implements this;
 * `MatchColumns` is one way.
 */
export interface StringMatches {
  readonly count: number
  /** 0 ≤ index < count. */
  offsetAt(index: number): Offset
  lengthAt(index: number): number
  /** Index of the first match at `offset` or behind it; `count` when there is none. */
  firstFrom(offset: Offset): number
}

/** One space, searched. */
export interface RuleSpace {
  /** From the lowest to the highest address; undefined in processes and in the kernel. */
  readonly filesize: bigint | undefined
  /** The matches of a string, by its id; undefined where it has none. */
  matches(stringId: number): StringMatches | undefined
  /**
   * The bytes from `offset` on, at most `length` (up to 64 KiB are asked for): fewer where a hole, a gap or the end comes
   * before, none where nothing can be read. They are used before the next call.
   */
  read(offset: Offset, length: number): Uint8Array
}

/** The rules that hold in a space, in the order of their text; private ones and those a global rule holds back are left out. */
export interface RuleOutcome {
  /** Indices into `RuleSet.rules`. */
  readonly holding: readonly number[]
  /** Rules whose conditions took more steps than they may: they count as not holding. */
  readonly exhausted: readonly number[]
}
