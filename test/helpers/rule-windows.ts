/** Searches bytes for the strings of rules as workers do, window by window. */
import { RuleStringScanner } from '../../scanners/rule-strings.js'
import type { StringTables } from '../../src/rules/search/tables.js'

/** Windows of what `read` gives of `length` bytes end at `ends`, ascending; `found` is told each match of a part once, by its place. */
export function scanInWindows(
  tables: StringTables,
  length: number,
  read: (from: number, to: number) => Uint8Array,
  ends: Iterable<number>,
  found: (part: number, offset: number, matched: number) => void,
): void {
  using scanner = new RuleStringScanner(tables)
  let at = 0
  for (const end of ends) {
    if (end === at) continue
    const from = Math.max(0, at - tables.behindBytes)
    const to = Math.min(length, end + tables.aheadBytes)
    const window = {
      bytes: read(from, to),
      gpa: from,
      ownedStart: at - from,
      ownedEnd: end - from,
      beginsStretch: from === 0,
      endsStretch: to === length,
    }
    scanner.scan(window, {
      match() {},
      stringMatch: (part, offset, matched) => found(part, from + offset, matched),
    })
    at = end
  }
}
