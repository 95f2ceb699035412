/** Finds addresses by their page among many that are in order of it: most pages that are asked for have none. */
import { PAGE_BYTES } from '../core/address.js'

/** Addresses of several pages share an entry where there would be more. */
const MAX_ENTRIES = 1 << 20

export class PageIndex {
  readonly #addresses: Float64Array
  readonly #count: number
  /** Addresses that share an entry lie in so many bytes. */
  readonly #bytes: number
  /** By entry: index of the first address there or behind. One more for the end. */
  readonly #first: Uint32Array

  /** The first `count` of `addresses`, which are not negative, ascend by page (4 KiB). */
  constructor(addresses: Float64Array, count: number) {
    this.#addresses = addresses
    this.#count = count
    const end = count === 0 ? 0 : Math.floor((addresses[count - 1] as number) / PAGE_BYTES) + 1
    const pages = Math.max(1, Math.ceil(end / MAX_ENTRIES))
    this.#bytes = pages * PAGE_BYTES
    const entries = Math.ceil(end / pages)
    this.#first = new Uint32Array(entries + 1)
    let at = 0
    for (let entry = 0; entry < entries; entry++) {
      this.#first[entry] = at
      while (at < count && (addresses[at] as number) < (entry + 1) * this.#bytes) at++
    }
    this.#first[entries] = count
  }

  /** Index of the first address that is not below `start`, a page's first byte; `count` behind the last one. */
  firstFrom(start: number): number {
    const entry = Math.floor(start / this.#bytes)
    if (entry + 1 >= this.#first.length) return this.#count
    let low = this.#first[entry] as number
    let high = this.#first[entry + 1] as number
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#addresses[middle] as number) < start) low = middle + 1
      else high = middle
    }
    return low
  }
}
