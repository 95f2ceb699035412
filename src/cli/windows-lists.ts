/** How modules, mappings and threads of Windows guests are listed. */
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { WindowsGuest } from '../introspect/windows-guest.js'
import type { Listing, Problem } from '../os/problem.js'
import type { WindowsMapping } from '../os/windows/maps.js'
import type { WindowsModuleSources, WindowsModuleVerdict } from '../os/windows/module-crosscheck.js'
import type { WindowsModule } from '../os/windows/modules.js'
import type { LoadedImage } from '../os/windows/peb.js'
import type { WindowsThread } from '../os/windows/threads.js'
import type { GuestOptions } from './guest-options.js'
import type { Column, ListView } from './list-command.js'
import { type PidOptions, parsePid } from './pid-option.js'
import { seenText, type Told, toldOf } from './told.js'

/** A module of the kernel's, or a library of a process. */
interface ModuleRow {
  readonly module: WindowsModule | LoadedImage
  readonly sources?: Told<WindowsModuleSources>
  readonly verdict?: WindowsModuleVerdict
}

interface ModulesOptions extends GuestOptions {
  readonly check?: boolean
  readonly pid?: string
}

const CHECK_COLUMNS: readonly Column<ModuleRow>[] = [
  { title: 'LIST', text: ({ sources }) => seenText(sources?.list) },
  { title: 'ENTRY', text: ({ sources }) => seenText(sources?.entry) },
  { title: 'OBJECT', text: ({ sources }) => seenText(sources?.object) },
  { title: 'IMAGE', text: ({ sources }) => seenText(sources?.image) },
  { title: 'VERDICT', text: ({ verdict }) => verdict ?? '' },
]

/** The kernel's modules; with `--pid` the libraries of a process. */
export const windowsModulesView: ListView<WindowsGuest, ModuleRow, ModulesOptions> = {
  list: listModules,
  json: ({ module, sources, verdict }) => ({
    name: module.name,
    base: hex(module.base),
    size: module.size,
    path: module.path,
    address: verdict !== undefined && module.address === 0n ? null : hex(module.address),
    ...('wow64' in module && module.wow64 && { wow64: module.wow64 }),
    sources,
    verdict,
  }),
  columns: ({ check }) => [
    { title: 'BASE', text: ({ module }) => hex(module.base) },
    { title: 'SIZE', text: ({ module }) => String(module.size), right: true },
    ...(check === true ? CHECK_COLUMNS : []),
    { title: 'NAME', text: ({ module }) => module.name },
    { title: 'PATH', text: ({ module }) => module.path },
  ],
}

/** @throws VmsiftError `bad-argument` for both options at once. */
function listModules(guest: WindowsGuest, { pid, check }: ModulesOptions): Listing<ModuleRow> {
  if (check === true && pid !== undefined)
    throw new VmsiftError('bad-argument', "--check is for the kernel's modules: leave --pid or --check out")
  if (check === true) return toldOf(guest.checkedModules())
  const { items, problems } = pid === undefined ? guest.modules() : guest.images(parsePid(pid))
  return { items: items.map(module => ({ module })), problems }
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
