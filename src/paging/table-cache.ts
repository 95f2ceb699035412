/** Copies of page tables, so that a walk reads words of one typed array: a window dies at the driver's next call. */
import type { GapReason, MemoryRun, PhysicalMemory } from '../core/memory.js'
import { findRun } from '../core/runs.js'

/** Tables are kept in pieces of this size, whatever the granule. */
export const PIECE_BYTES = 4096
const PIECE_WORDS = PIECE_BYTES / 4
const FIRST_PIECES = 8
const EMPTY = -1

/** Result of `find`. */
export const TABLE_IS_NO_MEMORY = -1
/** Result of `find`; `gap` tells why. */
export const TABLE_IS_UNREADABLE = -2

/** Pieces kept at most by default: 16 MiB, tables of 8 GiB in 4 KiB pages. */
export const DEFAULT_TABLE_PIECES = 4096

/** Bounded: when it is full, it starts anew. One instance a thread; it does not see what a live guest changes until `clear`. */
export class TableCache {
  /** Words of every piece; `find` gives indices into it. It is replaced as it grows: read it anew after each `find`. */
  words: Int32Array
  /** Counts how often everything was forgotten: indices from before are void. */
  generation = 0
  /** Pieces read from memory so far. */
  reads = 0
  /** After TABLE_IS_UNREADABLE: why. */
  gap: GapReason = 'unreadable'
  readonly memory: PhysicalMemory
  /** The run that was found last: most of what is asked for lies in one. */
  runStart = 0
  runEnd = 0
  readonly #limit: number
  #used = 0
  /** Open addressing: piece number (gpa / 4096) and its index in `words`. */
  #keys: Float64Array
  #slots: Int32Array
  #mask: number

  constructor(memory: PhysicalMemory, limit = DEFAULT_TABLE_PIECES) {
    this.memory = memory
    this.#limit = Math.max(16, limit)
    const capacity = Math.min(FIRST_PIECES, this.#limit)
    this.words = new Int32Array(capacity * PIECE_WORDS)
    this.#mask = 0
    this.#keys = new Float64Array(0)
    this.#slots = new Int32Array(0)
    this.#rehash(capacity)
  }

  /** Index in `words` of the entry at `gpa` (aligned to its size), or one of the negative results. */
  find(gpa: number): number {
    const piece = Math.floor(gpa / PIECE_BYTES)
    let at = piece & this.#mask
    // ends: at most half of the places are taken
    while (true) {
      const key = this.#keys[at]
      if (key === piece) return (this.#slots[at] as number) + ((gpa & (PIECE_BYTES - 1)) >> 2)
      if (key === EMPTY) break
      at = (at + 1) & this.#mask
    }
    const slot = this.#load(piece)
    return slot < 0 ? slot : slot + ((gpa & (PIECE_BYTES - 1)) >> 2)
  }

  /** Whether a byte of guest memory stands at `gpa`. */
  isMemory(gpa: number): boolean {
    return (gpa >= this.runStart && gpa < this.runEnd) || this.#findRun(gpa)
  }

  /** Bytes of memory from `gpa` to the end of its run; 0 where there is none. */
  memoryFrom(gpa: number): number {
    return this.isMemory(gpa) ? this.runEnd - gpa : 0
  }

  /** Forgets everything: the guest ran meanwhile. */
  clear(): void {
    this.#used = 0
    this.generation++
    this.#keys.fill(EMPTY)
  }

  #findRun(gpa: number): boolean {
    const run: MemoryRun | undefined = this.memory.runs[findRun(this.memory.runs, gpa)]
    if (run === undefined) return false
    this.runStart = run.gpa
    this.runEnd = run.gpa + run.length
    return true
  }

  /** Copies a piece; its index in `words`, or a negative result. */
  #load(piece: number): number {
    const gpa = piece * PIECE_BYTES
    // a run that ends inside a piece holds no whole table there
    if (!this.isMemory(gpa) || gpa + PIECE_BYTES > this.runEnd) return TABLE_IS_NO_MEMORY
    const { bytes, stop } = this.memory.window(gpa, PIECE_BYTES)
    if (stop !== undefined || bytes.length < PIECE_BYTES) {
      this.gap = stop?.reason ?? 'unreadable'
      return TABLE_IS_UNREADABLE
    }
    this.reads++
    const slot = this.#takeSlot()
    new Uint8Array(this.words.buffer, slot * 4, PIECE_BYTES).set(bytes)
    this.#insert(piece, slot)
    return slot
  }

  #takeSlot(): number {
    if ((this.#used + 1) * PIECE_WORDS > this.words.length) {
      if (this.#used >= this.#limit) this.clear()
      else this.#grow()
    }
    return this.#used++ * PIECE_WORDS
  }

  #grow(): void {
    const words = new Int32Array(Math.min(this.#used * 2, this.#limit) * PIECE_WORDS)
    words.set(this.words)
    this.words = words
    const [keys, slots] = [this.#keys, this.#slots]
    this.#rehash(words.length / PIECE_WORDS)
    keys.forEach((key, at) => {
      if (key !== EMPTY) this.#insert(key, slots[at] as number)
    })
  }

  #rehash(capacity: number): void {
    const size = 2 ** Math.ceil(Math.log2(capacity * 2))
    this.#mask = size - 1
    this.#keys = new Float64Array(size).fill(EMPTY)
    this.#slots = new Int32Array(size)
  }

  #insert(piece: number, slot: number): void {
    let at = piece & this.#mask
    while (this.#keys[at] !== EMPTY) at = (at + 1) & this.#mask
    this.#keys[at] = piece
    this.#slots[at] = slot
  }
}

const SHARED = new WeakMap<PhysicalMemory, TableCache>()

/** The cache that every address space of this memory uses: kernel tables belong to all of them. */
export function sharedTables(memory: PhysicalMemory): TableCache {
  const known = SHARED.get(memory)
  if (known !== undefined) return known
  const tables = new TableCache(memory)
  SHARED.set(memory, tables)
  return tables
}
