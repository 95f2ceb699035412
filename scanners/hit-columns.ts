/** Hits as growing columns: which expression, and where it ended. */
import { doubled } from './match-columns.js'

const FIRST_CAPACITY = 256

export class HitColumns {
  ids = new Uint32Array(FIRST_CAPACITY)
  ends = new Uint32Array(FIRST_CAPACITY)
  count = 0

  push(id: number, end: number): void {
    const at = this.count
    if (at === this.ids.length) {
      this.ids = doubled(this.ids)
      this.ends = doubled(this.ends)
    }
    this.ids[at] = id
    this.ends[at] = end
    this.count = at + 1
  }

  /** Appends all hits of `other`. */
  append(other: HitColumns): void {
    for (let i = 0; i < other.count; i++) this.push(other.ids[i] ?? 0, other.ends[i] ?? 0)
  }
}
