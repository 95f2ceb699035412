/** Layouts nobody chose: members in groups, in random order with random gaps. */

/** Members that keep their order and stand side by side, as [name, bytes]. */
export type Group = readonly (readonly [name: string, bytes: number])[]

/** A random number below the argument. */
export type Random = (below: number) => number

/** Small and fast; the same seed gives the same numbers. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0 || 1
  return below => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

/** Offsets of members by name; each group starts at a multiple of `align`. */
export function planStruct(
  groups: readonly Group[],
  align: number,
  random: Random,
  shuffle = true,
): Map<string, number> {
  const order = [...groups]
  for (let i = order.length - 1; shuffle && i > 0; i--) {
    const j = random(i + 1)
    const kept = order[i] as Group
    order[i] = order[j] as Group
    order[j] = kept
  }
  const offsets = new Map<string, number>()
  let at = 0
  for (const group of order) {
    at = Math.ceil((at + random(24)) / align) * align
    for (const [name, bytes] of group) {
      const within = Math.min(bytes, align)
      at = Math.ceil(at / within) * within
      offsets.set(name, at)
      at += bytes
    }
  }
  offsets.set('', Math.ceil(at / align) * align)
  return offsets
}
