/** Scan events as NDJSON. Field names and order are the contract of the command line. */
import { hex } from '../core/address.js'
import type { GapEvent, MatchEvent, RuleEvent, SummaryEvent } from '../scan/events.js'
import type { ScanRenderer } from './scan-renderer.js'

/** One object a line. */
export class JsonRenderer implements ScanRenderer {
  event(event: MatchEvent | RuleEvent | GapEvent): string {
    if (event.type === 'match') return line(matchFields(event))
    if (event.type === 'gap')
      return line({ type: 'gap', pa: hex(event.gpa), length: event.length, reason: event.reason })
    return line({
      type: 'rule',
      rule: event.rule,
      namespace: event.namespace,
      tags: event.tags,
      meta: event.meta,
    })
  }

  summary(summary: SummaryEvent, sha256: string | undefined): string {
    return line({
      type: 'summary',
      target: summary.target,
      bytesTotal: summary.bytesTotal,
      bytesScanned: summary.bytesScanned,
      bytesUnread: summary.bytesUnread,
      bytesFailed: summary.bytesFailed,
      matches: summary.matches,
      rules: summary.rules,
      seconds: summary.seconds,
      jobs: summary.jobs,
      matcher: summary.matcher,
      complete: summary.complete,
      version: summary.version,
      startTime: summary.startTime,
      sha256,
    })
  }
}

function matchFields(event: MatchEvent): Record<string, unknown> {
  return {
    type: 'match',
    scanner: event.scanner,
    namespace: event.namespace,
    rule: event.rule,
    pattern: event.pattern,
    pa: hex(event.gpa),
    length: event.length,
    data: hexBytes(event.data),
    context: event.context === undefined ? undefined : hexBytes(event.context),
  }
}

/** Bytes as hexadecimal digits, lower case. */
export function hexBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** An object as one line; undefined fields are left out. */
export function line(fields: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(fields)}\n`
}
