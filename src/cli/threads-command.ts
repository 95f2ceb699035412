/** `vmsift threads`: the threads of a process, or of all. */
import type { Command } from 'commander'
import { hex } from '../core/address.js'
import type { LinuxGuest } from '../introspect/linux-guest.js'
import type { Listing } from '../os/linux/problem.js'
import type { LinuxThread } from '../os/linux/threads.js'
import type { GuestOptions } from './guest-options.js'
import { listCommand } from './list-command.js'
import { parsePid } from './pid-option.js'

interface ThreadsOptions extends GuestOptions {
  readonly pid?: string
}

interface Row {
  readonly pid: number
  readonly thread: LinuxThread
}

const HELP = `
Examples:
  vmsift threads memory.lime --pid 812`

export const define = listCommand<Row, ThreadsOptions>({
  description: 'List threads.',
  help: HELP,
  options: (command: Command) => command.option('--pid <pid>', 'only of this process'),
  list: (guest, { pid }) => threadsOf(guest, pid === undefined ? undefined : parsePid(pid)),
  json: ({ pid, thread }) => ({
    pid,
    tid: thread.tid,
    name: thread.name,
    state: thread.state,
    address: hex(thread.address),
  }),
  columns: () => [
    { title: 'PID', text: ({ pid }) => String(pid), right: true },
    { title: 'TID', text: ({ thread }) => String(thread.tid), right: true },
    { title: 'STATE', text: ({ thread }) => thread.state ?? '' },
    { title: 'NAME', text: ({ thread }) => thread.name },
  ],
})

function threadsOf(guest: LinuxGuest, pid: number | undefined): Listing<Row> {
  const of = pid === undefined ? guest.processes({ commandLines: false }) : undefined
  const problems = [...(of?.problems ?? [])]
  const items: Row[] = []
  for (const process of of?.items ?? [guest.process(pid ?? 0)]) {
    const listing = guest.threads(process.pid)
    problems.push(...listing.problems)
    for (const thread of listing.items) items.push({ pid: process.pid, thread })
  }
  return { items, problems }
}
