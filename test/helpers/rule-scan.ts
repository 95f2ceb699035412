/** Runs rules through a whole scan of a raw image, and tells what came out as `yara -s -L` would. */
import type { ScanRequest } from '../../src/coordinator/request.js'
import { scanIterable } from '../../src/coordinator/scan.js'
import { openTarget } from '../../src/coordinator/target.js'
import type { MatchEvent, RuleEvent, ScanEvent } from '../../src/scan/events.js'
import { outcomeOf } from './scan-events.js'

/** The program prints the length of the bytes that it keeps. */
const MAX_PRINTED = 512

export interface ScannedRules {
  /** Names of the rules that hold, with their namespace where it is not `default`, in their order. */
  readonly rules: readonly string[]
  /** `rule $a 0x10 3`, sorted. */
  readonly matches: readonly string[]
  readonly hints: readonly string[]
  /** Strings of which not every match was kept. */
  readonly limited: readonly string[]
}

/** What a scan of `image` says. */
export async function scanRules(image: string, request: ScanRequest): Promise<ScannedRules> {
  const hints: string[] = []
  using target = await openTarget(image, { format: 'raw' })
  const all: ScanEvent[] = []
  for await (const event of scanIterable(target, { ...request, onHint: line => hints.push(line) }))
    all.push(event)
  const { events, matches, summary } = outcomeOf(all)
  return {
    rules: events.filter((event): event is RuleEvent => event.type === 'rule').map(nameOf),
    matches: matches.map(matchLine).sort(),
    hints,
    limited: summary.limitedStrings ?? [],
  }
}

function nameOf({ namespace, rule }: Pick<MatchEvent, 'namespace' | 'rule'>): string {
  return namespace === undefined || namespace === 'default' ? rule : `${namespace}:${rule}`
}

function matchLine(match: MatchEvent & { readonly gpa: number }): string {
  return `${nameOf(match)} ${match.pattern} 0x${match.gpa.toString(16)} ${Math.min(match.length, MAX_PRINTED)}`
}
