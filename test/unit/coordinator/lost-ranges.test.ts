import { describe, expect, it } from 'vitest'
import { cutAt, LostRanges } from '../../../src/coordinator/rules/lost-ranges.js'

describe('memory that could not be read', () => {
  it('ends stretches of an image', () => {
    const lost = new LostRanges()
    lost.add([
      { gpa: 0x5000, length: 0x1000 },
      { gpa: 0x1000, length: 0x1000 },
      { gpa: 0x2000, length: 0x1000 },
    ])
    const cuts = lost.inImage()
    expect([...cuts]).toEqual([0x1000, 0x5000])
    expect([0, 0x3000, 0x7000].map(address => cutAt(cuts, address, 0x8000))).toEqual([0x1000, 0x5000, 0x8000])
    expect(cutAt(cuts, 0x3000, 0x4000)).toBe(0x4000)
  })

  it('ends them in every space that maps it', () => {
    const lost = new LostRanges()
    lost.add([{ gpa: 0x1800, length: 0x1000 }])
    const table = {
      address: Float64Array.of(0x10000, 0x12000, 0x20000),
      gpa: Float64Array.of(0x1000, 0x9000, 0x2000),
      length: Float64Array.of(0x2000, 0x1000, 0x1000),
      vpn: Float64Array.of(1, 3, 9),
    }
    expect([...lost.laidOut(table, 0, 3)]).toEqual([0x10800, 0x20000])
    expect([...lost.laidOut(table, 1, 2)]).toEqual([])
  })
})
