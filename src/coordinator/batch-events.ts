/** Columns -> match events: the only place where a match becomes an object. */
import type { CompiledPattern } from '../scan/compiled-scan.js'
import type { MatchEvent } from '../scan/events.js'
import type { Batch } from '../scan/messages.js'

/** The matches of a batch, one after the other. Their `data` and `context` are views of the batch's own bytes. */
export function* matchesOf(
  batch: Batch,
  patterns: readonly CompiledPattern[],
  withContext: boolean,
): Generator<MatchEvent> {
  const { columns, labels } = batch
  let from = 0
  for (let at = 0; at < columns.count; at++) {
    const index = columns.pattern[at] as number
    const dataEnd = columns.dataEnd[at] as number
    const contextEnd = columns.contextEnd[at] as number
    const place = {
      gpa: columns.gpa[at] as number,
      length: columns.length[at] as number,
      data: columns.bytes.subarray(from, dataEnd),
    }
    const context = withContext ? { context: columns.bytes.subarray(dataEnd, contextEnd) } : undefined
    from = contextEnd
    const pattern = patterns[index]
    if (pattern !== undefined)
      yield { type: 'match', scanner: pattern.scanner, rule: pattern.rule, ...place, ...context }
    else {
      const label = labels[index - patterns.length]
      if (label === undefined) throw new Error(`match of an unknown pattern: ${index}`)
      yield { type: 'match', scanner: 'yara', ...label, ...place, ...context }
    }
  }
}
