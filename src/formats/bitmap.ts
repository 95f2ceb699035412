/** Page bitmaps: one bit a page frame, least significant bit first (makedumpfile IMPLEMENTATION, "bitmap"). */
import type { MemoryRun } from '../core/memory.js'
import { tooFragmented } from './corrupt.js'
import { MAX_RUNS } from './limits.js'

/** Bytes of bitmap between two entries of the rank table: 512 bits, one cache line. */
export const RANK_BYTES = 64

/** Set bits of a 32-bit word (Hacker's Delight 5-1). */
export function popcount32(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** Whether bit `index` is set; `false` past the end. */
export function testBit(bitmap: Uint8Array, index: number): boolean {
  return (((bitmap[Math.floor(index / 8)] ?? 0) >> (index % 8)) & 1) === 1
}

/** Set bits before each stretch of `RANK_BYTES`, over shared memory. The bitmap's length is a multiple of `RANK_BYTES`. */
export function buildRanks(bitmap: Uint8Array): Uint32Array {
  const ranks = new Uint32Array(new SharedArrayBuffer((bitmap.length / RANK_BYTES) * 4))
  const words = new Uint32Array(bitmap.buffer, bitmap.byteOffset, bitmap.length / 4)
  let sum = 0
  for (let i = 0, word = 0; i < ranks.length; i++) {
    ranks[i] = sum
    for (const end = word + RANK_BYTES / 4; word < end; word++) sum += popcount32(words[word] as number)
  }
  return ranks
}

/** Set bits before bit `index`. */
export function rank(bitmap: Uint8Array, ranks: Uint32Array, index: number): number {
  const byte = Math.floor(index / 8)
  const group = Math.floor(byte / RANK_BYTES)
  let sum = ranks[group] as number
  for (let i = group * RANK_BYTES; i < byte; i++) sum += popcount32(bitmap[i] as number)
  return sum + popcount32((bitmap[byte] as number) & ((1 << (index % 8)) - 1))
}

/** First index from `from` on, below `end`, whose bit is `value`; `end` when there is none. Whole bytes are skipped. */
export function findBit(bitmap: Uint8Array, value: boolean, from: number, end: number): number {
  const skip = value ? 0 : 0xff
  let index = from
  while (index < end) {
    if (index % 8 === 0 && bitmap[index / 8] === skip) index += 8
    else if (testBit(bitmap, index) === value) return index
    else index++
  }
  return end
}

/** Collects runs of pages from bitmaps read piece by piece. */
export class RunCollector {
  readonly runs: MemoryRun[] = []
  readonly #blockBytes: number
  #start = -1

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes
  }

  /** Takes `bits` bits of `bitmap`, which stand for the pages from `first` on. */
  add(bitmap: Uint8Array, first: number, bits: number): void {
    let index = 0
    while (index < bits) {
      if (this.#start < 0) {
        index = findBit(bitmap, true, index, bits)
        if (index < bits) this.#start = first + index
      } else {
        index = findBit(bitmap, false, index, bits)
        if (index < bits) this.end(first + index)
      }
    }
  }

  /** The page `page` is none of memory: ends the open run. */
  end(page: number): void {
    if (this.#start < 0) return
    if (this.runs.length >= MAX_RUNS) throw tooFragmented('ranges of memory', MAX_RUNS)
    this.runs.push({ gpa: this.#start * this.#blockBytes, length: (page - this.#start) * this.#blockBytes })
    this.#start = -1
  }
}
