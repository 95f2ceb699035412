/** The hits of one database, as they come out of Vectorscan: by machine code, or by a callback into JavaScript. */
import { HIT_CAPACITY, HIT_COUNT, HIT_ENDS, HIT_IDS, HIT_WORDS, hitCode } from './hit-code.js'
import type { Koffi } from './koffi.js'

const FIRST_CAPACITY = 1 << 12

export class HitBuffer implements Disposable {
  ids = new Uint32Array(FIRST_CAPACITY)
  ends = new Uint32Array(FIRST_CAPACITY)
  count = 0
  readonly #koffi: Koffi
  readonly #code = hitCode()
  readonly #context = new BigUint64Array(HIT_WORDS)
  /** Where there is no code: a slot of koffi's. */
  readonly #callback: bigint | undefined

  constructor(koffi: Koffi, handlerType: ReturnType<Koffi['pointer']>) {
    this.#koffi = koffi
    if (this.#code === undefined)
      this.#callback = koffi.register((id: number, _from: number, to: number) => {
        const at = this.count
        if (at === this.ids.length) return 1
        this.ids[at] = id
        this.ends[at] = to
        this.count = at + 1
        return 0
      }, handlerType)
    this.#tellPlaces()
  }

  /** What is given to the library: hits are appended until `leave`. A hit for which there is no room ends the search. */
  enter(): { readonly handler: bigint | undefined; readonly context: BigUint64Array | null } {
    if (this.#code === undefined) return { handler: this.#callback, context: null }
    this.#context[HIT_COUNT] = BigInt(this.count)
    return { handler: this.#code, context: this.#context }
  }

  leave(): void {
    if (this.#code !== undefined) this.count = Number(this.#context[HIT_COUNT])
  }

  /** Makes more room, twice as much; false where there is room for `most` already. */
  grow(most: number): boolean {
    const capacity = this.ids.length
    if (capacity >= most) return false
    const kept = this.count
    const ids = new Uint32Array(capacity * 2)
    const ends = new Uint32Array(capacity * 2)
    ids.set(this.ids.subarray(0, kept))
    ends.set(this.ends.subarray(0, kept))
    this.ids = ids
    this.ends = ends
    this.#tellPlaces()
    return true
  }

  /** Of the hits from index `from` on, adds `base` to their ends and keeps those in `above` < end ≤ `upTo`. */
  keep(from: number, base: number, above: number, upTo: number): void {
    const { ids, ends, count } = this
    let kept = from
    for (let at = from; at < count; at++) {
      const end = (ends[at] as number) + base
      if (end <= above || end > upTo) continue
      ids[kept] = ids[at] as number
      ends[kept] = end
      kept++
    }
    this.count = kept
  }

  #tellPlaces(): void {
    if (this.#code === undefined) return
    this.#context[HIT_CAPACITY] = BigInt(this.ids.length)
    this.#context[HIT_IDS] = BigInt(this.#koffi.address(this.ids))
    this.#context[HIT_ENDS] = BigInt(this.#koffi.address(this.ends))
  }

  [Symbol.dispose](): void {
    if (this.#callback !== undefined) this.#koffi.unregister(this.#callback)
  }
}
