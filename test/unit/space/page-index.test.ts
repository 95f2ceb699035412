import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PAGE_BYTES } from '../../../src/core/address.js'
import { PageIndex } from '../../../src/space/page-index.js'

describe('an index of addresses in order of their pages', () => {
  const near = fc.integer({ min: 0, max: 40 * PAGE_BYTES })
  const far = fc.double({ min: 0, max: 2 ** 52, noNaN: true }).map(Math.floor)

  it('finds the first one that is not below a page', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(near, far)), fc.array(fc.oneof(near, far)), (all, asked) => {
        const pageOf = (address: number): number => Math.floor(address / PAGE_BYTES)
        const addresses = Float64Array.from(all.sort((a, b) => pageOf(a) - pageOf(b)))
        const index = new PageIndex(addresses, addresses.length)
        for (const address of [...asked, ...all]) {
          const start = pageOf(address) * PAGE_BYTES
          const expected = addresses.findIndex(one => one >= start)
          expect(index.firstFrom(start)).toBe(expected < 0 ? addresses.length : expected)
        }
      }),
    )
  })

  it('looks at no more addresses than it is told', () => {
    const index = new PageIndex(Float64Array.of(0, PAGE_BYTES, 2 * PAGE_BYTES), 2)
    expect([0, 1, 2, 3].map(page => index.firstFrom(page * PAGE_BYTES))).toEqual([0, 1, 2, 2])
  })
})
