/** Rows of a symbol table by name: a chained hash over the names' bytes, so that no name becomes a string to be found. */

/** Finds rows by name. Built once over columns that don't change. */
export class NameIndex {
  readonly #names: Uint8Array
  readonly #starts: Uint32Array
  /** 1 + first row of each chain. */
  readonly #heads: Uint32Array
  /** 1 + next row of the chain. */
  readonly #next: Uint32Array

  constructor(names: Uint8Array, starts: Uint32Array, count: number) {
    this.#names = names
    this.#starts = starts
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)))
    this.#heads = new Uint32Array(slots)
    this.#next = new Uint32Array(count)
    // From the last to the first: each chain then holds its rows in the source's order.
    for (let row = count - 1; row >= 0; row--) {
      const slot = hash(names, starts[row] as number, starts[row + 1] as number) & (slots - 1)
      this.#next[row] = this.#heads[slot] as number
      this.#heads[slot] = row + 1
    }
  }

  /** The first row of that name. */
  first(name: string): number | undefined {
    const wanted = Buffer.from(name, 'latin1')
    for (let row = this.#head(wanted); row !== 0; row = this.#next[row - 1] as number)
      if (this.#is(row - 1, wanted)) return row - 1
    return undefined
  }

  /** All rows of that name, ascending. */
  rows(name: string): number[] {
    const wanted = Buffer.from(name, 'latin1')
    const found: number[] = []
    for (let row = this.#head(wanted); row !== 0; row = this.#next[row - 1] as number)
      if (this.#is(row - 1, wanted)) found.push(row - 1)
    return found
  }

  #head(wanted: Uint8Array): number {
    return this.#heads[hash(wanted, 0, wanted.length) & (this.#heads.length - 1)] as number
  }

  #is(row: number, wanted: Uint8Array): boolean {
    const start = this.#starts[row] as number
    if ((this.#starts[row + 1] as number) - start !== wanted.length) return false
    for (let i = 0; i < wanted.length; i++) if (this.#names[start + i] !== wanted[i]) return false
    return true
  }
}

/** FNV-1a, its high bits mixed into the low ones that choose the slot. */
function hash(bytes: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5
  for (let i = start; i < end; i++) value = Math.imul(value ^ (bytes[i] as number), 0x01000193)
  return (value ^ (value >>> 15)) >>> 0
}
