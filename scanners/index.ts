/** From what was compiled to the scanners that a worker runs. */
import { openDatabase } from '../src/ffi/vectorscan.js'
import { allExpressionsOf } from '../src/patterns/expressions.js'
import type { CompiledScan } from '../src/scan/compiled-scan.js'
import type { Scanner } from '../src/scan/scanner.js'
import { EmbeddedFinder } from './embedded-finder.js'
import { PatternScanner } from './pattern-scanner.js'
import { YaraScanner } from './yara.js'

/** The scanners of this thread; each is to be disposed. */
export function createScanners(compiled: CompiledScan): Scanner[] {
  const scanners: Scanner[] = []
  const { matcher } = compiled
  if (matcher?.kind === 'vectorscan') {
    const expressions = allExpressionsOf(compiled.patterns)
    const longest = compiled.patterns.reduce((most, pattern) => Math.max(most, pattern.maxBytes), 0)
    scanners.push(new PatternScanner(compiled, expressions, openDatabase(matcher.database, longest)))
  } else if (matcher?.kind === 'embedded') {
    const finder = new EmbeddedFinder(compiled.patterns)
    scanners.push(new PatternScanner(compiled, finder.expressions, finder))
  }
  if (compiled.yara !== undefined) scanners.push(new YaraScanner(compiled.yara))
  return scanners
}
