/** The contract between the scan command and the ways to print what it finds. */
import type { GapEvent, MatchEvent, RuleEvent, SummaryEvent } from '../scan/events.js'

export interface ScanRenderer {
  /** Text for an event, each line ended; empty when it is only counted. */
  event(event: MatchEvent | RuleEvent | GapEvent): string
  /** Text that ends the output. `sha256` is the image file's, when it was asked for. */
  summary(summary: SummaryEvent, sha256: string | undefined): string | Promise<string>
}
