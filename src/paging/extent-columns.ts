/** Extents as columns of typed arrays: for workers, and for the reverse map. */

/** What enumerating an address space gives its findings to. Called once a coalesced extent, in the order of addresses. */
export interface ExtentSink {
  /** `pages` smallest pages from virtual page `vpn` lie at `gpa` and behind; false ends the enumeration. */
  add(vpn: number, gpa: number, pages: number, flags: number): boolean
}

/** Grows as needed, up to a bound. */
export class ExtentColumns implements ExtentSink {
  /** Signed virtual page number. */
  vpn = new Float64Array(64)
  gpa = new Float64Array(64)
  /** Smallest pages. */
  pages = new Float64Array(64)
  /** WRITABLE, USER, EXECUTABLE, PROT_NONE, CONTIGUOUS. */
  flags = new Uint8Array(64)
  /** Rows in use. */
  size = 0
  readonly #limit: number

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit
  }

  add(vpn: number, gpa: number, pages: number, flags: number): boolean {
    if (this.size >= this.#limit) return false
    const row = this.size
    if (row === this.vpn.length) this.#grow()
    this.vpn[row] = vpn
    this.gpa[row] = gpa
    this.pages[row] = pages
    this.flags[row] = flags
    this.size = row + 1
    return true
  }

  /** No rows any more; the room stays: for the next address space. */
  clear(): void {
    this.size = 0
  }

  /** Rows in the order of `gpa`, then of `vpn`: the reverse map of one address space. */
  byGpa(): Uint32Array {
    const rows = Uint32Array.from({ length: this.size }, (_, row) => row)
    const { gpa, vpn } = this
    return rows.sort(
      (a, b) => (gpa[a] as number) - (gpa[b] as number) || (vpn[a] as number) - (vpn[b] as number),
    )
  }

  #grow(): void {
    const rows = this.vpn.length * (this.vpn.length < 65_536 ? 4 : 2)
    this.vpn = copied(new Float64Array(rows), this.vpn)
    this.gpa = copied(new Float64Array(rows), this.gpa)
    this.pages = copied(new Float64Array(rows), this.pages)
    const flags = new Uint8Array(rows)
    flags.set(this.flags)
    this.flags = flags
  }
}

function copied(target: Float64Array<ArrayBuffer>, source: Float64Array): Float64Array<ArrayBuffer> {
  target.set(source)
  return target
}
