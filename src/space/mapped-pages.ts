/** Whether a page is mapped in any of some address spaces. */

import { PAGE_BYTES } from '../core/address.js'
import { lastAtOrBelow } from '../core/sorted.js'
import type { ExtentColumns } from './extents.js'

/** Look-ups in spaces before the answer is always yes: what asks is a hint only. */
const MAX_LOOKUPS = 1 << 22

export class MappedPages {
  readonly #spaces: readonly ExtentColumns[]
  readonly #known = new Map<number, boolean>()
  #left = MAX_LOOKUPS

  constructor(spaces: readonly ExtentColumns[]) {
    this.#spaces = spaces
  }

  /** `vpn` counts 4 KiB pages, and is signed. True where too much was asked. */
  has(vpn: number): boolean {
    let found = this.#known.get(vpn)
    if (found === undefined) {
      this.#left -= this.#spaces.length
      if (this.#left < 0) return true
      found = this.#spaces.some(space => isMapped(space, vpn))
      this.#known.set(vpn, found)
    }
    return found
  }
}

function isMapped({ vpn: pages, length }: ExtentColumns, vpn: number): boolean {
  const extent = lastAtOrBelow(pages, vpn)
  return extent >= 0 && vpn < (pages[extent] as number) + Math.ceil((length[extent] as number) / PAGE_BYTES)
}
