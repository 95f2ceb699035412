/** Scan events as NDJSON. Field names and order are the contract of the command line. */
import { hex } from '../core/address.js'
import type { GapEvent, MatchEvent, RuleEvent, SummaryEvent } from '../scan/events.js'
import type { Owner } from '../space/guest-spaces.js'
import { safeJson } from './escape.js'
import type { ScanRenderer } from './scan-renderer.js'

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
/** Up to here a loop is faster than Buffer's call into native code. */
const SHORT_BYTES = 24

/** One object a line. */
export class JsonRenderer implements ScanRenderer {
  /** What the matches of one pattern have in common, as text: millions of them may come. */
  readonly #heads = new Map<string, string>()
  /** The match before, and its head: most have the same. */
  #last: MatchEvent | undefined
  #lastHead = ''

  event(event: MatchEvent | RuleEvent | GapEvent): string {
    if (event.type === 'match') return this.#match(event)
    if (event.type === 'gap')
      return line({
        type: 'gap',
        ...(event.gpa === undefined ? { va: hex(event.va), pid: event.pid } : { pa: hex(event.gpa) }),
        length: event.length,
        reason: event.reason,
        swap: event.swap,
      })
    return line({
      type: 'rule',
      rule: event.rule,
      namespace: event.namespace,
      tags: event.tags,
      meta: event.meta,
      pid: event.pid,
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
      limitedStrings: summary.limitedStrings,
      seconds: summary.seconds,
      jobs: summary.jobs,
      matcher: summary.matcher,
      spaces: summary.spaces,
      consistency: summary.consistency,
      ended: summary.ended,
      complete: summary.complete,
      version: summary.version,
      startTime: summary.startTime,
      sha256,
    })
  }

  #match(event: MatchEvent): string {
    const context = event.context === undefined ? '' : `,"context":"${hexBytes(event.context)}"`
    const space = event.va === undefined ? '' : `,"va":"${hex(event.va)}","pid":${event.pid}`
    const place =
      event.gpa === undefined
        ? `${event.swap === undefined ? '' : `"swap":${JSON.stringify(event.swap)},`}${space.slice(1)},"length":${event.length}`
        : `"pa":"0x${event.gpa.toString(16)}"${space},"length":${event.length}`
    const owners = event.owners === undefined ? '' : `,"owners":${ownersText(event.owners)}`
    const file = event.file === undefined ? '' : `,"file":${safeJson(event.file)}`
    const stable = event.stable === undefined ? '' : `,"stable":${event.stable}`
    return `${this.#head(event)}${place},"data":"${hexBytes(event.data)}"${context}${owners}${file}${stable}}\n`
  }

  #head(event: MatchEvent): string {
    const { scanner, namespace, rule, pattern } = event
    const last = this.#last
    this.#last = event
    if (
      last !== undefined &&
      last.rule === rule &&
      last.pattern === pattern &&
      last.namespace === namespace &&
      last.scanner === scanner
    )
      return this.#lastHead
    const key = scanner === 'yara' ? `${namespace}\0${rule}\0${pattern}` : `${scanner}\0${rule}`
    let head = this.#heads.get(key)
    if (head === undefined) {
      head = `${safeJson({ type: 'match', scanner, namespace, rule, pattern }).slice(0, -1)},`
      this.#heads.set(key, head)
    }
    this.#lastHead = head
    return head
  }
}

function ownersText(owners: readonly Owner[]): string {
  return safeJson(owners.map(({ va, ...owner }) => ({ ...owner, va: hex(va) })))
}

/** Bytes as hexadecimal digits, lower case. */
export function hexBytes(bytes: Uint8Array): string {
  if (bytes.length <= SHORT_BYTES) {
    let text = ''
    for (const byte of bytes) text += HEX[byte]
    return text
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** An object as one line, safe on a terminal; undefined fields are left out. */
export function line(fields: Readonly<Record<string, unknown>>): string {
  return `${safeJson(fields)}\n`
}
