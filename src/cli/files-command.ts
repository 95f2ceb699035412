/** `vmsift files`: the open files of a process, or of all. */
import type { Command } from 'commander'
import { hex } from '../core/address.js'
import type { LinuxGuest } from '../introspect/linux-guest.js'
import type { ProcessFile } from '../os/linux/files.js'
import type { Listing } from '../os/problem.js'
import type { GuestOptions } from './guest-options.js'
import { listCommand } from './list-command.js'
import { parsePid } from './pid-option.js'

interface FilesOptions extends GuestOptions {
  readonly pid?: string
}

const HELP = `
As /proc/PID/fd shows them: path, access, position.

Examples:
  vmsift files memory.lime
  vmsift files memory.lime --pid 1 --json`

export const define = listCommand<ProcessFile, FilesOptions>({
  description: 'List open files.',
  help: HELP,
  options: (command: Command) => command.option('--pid <pid>', 'only of this process'),
  list: (guest, { pid }) => filesOf(guest, pid === undefined ? undefined : parsePid(pid)),
  json: ({ process, file }) => ({
    pid: process.pid,
    process: process.name,
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
    { title: 'PID', text: ({ process }) => String(process.pid), right: true },
    { title: 'NAME', text: ({ process }) => process.name },
    { title: 'FD', text: ({ file }) => String(file.fd), right: true },
    { title: 'ACCESS', text: ({ file }) => file.access ?? '' },
    { title: 'POSITION', text: ({ file }) => String(file.position ?? ''), right: true },
    { title: 'PATH', text: ({ file }) => file.path ?? '' },
  ],
})

function filesOf(guest: LinuxGuest, pid: number | undefined): Listing<ProcessFile> {
  if (pid === undefined) return guest.allFiles()
  const process = guest.process(pid)
  const { items, problems } = guest.files(pid)
  return { items: items.map(file => ({ process, file })), problems }
}
