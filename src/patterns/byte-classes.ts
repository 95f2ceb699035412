/** Byte values that no set tells apart are one class: tables stay narrow. */
import { setHas } from './byte-set.js'
import type { ByteSet } from './node.js'

export interface ByteClasses {
  /** Class of each byte value. */
  readonly classOf: Uint8Array
  readonly count: number
  /** One byte value of each class. */
  readonly example: readonly number[]
}

/** The coarsest classes such that each set is a union of some. */
export function byteClasses(sets: Iterable<ByteSet>): ByteClasses {
  let classOf = new Uint8Array(256)
  let count = 1
  for (const set of sets) {
    if (count === 256) break
    const split = new Map<number, number>()
    const refined = new Uint8Array(256)
    for (let value = 0; value < 256; value++) {
      const key = (classOf[value] ?? 0) * 2 + (setHas(set, value) ? 1 : 0)
      const known = split.get(key)
      refined[value] = known ?? split.size
      if (known === undefined) split.set(key, split.size)
    }
    classOf = refined
    count = split.size
  }
  const example: number[] = []
  for (let value = 255; value >= 0; value--) example[classOf[value] ?? 0] = value
  return { classOf, count, example }
}
