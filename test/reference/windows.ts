/** Cuts a stretch of bytes into windows as the block loop does, and scans them. */
import { createScanners } from '../../scanners/index.js'
import type { CompiledScan } from '../../src/scan/compiled-scan.js'
import type { MatchSink, Scanner } from '../../src/scan/scanner.js'

export interface FoundMatch {
  readonly pattern: number
  readonly start: number
  readonly length: number
}

/** Scans `bytes` as one stretch, cut at `cuts`, and returns the matches by pattern and start. */
export function scanInWindows(
  compiled: CompiledScan,
  bytes: Uint8Array,
  cuts: readonly number[],
  scanners: readonly Scanner[] = createScanners(compiled),
): FoundMatch[] {
  const found: FoundMatch[] = []
  try {
    const bounds = [...new Set([0, ...cuts.filter(cut => cut > 0 && cut < bytes.length), bytes.length])].sort(
      (a, b) => a - b,
    )
    for (let i = 0; i + 1 < bounds.length; i++) {
      const start = bounds[i] ?? 0
      const end = bounds[i + 1] ?? 0
      const from = Math.max(0, start - compiled.lookBehindBytes)
      const to = Math.min(bytes.length, end + compiled.lookAheadBytes)
      const sink: MatchSink = {
        match: (pattern, offset, length) => found.push({ pattern, start: from + offset, length }),
        stringMatch: () => {},
      }
      const window = {
        // A copy, so that looking beyond the window's bytes finds nothing.
        bytes: bytes.slice(from, to),
        gpa: from,
        ownedStart: start - from,
        ownedEnd: end - from,
        beginsStretch: from === 0,
        endsStretch: to === bytes.length,
      }
      for (const scanner of scanners) scanner.scan(window, sink)
    }
  } finally {
    for (const scanner of scanners) scanner[Symbol.dispose]()
  }
  return found.sort((a, b) => a.pattern - b.pattern || a.start - b.start)
}
