import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openAddressSpace } from '../../../src/paging/address-space.js'
import type { Extent } from '../../../src/paging/extents.js'
import { pageBytes } from '../../../src/paging/mode.js'
import { PAGING_MODES } from '../../../src/paging/modes.js'
import { randomSpace, seeds } from './random-tables.js'

const RUNS = Number(process.env.PAGING_RUNS ?? 20)

/** The extent that holds an address; the list is sorted. */
function holding(extents: readonly Extent[], va: bigint): Extent | undefined {
  let [low, high] = [0, extents.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const extent = extents[middle]!
    if (va < extent.va) high = middle
    else if (va >= extent.va + BigInt(extent.length)) low = middle + 1
    else return extent
  }
  return undefined
}

describe.each(PAGING_MODES)('$name', mode => {
  const page = BigInt(pageBytes(mode))

  it('has an extent for exactly the pages that translate', () => {
    fc.assert(
      fc.property(seeds, seed => {
        const { memory, root, upperRoot, addresses } = randomSpace(mode, seed)
        const space = openAddressSpace(memory, { mode, dtb: root, kernelDtb: upperRoot })
        const list = space.extents()
        expect(list.truncated).toBe(false)
        const extents = [...list]
        for (const va of addresses) {
          const start = va - (va % page)
          const translation = space.translate(start)
          const extent = holding(extents, start)
          if (translation.kind === 'absent') expect(extent, start.toString(16)).toBeUndefined()
          else {
            const { writable, user, executable } = translation
            expect(extent!.gpa + Number(start - extent!.va)).toBe(translation.gpa)
            expect(extent!.flags).toEqual({ writable, user, executable })
          }
        }
        for (const [i, { va, gpa, length }] of extents.entries()) {
          expect(space.translate(va)).toMatchObject({ kind: 'mapped', gpa })
          expect(space.translate(va + BigInt(length) - page)).toMatchObject({
            kind: 'mapped',
            gpa: gpa + length - Number(page),
          })
          if (i > 0) expect(va >= extents[i - 1]!.va + BigInt(extents[i - 1]!.length)).toBe(true)
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('gives the same extents piece by piece', () => {
    fc.assert(
      fc.property(seeds, seed => {
        const { memory, root, upperRoot, addresses } = randomSpace(mode, seed)
        const space = openAddressSpace(memory, { mode, dtb: root, kernelDtb: upperRoot })
        const cuts = [0n, ...addresses.slice(0, 6), 1n << 64n].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
        const joined: Extent[] = []
        for (let i = 1; i < cuts.length; i++)
          for (const extent of space.extents(cuts[i - 1], cuts[i])) {
            const last = joined.at(-1)
            const continues =
              last !== undefined &&
              cuts.includes(extent.va) &&
              last.va + BigInt(last.length) === extent.va &&
              last.gpa + last.length === extent.gpa &&
              JSON.stringify(last.flags) === JSON.stringify(extent.flags)
            if (continues) joined[joined.length - 1] = { ...last, length: last.length + extent.length }
            else joined.push(extent)
          }
        expect(joined).toEqual([...space.extents()])
      }),
      { numRuns: RUNS },
    )
  })
})
