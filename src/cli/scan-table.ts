/** Scan events for a person: a table with fixed columns, so that rows can be printed as they come. */
import { hex } from '../core/address.js'
import { hexdump } from '../core/hexdump.js'
import type { GapReason, MemoryRun } from '../core/memory.js'
import { findRun } from '../core/runs.js'
import type { GapEvent, MatchEvent, RuleEvent, SummaryEvent } from '../scan/events.js'
import type { Owner, PageFile } from '../space/guest-spaces.js'
import type { Colors } from './colors.js'
import { clip, escapeBytes, escapeText } from './escape.js'
import type { ScanRenderer } from './scan-renderer.js'
import { formatBytes, formatRate, formatSeconds, plural } from './units.js'

const RULE_COLUMNS = 28
const DATA_COLUMNS = 64
const PID_COLUMNS = 7
const VIRTUAL_DIGITS = 16
/** Owners of a match that are shown; a page of a shared library has hundreds. */
const SHOWN_OWNERS = 4
/** Strings with too many matches that are named. */
const SHOWN_STRINGS = 8

interface GapCount {
  ranges: number
  bytes: number
}

/** Rows, and behind them what was scanned and what wasn't. */
export class TableRenderer implements ScanRenderer {
  readonly #colors: Colors
  readonly #contextBytes: number
  readonly #runs: readonly MemoryRun[]
  readonly #digits: number
  readonly #gaps = new Map<GapReason, GapCount>()
  #headed = false

  /** `runs` is the target's memory: context begins no earlier than the match's run. */
  constructor(colors: Colors, contextBytes: number, runs: readonly MemoryRun[]) {
    this.#colors = colors
    this.#contextBytes = contextBytes
    this.#runs = runs
    const last = runs.at(-1)
    this.#digits = last === undefined ? 8 : Math.max(8, (last.gpa + last.length - 1).toString(16).length)
  }

  event(event: MatchEvent | RuleEvent | GapEvent): string {
    if (event.type === 'match') return this.#heading(event.va !== undefined) + this.#match(event)
    if (event.type === 'rule') return this.#rule(event)
    const count = this.#gaps.get(event.reason) ?? { ranges: 0, bytes: 0 }
    count.ranges++
    count.bytes += event.length
    this.#gaps.set(event.reason, count)
    return ''
  }

  async summary(summary: SummaryEvent, sha256: string | undefined): Promise<string> {
    const { bold } = this.#colors
    const rules =
      summary.rules === 0
        ? ''
        : `, ${plural(summary.rules, 'rule')} that ${summary.rules === 1 ? 'holds' : 'hold'}`
    const rate = summary.seconds > 0 ? ` (${formatRate(summary.bytesScanned / summary.seconds)})` : ''
    const lines = [
      this.#headed || summary.rules > 0 ? '' : undefined,
      bold(`${plural(summary.matches, 'match', 'matches')}${rules}`),
      `${formatBytes(summary.bytesScanned)} of ${formatBytes(summary.bytesTotal)} scanned in ${formatSeconds(summary.seconds)}${rate}, ` +
        `${plural(summary.jobs, 'worker')}, ${escapeText(summary.matcher)}`,
      consistencyText(summary),
      limitedText(summary),
      summary.complete ? undefined : endOf(summary),
      sha256 === undefined ? undefined : `SHA-256 of the image: ${sha256}`,
    ]
    const text = lines.filter(text => text !== undefined).join('\n')
    return `${text}\n${await this.#gapTable()}`
  }

  #heading(virtual: boolean): string {
    if (this.#headed) return ''
    this.#headed = true
    const digits = virtual ? VIRTUAL_DIGITS : this.#digits
    const pid = virtual ? `${'PID'.padStart(PID_COLUMNS)}  ` : ''
    const columns = `${pid}${'ADDRESS'.padEnd(digits + 2)}  LENGTH  ${'PATTERN'.padEnd(RULE_COLUMNS)}  DATA`
    return `${this.#colors.bold(columns)}\n`
  }

