/** Asks the scanners whether anything matches in the midst of zeros: if not, known zeros need not be scanned. */
import type { RuleStringScanner } from '../scanners/rule-strings.js'
import type { MatchSink, Scanner } from '../src/scan/scanner.js'

/** Starts tried; one would do, since zeros look the same from each. */
const STARTS = 16

/** True when no match can start in zeros with `lookBehind` zeros before and `lookAhead` zeros behind. */
export function zerosAreQuiet(scanners: readonly Scanner[], lookBehind: number, lookAhead: number): boolean {
  let found = false
  const sink: MatchSink = {
    match() {
      found = true
    },
    stringMatch() {
      // its scanner passes over zeros by itself where it may
      found = true
    },
  }
  const bytes = new Uint8Array(lookBehind + STARTS + lookAhead)
  const window = { bytes, gpa: 0, ownedStart: lookBehind, ownedEnd: lookBehind + STARTS }
  for (const scanner of scanners) scanner.scan({ ...window, beginsStretch: false, endsStretch: false }, sink)
  return !found
}

/** As `zerosAreQuiet`, of rows of rules' strings alone: in zeros they may be found that only what lies elsewhere completes. */
export function rowsAreQuiet(scanner: RuleStringScanner, lookBehind: number, lookAhead: number): boolean {
  const { watcher } = scanner
  let found = false
  scanner.watcher = {
    enter() {},
    meets() {
      found = true
      return false
    },
    decides: () => false,
  }
  zerosAreQuiet([scanner], lookBehind, lookAhead)
  scanner.watcher = watcher
  return !found
}
