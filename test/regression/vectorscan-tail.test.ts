import { describe, expect, it } from 'vitest'
import { createScanners } from '../../scanners/index.js'
import { vectorscanVersion } from '../../src/ffi/vectorscan.js'
import { compileScan } from '../../src/patterns/compile.js'
import type { PatternSpec } from '../../src/scan/pattern-spec.js'
import type { Scanner } from '../../src/scan/scanner.js'

const SPECS: PatternSpec[] = [
  { kind: 'bytes', hex: '61 62' },
  { kind: 'text', text: 'ABA', ignoreCase: true },
  { kind: 'bytes', hex: '?? 61 ??' },
  { kind: 'bytes', hex: '61 ??' },
  { kind: 'bytes', hex: '?? ?? ?1 62' },
  { kind: 'regex', source: '[ab]b+' },
  { kind: 'regex', source: '(?s:.)a(?s:.)' },
]

function starts(scanner: Scanner, bytes: Uint8Array): number[] {
  const found: number[] = []
  const window = {
    bytes,
    gpa: 0,
    ownedStart: 0,
    ownedEnd: bytes.length,
    beginsStretch: true,
    endsStretch: true,
  }
  scanner.scan(window, { match: (_pattern, offset) => found.push(offset), stringMatch() {} })
  return found
}

describe.skipIf(vectorscanVersion() === undefined)('vectorscan (needs libhs.so.5)', () => {
  for (const spec of SPECS)
    it(`loses nothing in the last bytes of a window: ${JSON.stringify(spec)}`, async () => {
      const [fast] = createScanners(await compileScan([spec], { matcher: 'vectorscan' }))
      const [slow] = createScanners(await compileScan([spec], { matcher: 'embedded' }))
      if (fast === undefined || slow === undefined) throw new Error('no scanner')
      for (let length = 4; length <= 300; length++)
        for (let at = 0; at + 4 <= length; at += 3) {
          const bytes = new Uint8Array(length)
          bytes.set([0x61, 0x62, 0x61, 0x62], at)
          const [ours, theirs] = [starts(fast, bytes), starts(slow, bytes)]
          if (ours.join() !== theirs.join())
            expect({ length, at, ours }).toEqual({ length, at, ours: theirs })
        }
      for (const scanner of [fast, slow]) scanner[Symbol.dispose]()
    })
})
