/** Commands that print one line for each thing in a list: a table for a person, one object a line with `--json`. */
import type { Command } from 'commander'
import { VmsiftError } from '../core/errors.js'
import type { LinuxGuest } from '../introspect/linux-guest.js'
import type { SystemGuest } from '../introspect/open.js'
import type { WindowsGuest } from '../introspect/windows-guest.js'
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

/** What a list of one family's guests is, and how it is shown. */
export interface ListView<Guest, T, Options extends GuestOptions, List extends Listing<T> = Listing<T>> {
  readonly list: (guest: Guest, options: Options) => List | Promise<List>
  readonly json: (item: T) => Readonly<Record<string, unknown>>
  readonly columns: (options: Options) => readonly Column<T>[]
  /** A line below the table. */
  readonly footer?: (listing: List) => string
}

/** Gives a listing as lines of JSON or of a table; the rows' type is the view's own affair. */
type Show<Guest, Options> = (guest: Guest, options: Options) => Promise<Shown>

interface Shown {
  readonly listing: Listing<unknown>
  readonly lines: Iterable<string>
}

export interface ListCommand<T, Options extends GuestOptions, List extends Listing<T> = Listing<T>>
  extends ListView<LinuxGuest, T, Options, List> {
  readonly description: string
  readonly help: string
  /** Adds what only this command has. */
  readonly options?: (command: Command) => void
  /** The same of Windows guests; absent where the command is for Linux guests only. */
  readonly windows?: Show<WindowsGuest, Options>
}

/** A command for Windows guests only. */
export interface WindowsListCommand<T, Options extends GuestOptions>
  extends ListView<WindowsGuest, T, Options> {
  readonly description: string
  readonly help: string
  readonly options?: (command: Command) => void
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
  const linux: Show<LinuxGuest, Options> = listView(definition)
  return defineList(definition, linux, definition.windows)
}

/** As `listCommand`, of Windows guests. */
export function windowsListCommand<T, Options extends GuestOptions = GuestOptions>(
  definition: WindowsListCommand<T, Options>,
): Define {
  return defineList(definition, undefined, listView(definition))
}

/** How one family's guests are listed. */
export function listView<Guest, T, Options extends GuestOptions, List extends Listing<T> = Listing<T>>(
  view: ListView<Guest, T, Options, List>,
): Show<Guest, Options> {
  return async (guest, options) => {
    const listing = await view.list(guest, options)
    return { listing, lines: linesOf(view, listing, options) }
  }
}

function* linesOf<Guest, T, Options extends GuestOptions, List extends Listing<T>>(
  { json, columns, footer }: ListView<Guest, T, Options, List>,
  listing: List,
  options: Options,
): Generator<string> {
  if (options.json === true) {
    for (const item of listing.items) yield line(json(item))
    return
  }
  yield* tableLines(listing.items, columns(options))
  if (footer !== undefined) yield `${footer(listing)}\n`
}

function defineList<Options extends GuestOptions>(
  {
    description,
    help,
    options: add,
  }: Pick<WindowsListCommand<unknown, Options>, 'description' | 'help' | 'options'>,
  linux: Show<LinuxGuest, Options> | undefined,
  windows: Show<WindowsGuest, Options> | undefined,
): Define {
  return (command, run) => {
    addGuestOptions(command).description(description).addHelpText('after', help)
    add?.(command)
    command.action((path: string, options: Options) =>
      run(() =>
        withGuest(path, options, async guest => {
          const { listing, lines } = await show(guest, options, command.name(), linux, windows)
          const output = outputFor(undefined)
          for (const text of lines) {
            const full = output.write(text)
            if (full !== undefined) await full
          }
          await output.end()
          return tellProblems(listing, options)
        }),
      ),
    )
  }
}

/** @throws VmsiftError `not-supported` for a guest of a family that has no such list. */
function show<Options>(
  guest: SystemGuest,
  options: Options,
  command: string,
  linux: Show<LinuxGuest, Options> | undefined,
  windows: Show<WindowsGuest, Options> | undefined,
): Promise<Shown> {
  if (guest.family === 'linux' && linux !== undefined) return linux(guest, options)
  if (guest.family === 'windows' && windows !== undefined) return windows(guest, options)
  throw onlyFor(guest, command)
}

/** What a command says to a guest of the other family. */
export function onlyFor(guest: SystemGuest, command: string): VmsiftError {
  const [it, other] = guest.family === 'linux' ? ['Linux', 'Windows'] : ['Windows', 'Linux']
  return new VmsiftError(
    'not-supported',
    `${command} is for ${other} guests; this is a ${it} guest (${guest.kernel.release})`,
    {
      detail: { family: guest.family },
    },
  )
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
