import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readInto } from '../../../src/core/memory.js'
import { openAddressSpace } from '../../../src/paging/address-space.js'
import { pageBytes } from '../../../src/paging/mode.js'
import { PAGING_MODES } from '../../../src/paging/modes.js'
import { randomSpace, seeds } from './random-tables.js'

const RUNS = Number(process.env.PAGING_RUNS ?? 20)
const BITS = 1n << 64n

describe.each(PAGING_MODES)('$name', mode => {
  it('reads what translating each piece of a page gives, and lists the rest', () => {
    const page = pageBytes(mode)
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 3 * page + 5000 }), (seed, length) => {
        const { memory, root, upperRoot, addresses } = randomSpace(mode, seed)
        const space = openAddressSpace(memory, { mode, dtb: root, kernelDtb: upperRoot })
        for (const va of [...addresses.slice(0, 4), BITS - BigInt(page) - 100n]) {
          const { bytes, absent } = space.read(va, length)
          const expected = Buffer.alloc(length)
          const missing: string[] = []
          // 2 KiB: a run may end in the middle of a page
          for (let at = 0; at < length; ) {
            const here = va + BigInt(at)
            const part = Math.min(2048 - Number(here % 2048n), length - at)
            const translation = here < BITS ? space.translate(here) : undefined
            let reason: string | undefined = 'non-canonical'
            if (translation?.kind === 'absent') reason = translation.reason
            else if (translation !== undefined) {
              const gaps = readInto(memory, translation.gpa, expected.subarray(at, at + part))
              reason = gaps.length > 0 ? 'unreadable' : undefined
            }
            for (let i = at; i < at + part; i++) missing.push(reason ?? '')
            at += part
          }
          expect(Buffer.compare(bytes, expected)).toBe(0)
          const told = new Array<string>(length).fill('')
          let end = va
          for (const one of absent) {
            expect(one.va >= end && one.length > 0).toBe(true)
            end = one.va + BigInt(one.length)
            told.fill(one.reason, Number(one.va - va), Number(end - va))
          }
          expect(told.join()).toBe(missing.join())
        }
      }),
      { numRuns: RUNS },
    )
  })
})
