/** Events that are told together: each alone would cost more to hand on than to make. */

/** Events at most. */
export const TOLD_TOGETHER = 512

/** All of them in their order, some at a time. */
export function* together<T>(events: Iterable<T>): Generator<T[]> {
  let some: T[] = []
  for (const event of events) {
    some.push(event)
    if (some.length < TOLD_TOGETHER) continue
    yield some
    some = []
  }
  if (some.length > 0) yield some
}
