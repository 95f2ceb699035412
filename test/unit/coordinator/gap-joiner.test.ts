import { describe, expect, it } from 'vitest'
import { GapJoiner } from '../../../src/coordinator/gap-joiner.js'

describe('GapJoiner', () => {
  it('joins gaps that touch and have one reason, whatever order they come in', () => {
    const joiner = new GapJoiner()
    joiner.add([{ gpa: 0x3000, length: 0x1000, reason: 'truncated' }])
    joiner.add([{ gpa: 0x1000, length: 0x1000, reason: 'truncated' }])
    joiner.add([{ gpa: 0x2000, length: 0x1000, reason: 'truncated' }])
    joiner.add([{ gpa: 0x4000, length: 0x1000, reason: 'excluded' }])
    expect(joiner.drain()).toEqual([
      { gpa: 0x1000, length: 0x3000, reason: 'truncated' },
      { gpa: 0x4000, length: 0x1000, reason: 'excluded' },
    ])
  })

  it('holds a bounded number of gaps back and loses none', () => {
    const joiner = new GapJoiner()
    let told = 0
    for (let at = 0; at < 20_000; at++)
      told += joiner.add([{ gpa: at * 8192, length: 4096, reason: 'excluded' }]).length
    expect(told).toBeGreaterThan(10_000)
    expect(told + joiner.drain().length).toBe(20_000)
  })
})
