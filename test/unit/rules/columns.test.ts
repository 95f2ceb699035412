import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OffsetColumns } from '../../../src/rules/search/columns.js'

describe('columns of matches', () => {
  it('are sorted by their offsets, equal ones in the order in which they came', () => {
    const run = fc.array(fc.integer({ min: 0, max: 200 })).map(offsets => offsets.sort((a, b) => a - b))
    const anyhow = fc.array(fc.integer({ min: 0, max: 200 }))
    fc.assert(
      fc.property(fc.array(fc.oneof(run, anyhow), { maxLength: 6 }), fc.nat(30), (runs, more) => {
        const columns = new OffsetColumns()
        const all = runs.flat().map((offset, index) => ({ offset, length: index }))
        for (const { offset, length } of all) columns.push(offset, length)
        columns.sort()
        const later = Array.from({ length: more }, (_, i) => ({ offset: more - i, length: 1000 + i }))
        for (const { offset, length } of later) columns.push(offset, length)
        columns.sort()
        const told = Array.from({ length: columns.count }, (_, i) => ({
          offset: columns.offsetAt(i),
          length: columns.lengthAt(i),
        }))
        expect(told).toEqual([...all, ...later].sort((a, b) => a.offset - b.offset))
      }),
    )
  })
})
