/** Where pages went that were swapped out, and who can say so: the contract between a guest's swap areas and virtual scans. */

/** A page's place in swap. */
export interface SwapLocation {
  /** The area, as /proc/swaps names it. */
  readonly area: string
  /** In pages from the area's start. */
  readonly slot: number
}

/** An area of a guest. */
export interface SwapSourceArea {
  readonly name: string
  /** Its pages may be held in memory, compressed. */
  readonly inMemory: boolean
}

/** A slot: `area` is an index into `SwapSource.areas`. */
export interface SwapSlotIndex {
  readonly area: number
  readonly slot: number
}

/** Reads the swap entries of one guest. Every call is bounded in time, whatever the guest's structures say. */
export interface SwapSource {
  readonly areas: readonly SwapSourceArea[]
  /** Looks at entries until their layout is known, where an entry alone does not tell it. */
  learn(entries: Iterable<bigint>): void
  /** The slot that an entry of a page table names; undefined when it names none of an area in use. */
  place(entry: bigint): SwapSlotIndex | undefined
  /** A page's bytes where they are in memory; the copy is the caller's. */
  page(slot: SwapSlotIndex): Uint8Array | undefined
}
