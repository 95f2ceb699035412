/** `vmsift ps`: the guest's processes. */
import { hex } from '../core/address.js'
import type { LinuxGuest } from '../introspect/linux-guest.js'
import type { ProcessSources, ProcessVerdict } from '../os/linux/crosscheck.js'
import type { LinuxProcess } from '../os/linux/processes.js'
import type { Listing } from '../os/problem.js'
import type { GuestOptions } from './guest-options.js'
import { type Column, listCommand, listView } from './list-command.js'
import { windowsPs } from './windows-ps.js'

export interface PsOptions extends GuestOptions {
  readonly check?: boolean
}

/** A process, with where it was seen when that was asked for. */
interface Row {
  readonly process: LinuxProcess
  readonly sources?: ProcessSources
  readonly verdict?: ProcessVerdict
}

const HELP = `
One line a process (Linux: thread-group leader, zombies too). Nothing is needed beside the image: symbols and layouts
come from the guest's memory. --check compares the kernel's list with its table of pids and with a search of all memory
for the structures of processes, so that a hidden process shows (-: that source could not be read). maps, modules, read
and scan take the pid of a Windows process that is hidden from the list, too.

Examples:
  vmsift ps memory.lime
  vmsift ps memory.lime --check
  vmsift ps memory.lime --json | jq 'select(.uid == 0)'`

export const define = listCommand<Row, PsOptions>({
  description: "List the guest's processes.",
  help: HELP,
  options: command => command.option('--check', 'find processes in three ways, and tell which show each'),
  list: (guest, options) => (options.check === true ? checked(guest) : listed(guest)),
  windows: listView(windowsPs),
  json: ({ process, sources, verdict }) => ({
    pid: process.pid,
    ppid: process.ppid,
    name: process.name,
    dtb: process.dtb === undefined ? null : hex(process.dtb),
    address: hex(process.address),
    threads: process.threads,
    uid: process.uid ?? null,
    euid: process.euid,
    gid: process.gid,
    state: process.state,
    startSeconds: process.startTime?.sinceBoot,
    startTime: wallClock(process),
    kernelThread: process.kernelThread,
    arguments: process.commandLine.kind === 'read' ? process.commandLine.arguments : null,
    namespacePids: process.namespacePids,
    sources,
    verdict,
  }),
  columns: options => [
    { title: 'PID', text: ({ process }) => String(process.pid), right: true },
    { title: 'PPID', text: ({ process }) => String(process.ppid), right: true },
    { title: 'UID', text: ({ process }) => String(process.uid ?? ''), right: true },
    { title: 'THREADS', text: ({ process }) => String(process.threads), right: true },
    { title: 'STATE', text: ({ process }) => process.state ?? '' },
    { title: 'STARTED', text: ({ process }) => startText(process) ?? '' },
    { title: 'DTB', text: ({ process }) => (process.dtb === undefined ? '' : hex(process.dtb)) },
    { title: 'NAME', text: ({ process }) => process.name },
    ...(options.check === true ? CHECK_COLUMNS : []),
    { title: 'COMMAND', text: ({ process }) => commandText(process) },
  ],
})

const CHECK_COLUMNS: readonly Column<Row>[] = [
  { title: 'LIST', text: ({ sources }) => (sources?.taskList === true ? 'yes' : 'NO') },
  { title: 'PIDS', text: ({ sources }) => (sources?.pidTable === true ? 'yes' : 'NO') },
  { title: 'SEARCH', text: ({ sources }) => (sources?.scan === true ? 'yes' : 'NO') },
  { title: 'VERDICT', text: ({ verdict }) => verdict ?? '' },
]

function listed(guest: LinuxGuest): Listing<Row> {
  const { items, problems } = guest.processes()
  return { items: items.map(process => ({ process })), problems }
}

async function checked(guest: LinuxGuest): Promise<Listing<Row>> {
  const { crossCheckProcesses } = await import('../os/linux/crosscheck.js')
  return crossCheckProcesses(guest.kernel, guest.memory)
}

function startText({ startTime }: LinuxProcess): string | undefined {
  if (startTime === undefined) return undefined
  return wallClock({ startTime }) ?? `boot + ${startTime.sinceBoot.toFixed(2)} s`
}

/** Absent where nothing tells when the guest was booted. */
function wallClock({ startTime }: Pick<LinuxProcess, 'startTime'>): string | undefined {
  const seconds = startTime?.unixSeconds
  return seconds === undefined ? undefined : `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}

function commandText({ commandLine, kernelThread }: LinuxProcess): string {
  if (commandLine.kind === 'read') return commandLine.arguments.join(' ')
  return kernelThread || commandLine.reason === 'none' ? '' : `(${commandLine.reason})`
}
