/** What finds candidates: Vectorscan, or the embedded matcher. */

/** Finds where expressions end. One instance a thread; hits are valid until the next `scan`. */
export interface CandidateFinder extends Disposable {
  /** Index of the expression (`expressionsOf`) of each hit. */
  readonly ids: Uint32Array
  /** Offset just behind the last byte of each hit; ascending for each expression. */
  readonly ends: Uint32Array
  readonly count: number
  /** Finds every end of every expression. False: there are more than `maxHits`, and what was collected is worthless. */
  scan(bytes: Uint8Array, maxHits: number): boolean
}
