/**
 * How long the match at a start is. Each start runs the automaton of its pattern forwards; over `aaaa...` every start
 * of `a+` would run to the same end, which is quadratic. So one run is kept: its state at every position. As soon as
 * another run is in the same state at the same position, the rest is known, and only what the limit allows beyond it
 * is still to be run.
 */
import { type DfaLimits, EMPTY_ROW, UNKNOWN } from '../src/patterns/lazy-dfa.js'
import { MatchAutomaton } from '../src/patterns/match-automaton.js'
import type { CompiledPattern } from '../src/scan/compiled-scan.js'
import type { ScanWindow } from '../src/scan/scanner.js'

/** Room for the states of two runs, shared by the meters of a thread: they work one after the other. */
export class RunRings {
  kept: Int32Array
  fresh: Int32Array
  readonly mask: number

  constructor(maxMatchBytes: number) {
    const length = 2 ** Math.ceil(Math.log2(maxMatchBytes + 2))
    this.kept = new Int32Array(length)
    this.fresh = new Int32Array(length)
    this.mask = length - 1
  }
}

/** Measures the matches of one pattern. */
export class MatchMeter {
  readonly #automaton: MatchAutomaton
  readonly #maxBytes: number
  readonly #lazy: boolean
  readonly #rings: RunRings
  #bytes: Uint8Array = new Uint8Array(0)
  #beginsStretch = false
  /** From here on a byte's class may depend on more than its value. */
  #edge = 0
  /** The position that the kept run has reached; negative when there is none. Its state there is in the ring. */
  #keptEnd = -1
  /** Where the kept run accepted last. */
  #keptLast = -1
  /** The kept run ended by accepting, as shortest matches do. */
  #keptDone = false
  #epoch = 0

  constructor(pattern: CompiledPattern, rings: RunRings, limits?: DfaLimits) {
    this.#automaton = new MatchAutomaton(pattern.node, limits)
    this.#maxBytes = pattern.maxBytes
    this.#lazy = pattern.lazy
    this.#rings = rings
  }

  /** Turns to a window. Until the next call `lengthAt` is about its bytes. */
  begin(window: ScanWindow): void {
    this.#bytes = window.bytes
    this.#beginsStretch = window.beginsStretch
    const watchesEdge = this.#automaton.looksAround && window.endsStretch
    this.#edge = watchesEdge ? Math.max(0, window.bytes.length - 1) : window.bytes.length
    this.#keptEnd = -1
  }

  /** Length of the match at `start`, or 0 when there is none. Starts must come in ascending order. */
  lengthAt(start: number): number {
    const automaton = this.#automaton
    const { dfa, classOf } = automaton
    const { mask } = this.#rings
    const bytes = this.#bytes
    const limit = Math.min(start + this.#maxBytes, bytes.length)
    let row = automaton.startRow(
      start > 0 ? (bytes[start - 1] ?? 0) : this.#beginsStretch || !automaton.looksAround ? -1 : 0,
    )
    if (this.#epoch !== dfa.epoch) this.#keptEnd = -1
    const epoch = dfa.epoch
    this.#epoch = epoch
    const { kept, fresh } = this.#rings
    let joinEnd = this.#keptDone ? this.#keptEnd - 1 : this.#keptEnd
    let { table } = dfa
    let last = -1
    let at = start
    while (at <= limit && row !== EMPTY_ROW) {
      if (at <= joinEnd && kept[at & mask] === row) return this.#join(start, at, last, limit)
      fresh[at & mask] = row
      const byteClass = at < this.#edge ? (classOf[bytes[at] ?? 0] ?? 0) : this.#classAt(at)
      let entry = table[row + byteClass] ?? 0
      if (entry === UNKNOWN) {
        entry = dfa.fill(row, byteClass)
        table = dfa.table
        if (epoch !== dfa.epoch) joinEnd = -1
      }
      if (entry < 0) {
        last = at
        row = ~entry
        at++
        if (this.#lazy) break
      } else {
        row = entry
        at++
      }
    }
    if (epoch !== dfa.epoch) this.#keptEnd = -1
    else if (at > this.#keptEnd) this.#keep(at, row, last)
    return last < 0 ? 0 : last - start
  }

  /** The run just made is the longest: keep it in place of the older one. */
  #keep(end: number, row: number, last: number): void {
    const rings = this.#rings
    rings.fresh[end & rings.mask] = row
    const { kept } = rings
    rings.kept = rings.fresh
    rings.fresh = kept
    this.#keptEnd = end
    this.#keptLast = last
    this.#keptDone = this.#lazy && last >= 0
  }

  /** The run that began at `start` is at `joined` where the kept run was: from there on they are one. */
  #join(start: number, joined: number, last: number, limit: number): number {
    if (!this.#keptDone) this.#extend(limit)
    const end = this.#keptLast >= joined ? this.#keptLast : last
    return end < 0 ? 0 : end - start
  }

  /** Runs the kept run on, up to `limit`. */
  #extend(limit: number): void {
    const { dfa, classOf } = this.#automaton
    const { kept, mask } = this.#rings
    const bytes = this.#bytes
    let at = this.#keptEnd
    let row = kept[at & mask] ?? 0
    while (at <= limit && row !== EMPTY_ROW) {
      const byteClass = at < this.#edge ? (classOf[bytes[at] ?? 0] ?? 0) : this.#classAt(at)
      let entry = dfa.table[row + byteClass] ?? 0
      if (entry === UNKNOWN) entry = dfa.fill(row, byteClass)
      if (entry < 0) {
        this.#keptLast = at
        row = ~entry
      } else row = entry
      at++
      kept[at & mask] = row
      if (entry < 0 && this.#lazy) {
        this.#keptDone = true
        break
      }
    }
    this.#keptEnd = this.#epoch === dfa.epoch ? at : -1
  }

  /** Class of what stands at the last byte or behind it. */
  #classAt(at: number): number {
    if (at >= this.#bytes.length) return this.#automaton.endClass
    const byte = this.#bytes[at] ?? 0
    const isLast = at === this.#bytes.length - 1
    return isLast && byte === 0x0a ? this.#automaton.finalNewlineClass : (this.#automaton.classOf[byte] ?? 0)
  }
}
