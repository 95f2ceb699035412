/** How modules, mappings and threads of Windows guests are listed. */
import { hex } from '../core/address.js'
import type { WindowsGuest } from '../introspect/windows-guest.js'
import type { Listing, Problem } from '../os/problem.js'
import type { WindowsMapping } from '../os/windows/maps.js'
import type { WindowsThread } from '../os/windows/threads.js'
import type { GuestOptions } from './guest-options.js'
import type { ListView } from './list-command.js'
import { type PidOptions, parsePid } from './pid-option.js'

/** A module of the kernel's, or a library of a process. */
interface ModuleRow {
  readonly name: string
  readonly path: string
  readonly base: bigint
  readonly size: number
  readonly address: bigint
  readonly wow64?: true
}

/** The kernel's modules; with `--pid` the libraries of a process. */
export const windowsModulesView: ListView<WindowsGuest, ModuleRow, GuestOptions & { readonly pid?: string }> =
  {
    list: (guest, { pid }) => (pid === undefined ? guest.modules() : guest.images(parsePid(pid))),
    json: ({ name, path, base, size, address, wow64 }) => ({
      name,
      base: hex(base),
      size,
      path,
      address: hex(address),
      ...(wow64 && { wow64 }),
    }),
    columns: () => [
      { title: 'BASE', text: ({ base }) => hex(base) },
      { title: 'SIZE', text: ({ size }) => String(size), right: true },
      { title: 'NAME', text: ({ name }) => name },
      { title: 'PATH', text: ({ path }) => path },
    ],
  }

/** Mappings, from the descriptors that the memory manager keeps. */
export const windowsMapsView: ListView<WindowsGuest, WindowsMapping, PidOptions> = {
  list: (guest, { pid }) => guest.maps(parsePid(pid)),
  json: ({ start, end, flags, path, protection, kind, address }) => ({
    start: hex(start),
    end: hex(end),
    flags,
    path,
    protection,
    kind,
    address: hex(address),
  }),
  columns: () => [
    { title: 'START', text: ({ start }) => hex(start), right: true },
    { title: 'END', text: ({ end }) => hex(end), right: true },
    { title: 'FLAGS', text: ({ flags }) => flags },
    { title: 'PROTECTION', text: ({ protection }) => protection },
    { title: 'KIND', text: ({ kind }) => kind },
    { title: 'PATH', text: ({ path }) => path },
  ],
}

interface ThreadRow {
  readonly pid: number
  readonly name: string
  readonly thread: WindowsThread
}

/** Threads of a process, or of all. */
export const windowsThreadsView: ListView<WindowsGuest, ThreadRow, GuestOptions & { readonly pid?: string }> =
  {
    list: (guest, { pid }) => threadsOf(guest, pid === undefined ? undefined : parsePid(pid)),
    json: ({ pid, name, thread }) => ({
      pid,
      tid: thread.tid,
      name,
      teb: thread.teb === undefined ? null : hex(thread.teb),
      address: hex(thread.address),
    }),
    columns: () => [
      { title: 'PID', text: ({ pid }) => String(pid), right: true },
      { title: 'TID', text: ({ thread }) => String(thread.tid), right: true },
      { title: 'TEB', text: ({ thread }) => (thread.teb === undefined ? '' : hex(thread.teb)) },
      { title: 'PROCESS', text: ({ name }) => name },
    ],
  }

function threadsOf(guest: WindowsGuest, pid: number | undefined): Listing<ThreadRow> {
  const listed = guest.processes({ commandLines: false })
  const wanted = pid === undefined ? listed.items : [guest.process(pid)]
  const items: ThreadRow[] = []
  const problems: Problem[] = [...(pid === undefined ? listed.problems : [])]
  for (const process of wanted) {
    const found = guest.threads(process.pid)
    problems.push(...found.problems)
    for (const thread of found.items) items.push({ pid: process.pid, name: process.name, thread })
  }
  return { items, problems }
}
