/** `vmsift threads`: the threads of a process, or of all. */
import type { Command } from 'commander'
import { hex } from '../core/address.js'
import type { LinuxGuest } from '../introspect/linux-guest.js'
import type { ProcessThread } from '../os/linux/threads.js'
import type { Listing } from '../os/problem.js'
import type { GuestOptions } from './guest-options.js'
import { listCommand, listView } from './list-command.js'
import { parsePid } from './pid-option.js'
import { windowsThreadsView } from './windows-lists.js'

interface ThreadsOptions extends GuestOptions {
  readonly pid?: string
}

const HELP = `
Examples:
  vmsift threads memory.lime --pid 812`

export const define = listCommand<ProcessThread, ThreadsOptions>({
  description: 'List threads.',
  help: HELP,
  options: (command: Command) => command.option('--pid <pid>', 'only of this process'),
  windows: listView(windowsThreadsView),
  list: (guest, { pid }) => threadsOf(guest, pid === undefined ? undefined : parsePid(pid)),
  json: ({ process, thread }) => ({
    pid: process.pid,
    tid: thread.tid,
    name: thread.name,
    state: thread.state,
    address: hex(thread.address),
  }),
  columns: () => [
    { title: 'PID', text: ({ process }) => String(process.pid), right: true },
    { title: 'TID', text: ({ thread }) => String(thread.tid), right: true },
    { title: 'STATE', text: ({ thread }) => thread.state ?? '' },
    { title: 'NAME', text: ({ thread }) => thread.name },
  ],
})

function threadsOf(guest: LinuxGuest, pid: number | undefined): Listing<ProcessThread> {
  if (pid === undefined) return guest.allThreads()
  const process = guest.process(pid)
  const { items, problems } = guest.threads(pid)
  return { items: items.map(thread => ({ process, thread })), problems }
}
