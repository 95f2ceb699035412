/** `vmsift files`: the open files of a process, or of all. */
import type { Command } from 'commander'
import { hex } from '../core/address.js'
import type { LinuxGuest } from '../introspect/linux-guest.js'
import type { OpenFile } from '../os/linux/files.js'
import type { Listing } from '../os/linux/problem.js'
import type { GuestOptions } from './guest-options.js'
import { listCommand } from './list-command.js'
import { parsePid } from './pid-option.js'

interface FilesOptions extends GuestOptions {
  readonly pid?: string
}

interface Row {
  readonly pid: number
  readonly process: string
  readonly file: OpenFile
}

const HELP = `
As /proc/PID/fd shows them: path, access, position.

Examples:
  vmsift files memory.lime
  vmsift files memory.lime --pid 1 --json`

export const define = listCommand<Row, FilesOptions>({
  description: 'List open files.',
  help: HELP,
  options: (command: Command) => command.option('--pid <pid>', 'only of this process'),
  list: (guest, { pid }) => filesOf(guest, pid === undefined ? undefined : parsePid(pid)),
  json: ({ pid, process, file }) => ({
    pid,
    process,
    fd: file.fd,
    path: file.path ?? null,
    kind: file.kind,
    access: file.access,
    flags: file.flags,
    position: file.position,
    inode: file.inode,
    size: file.size,
    address: hex(file.address),
  }),
  columns: () => [
    { title: 'PID', text: ({ pid }) => String(pid), right: true },
    { title: 'NAME', text: ({ process }) => process },
    { title: 'FD', text: ({ file }) => String(file.fd), right: true },
    { title: 'ACCESS', text: ({ file }) => file.access ?? '' },
    { title: 'POSITION', text: ({ file }) => String(file.position ?? ''), right: true },
    { title: 'PATH', text: ({ file }) => file.path ?? '' },
  ],
})

function filesOf(guest: LinuxGuest, pid: number | undefined): Listing<Row> {
  const of = pid === undefined ? guest.processes({ commandLines: false }) : undefined
  const chosen = of?.items ?? [guest.process(pid ?? 0)]
  const problems = [...(of?.problems ?? [])]
  const items: Row[] = []
  for (const process of chosen) {
    const listing = guest.files(process.pid)
    problems.push(...listing.problems)
    for (const file of listing.items) items.push({ pid: process.pid, process: process.name, file })
  }
  return { items, problems }
}
