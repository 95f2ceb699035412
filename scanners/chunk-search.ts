/** Runs a search in WebAssembly over bytes: they are copied into its memory chunk by chunk, behind the table that it works on. */

/** What is copied and looked at in one go: it stays near the processor. */
const CHUNK_BYTES = 1 << 18
/** Bytes around what is looked at that are compared with it. */
const AROUND = 32
const OUTPUT_BYTES = 1 << 16
const HIT_BYTES = 8
const WASM_PAGE = 1 << 16
/** Copies begin at the same place in a line of this many bytes as what is copied. */
const ALIGNMENT = 64

/** Takes a row that stands in the bytes: `start` is where its first compared byte does. */
export type StartFound = (row: number, start: number) => void

/** What modules export: hits are pairs of numbers, a row, and the address of its first compared byte. */
interface Search {
  search(at: number, to: number, low: number, high: number): number
  readonly next: { readonly value: number }
}

/** What a module works on. */
export interface SearchedTable {
  /** As it lies in the module's memory, from address 0 on. */
  readonly image: Uint8Array
  /** At most so many rows are told of one place. */
  readonly mostHits: number
  /** Its other imports. */
  readonly imports?: Readonly<Record<string, number | bigint>>
}

/** As much of the standard's interface as is used; Node's types name none of it. */
declare const WebAssembly: {
  Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: unknown }
}

const modules = new Map<string, object>()

export class ChunkSearch {
  readonly #search: Search
  readonly #bytes: Uint8Array
  readonly #output: Int32Array
  /** Address of the room for a chunk. */
  readonly #room: number

  /** `code`: the module, in base64. */
  constructor(code: string, { image, mostHits, imports }: SearchedTable) {
    const out = upTo(image.length, ALIGNMENT)
    // what one place may tell must find room
    const outEnd = out + upTo(Math.max(OUTPUT_BYTES, mostHits * HIT_BYTES), ALIGNMENT)
    this.#room = outEnd + AROUND
    const pages = upTo(this.#room + CHUNK_BYTES + 2 * AROUND + ALIGNMENT, WASM_PAGE) / WASM_PAGE
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#bytes = new Uint8Array(memory.buffer)
    this.#bytes.set(image)
    this.#output = new Int32Array(memory.buffer, out, (outEnd - out) / Int32Array.BYTES_PER_ELEMENT)
    const module = modules.get(code) ?? new WebAssembly.Module(Buffer.from(code, 'base64'))
    modules.set(code, module)
    const instance = new WebAssembly.Instance(module, { table: { memory, out, outEnd, ...imports } })
    this.#search = instance.exports as Search
  }

  /** Tells every row that is found at `from` to `to` of the bytes, once. */
  scan(bytes: Uint8Array, from: number, to: number, found: StartFound): void {
    for (let at = from; at < to; at += CHUNK_BYTES)
      this.#chunk(bytes, at, Math.min(to, at + CHUNK_BYTES), found)
  }

  #chunk(bytes: Uint8Array, from: number, to: number, found: StartFound): void {
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
      for (let i = 0; i < hits / Int32Array.BYTES_PER_ELEMENT; i += 2)
        found(output[i] as number, (output[i + 1] as number) + offset)
    }
  }
}

function upTo(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
