/** From what was compiled to the scanners that a worker runs. */
import { openDatabase } from '../src/ffi/vectorscan.js'
import { divide } from '../src/patterns/expressions.js'
import { lengthsOf } from '../src/patterns/measure.js'
import type { CompiledScan } from '../src/scan/compiled-scan.js'
import type { Scanner } from '../src/scan/scanner.js'
import { EmbeddedFinder } from './embedded-finder.js'
import { PatternScanner } from './pattern-scanner.js'
import { RuleStringScanner } from './rule-strings.js'

/** The scanners of this thread; each is to be disposed. */
export function createScanners(compiled: CompiledScan): Scanner[] {
  const scanners: Scanner[] = []
  const { vectorscan, embedded } = compiled.matcher ?? {}
  if (vectorscan !== undefined) {
    const { anchors } = divide(compiled.patterns)
    const longest = anchors.reduce((most, { node }) => Math.max(most, lengthsOf(node).max), 0)
    scanners.push(new PatternScanner(compiled, anchors, openDatabase(vectorscan.database, longest)))
  }
  if (embedded !== undefined) {
    const finder = new EmbeddedFinder(compiled.patterns, embedded.patterns)
    scanners.push(new PatternScanner(compiled, finder.expressions, finder))
  }
  if (compiled.strings !== undefined) scanners.push(new RuleStringScanner(compiled.strings))
  return scanners
}
