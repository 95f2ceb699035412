/** `vmsift modules`: the kernel modules that are loaded. */
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { ModuleSources } from '../os/linux/module-crosscheck.js'
import type { LinuxModule } from '../os/linux/modules.js'
import type { GuestOptions } from './guest-options.js'
import { type Column, listCommand, listView } from './list-command.js'
import { windowsModulesView } from './windows-lists.js'

interface ModulesOptions extends GuestOptions {
  readonly check?: boolean
  readonly pid?: string
}

interface Row {
  readonly module: LinuxModule
  readonly sources?: ModuleSources
  readonly verdict?: string
}

const HELP = `
Linux: as /proc/modules prints them. --check compares the kernel's list with /sys/module, the tree of modules by address and the
memory that was allocated for modules, so that one that is hidden from the list shows.
Windows: --check compares the kernel's list with entries of such lists and drivers' objects in its pool, and with the images that its
addresses show. VERDICT: hidden, of what the list lacks; unlisted, of an image that nothing names; unloaded, of what is left.

Examples:
  vmsift modules memory.lime
  vmsift modules memory.lime --check --json
  vmsift modules memory.dmp --check
  vmsift modules memory.dmp --pid 812`

const shown = (seen: boolean | undefined) => (seen === true ? 'yes' : 'NO')

const CHECK_COLUMNS: readonly Column<Row>[] = [
  { title: 'LIST', text: ({ sources }) => shown(sources?.list) },
  { title: 'SYSFS', text: ({ sources }) => shown(sources?.sysfs) },
  { title: 'TREE', text: ({ sources }) => shown(sources?.tree) },
  { title: 'MEMORY', text: ({ sources }) => shown(sources?.memory) },
  { title: 'VERDICT', text: ({ verdict }) => verdict ?? '' },
]

export const define = listCommand<Row, ModulesOptions>({
  description: 'List the loaded kernel modules.',
  help: HELP,
  options: command =>
    command
      .option('--check', 'find modules in four ways, and tell which show each')
      .option('--pid <pid>', 'Windows: the libraries of this process'),
  windows: listView(windowsModulesView),
  list: async (guest, options) => {
    if (options.pid !== undefined)
      throw new VmsiftError(
        'not-supported',
        'modules --pid is for Windows guests; vmsift maps shows the files of a process',
      )
    if (options.check === true) {
      const { crossCheckModules } = await import('../os/linux/module-crosscheck.js')
      return crossCheckModules(guest.kernel, guest.memory)
    }
    const { items, problems } = guest.modules()
    return { items: items.map(module => ({ module })), problems }
  },
  json: ({ module, sources, verdict }) => ({
    name: module.name,
    base: hex(module.base),
    size: module.size,
    state: module.state,
    address: hex(module.address),
    ranges: module.ranges.map(({ start, bytes }) => ({ start: hex(start), length: bytes })),
    sources,
    verdict,
  }),
  columns: options => [
    { title: 'BASE', text: ({ module }) => hex(module.base) },
    { title: 'SIZE', text: ({ module }) => String(module.size), right: true },
    { title: 'STATE', text: ({ module }) => module.state ?? '' },
    ...(options.check === true ? CHECK_COLUMNS : []),
    { title: 'NAME', text: ({ module }) => module.name },
  ],
})
