/** Looks for rows by the aligned words of memory (src/rules/search/words.ts), in WebAssembly: word-search.wat. */
import { WORD_BYTES } from '../src/rules/search/word-counts.js'
import { CHECK_BYTES, comparedBytes, type WordTable } from '../src/rules/search/words.js'
import { WORD_SEARCH } from './word-search.js'

/** What is copied and looked at in one go: it stays near the processor. */
const CHUNK_BYTES = 1 << 18
/** Bytes around a word that are compared. */
const AROUND = 2 * CHECK_BYTES
const OUTPUT_BYTES = 1 << 16
const HIT_BYTES = 8
const WASM_PAGE = 1 << 16
/** Copies begin at the same place in a line of this many bytes as what is copied. */
const ALIGNMENT = 64

/** Takes a row that stands in the bytes: `at` is the place to be verified, `end` is behind what was compared. */
export type RowFound = (row: number, at: number, end: number) => void

/** What word-search.wat exports. */
interface Search {
  search(at: number, to: number, low: number, high: number): number
  readonly next: { readonly value: number }
}

/** As much of the standard's interface as is used; Node's types name none of it. */
declare const WebAssembly: {
  Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: unknown }
}

let module: object | undefined

export class WordFinder {
  readonly #table: WordTable
  readonly #search: Search
  readonly #bytes: Uint8Array
  readonly #output: Int32Array
  /** Address of the room for a chunk. */
  readonly #room: number

  constructor(table: WordTable) {
    const out = upTo(table.image.length, ALIGNMENT)
    // what one word may tell must find room
    const outEnd = out + upTo(Math.max(OUTPUT_BYTES, table.mostUses * HIT_BYTES), ALIGNMENT)
    this.#room = outEnd + AROUND
    const pages = upTo(this.#room + CHUNK_BYTES + 2 * AROUND + ALIGNMENT, WASM_PAGE) / WASM_PAGE
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#table = table
    this.#bytes = new Uint8Array(memory.buffer)
    this.#bytes.set(table.image)
    this.#output = new Int32Array(memory.buffer, out, (outEnd - out) / Int32Array.BYTES_PER_ELEMENT)
    const { stride, filterShift, slotShift, slots, rows } = table
    const mask = (1n << BigInt(8 * comparedBytes(stride))) - 1n
    const slotMask = 2 ** (32 - slotShift) - 1
    module ??= new WebAssembly.Module(Buffer.from(WORD_SEARCH, 'base64'))
    const instance = new WebAssembly.Instance(module, {
      table: { memory, stride, mask, filterShift, slotShift, slotMask, slots, rows, out, outEnd },
    })
    this.#search = instance.exports as Search
  }

  /** Tells every row that stands within `from` to `to` of the bytes, once. */
  scan(bytes: Uint8Array, from: number, to: number, found: RowFound): void {
    // words of the bytes' own alignment
    const { byteOffset } = bytes
    const first = upTo(byteOffset + from, this.#table.stride) - byteOffset
    const end = to - WORD_BYTES + 1
    for (let at = first; at < end; at += CHUNK_BYTES)
      this.#chunk(bytes, at, Math.min(end, at + CHUNK_BYTES), found)
  }

  /** Words that begin from `from` to `to`. */
  #chunk(bytes: Uint8Array, from: number, to: number, found: RowFound): void {
    const { distance, length } = this.#table
    const low = Math.max(0, from - AROUND)
    const high = Math.min(bytes.length, to + AROUND)
    const address = this.#room + ((bytes.byteOffset + low - this.#room) & (ALIGNMENT - 1))
    this.#bytes.set(bytes.subarray(low, high), address)
    // from an address to an index
    const offset = low - address
    const output = this.#output
    const last = to - offset
    for (let at = from - offset; at < last; at = this.#search.next.value) {
      const hits = this.#search.search(at, last, address, high - offset) - output.byteOffset
      for (let i = 0; i < hits / Int32Array.BYTES_PER_ELEMENT; i += 2) {
        const row = output[i] as number
        const start = (output[i + 1] as number) + offset
        found(row, start + (distance[row] as number), start + (length[row] as number))
      }
    }
  }
}

function upTo(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
