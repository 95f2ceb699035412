/** `vmsift ps` of a Windows guest. */
import { hex } from '../core/address.js'
import type { WindowsGuest } from '../introspect/windows-guest.js'
import type { Listing } from '../os/problem.js'
import type { WindowsProcessSources, WindowsProcessVerdict } from '../os/windows/crosscheck.js'
import type { WindowsProcess } from '../os/windows/processes.js'
import type { Column, ListView } from './list-command.js'
import type { PsOptions } from './ps-command.js'
import { seenText, type Told, toldOf } from './told.js'

interface Row {
  readonly process: WindowsProcess
  readonly sources?: Told<WindowsProcessSources>
  readonly verdict?: WindowsProcessVerdict
}

const CHECK_COLUMNS: readonly Column<Row>[] = [
  { title: 'LIST', text: ({ sources }) => seenText(sources?.processList) },
  { title: 'IDS', text: ({ sources }) => seenText(sources?.cidTable) },
  { title: 'SEARCH', text: ({ sources }) => seenText(sources?.scan) },
  { title: 'VERDICT', text: ({ verdict }) => verdict ?? '' },
]

/** How processes of a Windows guest are listed. */
export const windowsPs: ListView<WindowsGuest, Row, PsOptions> = {
  list: (guest, options) => (options.check === true ? toldOf(guest.checkedProcesses()) : listed(guest)),
  json: ({ process, sources, verdict }) => ({
    pid: process.pid,
    ppid: process.ppid,
    name: process.name,
    dtb: process.dtb === undefined ? null : hex(process.dtb),
    address: hex(process.address),
    threads: process.threads ?? null,
    // no user ids: accounts are known by what their tokens say
    uid: null,
    session: process.session ?? null,
    createTime: wallClock(process.createTime) ?? null,
    exitTime: wallClock(process.exitTime) ?? null,
    commandLine: process.commandLine ?? null,
    imagePath: process.imagePath ?? null,
    wow64: process.wow64 ?? null,
    peb: process.peb === undefined ? null : hex(process.peb),
    sources,
    verdict,
  }),
  columns: options => [
    { title: 'PID', text: ({ process }) => String(process.pid), right: true },
    { title: 'PPID', text: ({ process }) => String(process.ppid), right: true },
    { title: 'SESSION', text: ({ process }) => String(process.session ?? ''), right: true },
    { title: 'THREADS', text: ({ process }) => String(process.threads ?? ''), right: true },
    { title: 'BITS', text: ({ process }) => (process.wow64 === true ? '32' : ''), right: true },
    { title: 'STARTED', text: ({ process }) => wallClock(process.createTime) ?? '' },
    { title: 'ENDED', text: ({ process }) => wallClock(process.exitTime) ?? '' },
    { title: 'DTB', text: ({ process }) => (process.dtb === undefined ? '' : hex(process.dtb)) },
    // a triage dump holds parts of processes only
    { title: 'NAME', text: ({ process }) => process.name || '?' },
    ...(options.check === true ? CHECK_COLUMNS : []),
    { title: 'COMMAND', text: ({ process }) => process.commandLine ?? process.imagePath ?? '' },
  ],
}

function listed(guest: WindowsGuest): Listing<Row> {
  const { items, problems } = guest.processes()
  return { items: items.map(process => ({ process })), problems }
}

function wallClock(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}
