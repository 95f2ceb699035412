/** Which parts of strings have so many matches that what lies higher does not count: workers need not look for them any more. */
import { MAX_STRING_MATCHES } from '../../rules/search/gather.js'
import { GIVEN_UP } from '../../rules/search/tables.js'
import type { Batch } from '../../scan/messages.js'

export class FullParts {
  /** By part: 1 where enough was found below all partitions that are not done. Shared memory, which workers read. */
  readonly flags: Uint8Array
  readonly #parts: number
  /** Matches in partitions below `next`. */
  readonly #counts: Float64Array
  /** Those of the partitions from there on, which are not done or wait for lower ones. */
  readonly #above = new Map<number, Uint32Array>()
  readonly #done = new Set<number>()
  #next = 0

  constructor(parts: number) {
    this.#parts = parts
    this.flags = new Uint8Array(new SharedArrayBuffer(parts))
    this.#counts = new Float64Array(parts)
  }

  /** Takes what a worker found; partitions ascend by address. */
  add({ partition, strings, last }: Pick<Batch, 'partition' | 'strings' | 'last'>): void {
    if (strings !== undefined) this.#count(partition, strings)
    if (last) this.#done.add(partition)
    for (; this.#done.delete(this.#next); this.#next++) this.#settle(this.#next)
  }

  #count(partition: number, { count, part, length }: NonNullable<Batch['strings']>): void {
    let counts = this.#above.get(partition)
    if (counts === undefined) {
      counts = new Uint32Array(this.#parts)
      this.#above.set(partition, counts)
    }
    for (let i = 0; i < count; i++) {
      if (length[i] === GIVEN_UP) continue
      const index = part[i] as number
      counts[index] = (counts[index] as number) + 1
    }
  }

  #settle(partition: number): void {
    const counts = this.#above.get(partition)
    if (counts === undefined) return
    this.#above.delete(partition)
    for (let part = 0; part < counts.length; part++) {
      const count = (this.#counts[part] as number) + (counts[part] as number)
      this.#counts[part] = count
      // one more than is kept: so it is known that some are not
      if (count > MAX_STRING_MATCHES) this.flags[part] = 1
    }
  }
}
