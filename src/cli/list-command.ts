/** Commands that print one line for each thing in a list: a table for a person, one object a line with `--json`. */
import type { Command } from 'commander'
import type { LinuxGuest } from '../introspect/linux-guest.js'
import type { Listing } from '../os/problem.js'
import type { Define } from './define.js'
import { escapeText } from './escape.js'
import { addGuestOptions, type GuestOptions, tellProblems, withGuest } from './guest-options.js'
import { outputFor } from './output.js'
import { line } from './scan-json.js'

/** One column of the table. */
export interface Column<T> {
  readonly title: string
  readonly text: (item: T) => string
  /** Numbers stand at the right. */
  readonly right?: boolean
}

export interface ListCommand<T, Options extends GuestOptions, List extends Listing<T> = Listing<T>> {
  readonly description: string
  readonly help: string
  /** Adds what only this command has. */
  readonly options?: (command: Command) => void
  readonly list: (guest: LinuxGuest, options: Options) => List | Promise<List>
  readonly json: (item: T) => Readonly<Record<string, unknown>>
  readonly columns: (options: Options) => readonly Column<T>[]
  /** A line below the table. */
  readonly footer?: (listing: List) => string
}

/** Columns are this wide at most, but for the last one, which has no end. */
const MAX_WIDTH = 48
/** Widths are taken from the first rows: a list can be long. */
const MEASURED_ROWS = 2000

/** Describes such a command to commander. */
export function listCommand<
  T,
  Options extends GuestOptions = GuestOptions,
  List extends Listing<T> = Listing<T>,
>(definition: ListCommand<T, Options, List>): Define {
  return (command, run) => {
    addGuestOptions(command).description(definition.description).addHelpText('after', definition.help)
    definition.options?.(command)
    command.action((path: string, options: Options) => run(() => print(path, options, definition)))
  }
}

function print<T, Options extends GuestOptions, List extends Listing<T>>(
  path: string,
  options: Options,
  definition: ListCommand<T, Options, List>,
): Promise<number> {
  return withGuest(path, options, async guest => {
    const listing = await definition.list(guest, options)
    const output = outputFor(undefined)
    const lines =
      options.json === true
        ? jsonLines(listing.items, definition.json)
        : tableLines(listing.items, definition.columns(options))
    for (const text of lines) {
      const full = output.write(text)
      if (full !== undefined) await full
    }
    if (options.json !== true && definition.footer !== undefined)
      await output.write(`${definition.footer(listing)}\n`)
    await output.end()
    return tellProblems(listing, options)
  })
}

function* jsonLines<T>(items: readonly T[], json: ListCommand<T, GuestOptions>['json']): Generator<string> {
  for (const item of items) yield line(json(item))
}

/** Rows with columns under each other; everything from the guest is escaped. */
export function* tableLines<T>(items: readonly T[], columns: readonly Column<T>[]): Generator<string> {
  const texts = items.slice(0, MEASURED_ROWS).map(item => columns.map(({ text }) => escapeText(text(item))))
  const widths = columns.map(({ title }, column) =>
    Math.min(
      MAX_WIDTH,
      texts.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), title.length),
    ),
  )
  const row = (cells: readonly string[]) =>
    `${cells
      .map((cell, column) => {
        if (columns[column]?.right === true) return cell.padStart(widths[column] ?? 0)
        return column === columns.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)
      })
      .join('  ')
      .trimEnd()}\n`
  yield row(columns.map(({ title }) => title))
  for (const [index, item] of items.entries())
    yield row(texts[index] ?? columns.map(({ text }) => escapeText(text(item))))
}
