/** `vmsift list`: running guests. */
import type { Command } from 'commander'
import type { GuestEntry } from '../coordinator/list-guests.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { type Column, tableLines } from './list-command.js'
import { outputFor } from './output.js'
import { line } from './scan-json.js'
import { tell } from './tell.js'
import { formatBytes } from './units.js'

interface ListOptions {
  readonly json?: boolean
  readonly quiet?: boolean
}

const HELP = `
Every QEMU on this machine, with what its monitor says when it has a QMP socket that is free. TARGET is what the other
commands take; a name that two guests have is told by process id. A guest without a state has no monitor that answers:
its memory can be read all the same, where QEMU's process may be.

Examples:
  vmsift list
  vmsift list --json | jq -r 'select(.state == "running") | .target'`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  command
    .description('List the running guests of this machine.')
    .option('--json', 'one JSON object a line')
    .option('-q, --quiet', 'no hints')
    .addHelpText('after', HELP)
    .action((options: ListOptions) => run(() => guestsCommand(options)))
}

const COLUMNS: readonly Column<GuestEntry>[] = [
  { title: 'TARGET', text: ({ target }) => target },
  { title: 'PID', text: ({ pid }) => pid?.toString() ?? '', right: true },
  { title: 'MEMORY', text: ({ bytes }) => (bytes === undefined ? '' : formatBytes(bytes)), right: true },
  { title: 'STATE', text: ({ state }) => state ?? 'not told' },
  { title: 'NAME', text: ({ name }) => name ?? '' },
]

async function guestsCommand(options: ListOptions): Promise<number> {
  const { listGuests } = await import('../coordinator/list-guests.js')
  const guests = await listGuests()
  const output = outputFor(undefined)
  if (options.json === true) for (const guest of guests) await output.write(line(fieldsOf(guest)))
  else if (guests.length > 0) for (const text of tableLines(guests, COLUMNS)) await output.write(text)
  if (guests.length === 0 && options.quiet !== true) tell('no running guest was found on this machine')
  await output.end()
  return EXIT.done
}

function fieldsOf({ target, name, pid, bytes, state }: GuestEntry): Record<string, unknown> {
  return { target, name: name ?? null, pid: pid ?? null, bytes: bytes ?? null, state: state ?? null }
}