  #match(event: MatchEvent): string {
    const { cyan, dim } = this.#colors
    const virtual = event.va !== undefined
    const digits = virtual ? VIRTUAL_DIGITS : this.#digits
    const at = event.gpa === undefined ? event.va : (event.va ?? BigInt(event.gpa))
    const pid = virtual ? `${String(event.pid).padStart(PID_COLUMNS)}  ` : ''
    const name = escapeText(event.pattern === undefined ? event.rule : `${event.rule} ${event.pattern}`)
    const changed = event.stable === false ? ' (changed since)' : ''
    const data = clip(escapeBytes(event.data), DATA_COLUMNS) + changed
    const length = String(event.length).padStart(6)
    const address = cyan(`0x${at.toString(16).padStart(digits, '0')}`)
    const row = `${pid}${address}  ${length}  ${clip(name, RULE_COLUMNS).padEnd(RULE_COLUMNS)}  ${data}\n`
    const owners = event.owners === undefined ? '' : dim(ownersText(event.owners, event.file))
    if (event.context === undefined) return row + owners
    const room =
      virtual || event.gpa === undefined ? this.#contextBytes : event.gpa - this.#runStart(event.gpa)
    const before = bytesBefore(event.context, event.data, Math.min(this.#contextBytes, room))
    return row + owners + dim(hexdump(event.context, at - BigInt(before), digits, '    '))
  }

  #runStart(gpa: number): number {
    return this.#runs[findRun(this.#runs, gpa)]?.gpa ?? 0
  }

  #rule(event: RuleEvent): string {
    const tags = event.tags.length === 0 ? '' : ` [${event.tags.map(escapeText).join(' ')}]`
    const where =
      event.pid === undefined ? '' : ` in ${event.pid === 0 ? 'the kernel' : `process ${event.pid}`}`
    return `${this.#colors.bold('rule')} ${escapeText(`${event.namespace}:${event.rule}`)}${tags}${where}\n`
  }

  async #gapTable(): Promise<string> {
    if (this.#gaps.size === 0) return ''
    const { default: Table } = await import('cli-table3')
    const table = new Table({
      head: ['not read', 'ranges', 'bytes'],
      style: { head: [], border: [], compact: true },
    })
    for (const [reason, { ranges, bytes }] of this.#gaps)
      table.push([
        reason,
        { content: String(ranges), hAlign: 'right' },
        { content: formatBytes(bytes), hAlign: 'right' },
      ])
    return `${table}\n`
  }
}

function consistencyText({ consistency }: SummaryEvent): string | undefined {
  if (consistency === undefined) return undefined
  const { changedPages, sampledPages, changedRatio } = consistency
  const percent = (changedRatio * 100).toFixed(2)
  return `${percent} % of memory changed meanwhile (${changedPages} of ${sampledPages} pages looked at)`
}

function limitedText({ limitedStrings = [] }: SummaryEvent): string | undefined {
  if (limitedStrings.length === 0) return undefined
  const more = limitedStrings.length - SHOWN_STRINGS
  const shown = limitedStrings.slice(0, SHOWN_STRINGS).map(escapeText).join(', ')
  return `Not every match was kept of ${shown}${more > 0 ? ` and ${more} more (--json names all)` : ''}: their rules may be judged wrongly.`
}

/** Who maps a match, on a line of its own. */
function ownersText(owners: readonly Owner[], file: PageFile | undefined): string {
  const of = file === undefined ? '' : `    of ${escapeText(file.path)}${offsetText(file)}\n`
  if (owners.length === 0) return of === '' ? '    no owner\n' : of
  const shown = owners
    .slice(0, SHOWN_OWNERS)
    .map(({ pid, process, va }) => `${escapeText(process)} (${pid}) at ${hex(va)}`)
  const more = owners.length > SHOWN_OWNERS ? `, and ${owners.length - SHOWN_OWNERS} more` : ''
  return `${of}    ${shown.join(', ')}${more}\n`
}

function offsetText({ offset }: PageFile): string {
  return offset === undefined ? '' : ` at ${hex(offset)}`
}

/** Where the match begins in its context: `most` bytes in, unless memory begins later than that. */
function bytesBefore(context: Uint8Array, data: Uint8Array, most: number): number {
  const bytes = Buffer.from(context.buffer, context.byteOffset, context.length)
  return Math.max(0, bytes.lastIndexOf(data, most))
}

function endOf({ spaces }: SummaryEvent): string {
  return (spaces?.truncated ?? 0) > 0 ? 'Part of an address space was left out.' : 'Stopped before the end.'
}
