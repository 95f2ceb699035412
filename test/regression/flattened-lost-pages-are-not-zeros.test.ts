import { expect, it } from 'vitest'
import { writeFlattened } from '../images/flattened.js'
import { writeKdump } from '../images/kdump.js'
import { openImage } from '../images/open.js'

it('tells a stored page behind the cut of a flattened kdump as truncated, where it once read as zeros', () => {
  const runs = [{ gpa: 0, bytes: Buffer.alloc(4 * 4096, 0x41) }]
  const whole = writeFlattened(writeKdump(runs, { codec: 'stored' }), { recordBytes: 5000 })
  const { memory } = openImage(whole.subarray(0, -4096 - 100))
  const { bytes, stop } = memory.window(0, 4 * 4096)
  expect(bytes.every(byte => byte === 0x41)).toBe(true)
  expect(stop?.reason).toBe('truncated')
})
