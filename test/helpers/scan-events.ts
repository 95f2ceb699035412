/** Collects what a scan tells. */

import type { ScanRequest } from '../../src/coordinator/request.js'
import { scan } from '../../src/coordinator/scan.js'
import { openTarget } from '../../src/coordinator/target.js'
import type {
  ErrorEvent,
  GapEvent,
  ResidentMatchEvent,
  ScanEvent,
  SummaryEvent,
  SwappedMatchEvent,
} from '../../src/scan/events.js'

export interface ScanOutcome {
  readonly events: ScanEvent[]
  /** In the guest's memory. */
  readonly matches: ResidentMatchEvent[]
  /** In pages that were swapped out. */
  readonly swapped: SwappedMatchEvent[]
  readonly gaps: GapEvent[]
  readonly errors: ErrorEvent[]
  readonly summary: SummaryEvent
}

/** Scans a file to the end. */
export async function scanFile(path: string, request: ScanRequest): Promise<ScanOutcome> {
  using target = await openTarget(path)
  const events: ScanEvent[] = []
  await new Promise<void>((resolve, reject) => {
    scan(target, request).subscribe({ next: event => events.push(event), error: reject, complete: resolve })
  })
  return outcomeOf(events)
}

/** Sorts events by type; fails when the summary is not the last. */
export function outcomeOf(events: ScanEvent[]): ScanOutcome {
  const summary = events.at(-1)
  if (summary?.type !== 'summary') throw new Error('the last event is no summary')
  return {
    events,
    summary,
    matches: events.filter(event => event.type === 'match').filter(match => match.gpa !== undefined),
    swapped: events.filter(event => event.type === 'match').filter(match => match.swap !== undefined),
    gaps: events.filter(event => event.type === 'gap'),
    errors: events.filter(event => event.type === 'error'),
  }
}
