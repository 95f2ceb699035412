import { describe, expect, it } from 'vitest'
import { FullParts } from '../../../src/coordinator/rules/full-parts.js'
import { GIVEN_UP } from '../../../src/rules/search/tables.js'

const MOST = 1_000_000

function found(part: number, count: number, length = 1) {
  const gpa = new Float64Array(count)
  return { count, part: new Uint32Array(count).fill(part), gpa, length: new Uint32Array(count).fill(length) }
}

describe('parts that need not be looked for any more', () => {
  it('are those with enough matches in partitions that are done, with all below them', () => {
    const full = new FullParts(3)
    full.add({ partition: 1, strings: found(2, MOST), last: true })
    full.add({ partition: 0, strings: found(2, MOST), last: false })
    expect([...full.flags]).toEqual([0, 0, 0])
    full.add({ partition: 0, strings: found(1, 5), last: true })
    expect([...full.flags]).toEqual([0, 0, 1])
  })

  it('have more matches than are kept, so that it is told that some are not', () => {
    const full = new FullParts(1)
    full.add({ partition: 0, strings: found(0, MOST), last: true })
    expect([...full.flags]).toEqual([0])
    full.add({ partition: 1, last: true })
    full.add({ partition: 2, strings: found(0, 1), last: true })
    expect([...full.flags]).toEqual([1])
  })

  it('are never full by what was given up, or above a partition that did not end', () => {
    const full = new FullParts(1)
    full.add({ partition: 0, strings: found(0, MOST + 1, GIVEN_UP), last: true })
    full.add({ partition: 2, strings: found(0, MOST + 1), last: true })
    expect([...full.flags]).toEqual([0])
  })
})
