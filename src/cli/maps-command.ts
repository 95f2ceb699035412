/** `vmsift maps`: the mappings of a process. */
import { hex } from '../core/address.js'
import type { LinuxMapping } from '../os/linux/maps.js'
import { listCommand, listView } from './list-command.js'
import { addPidOption, type PidOptions, parsePid } from './pid-option.js'
import { windowsMapsView } from './windows-lists.js'

const HELP = `
Linux: as /proc/PID/maps prints them; the gate page (vsyscall) is not listed. Windows: what the memory manager's
descriptors (VADs) say, with the protection that each range was reserved with.

Examples:
  vmsift maps memory.lime --pid 1
  vmsift maps memory.lime --pid 1 --json`

export const define = listCommand<LinuxMapping, PidOptions>({
  description: 'List the mappings of a process.',
  help: HELP,
  options: addPidOption,
  list: (guest, { pid }) => guest.maps(parsePid(pid)),
  windows: listView(windowsMapsView),
  json: mapping => ({
    start: hex(mapping.start),
    end: hex(mapping.end),
    flags: mapping.flags,
    path: mapping.path,
    offset: mapping.offset,
    device: mapping.device,
    inode: mapping.inode,
    kind: mapping.kind,
    address: hex(mapping.address),
  }),
  columns: () => [
    { title: 'START', text: ({ start }) => hex(start), right: true },
    { title: 'END', text: ({ end }) => hex(end), right: true },
    { title: 'FLAGS', text: ({ flags }) => flags },
    { title: 'OFFSET', text: ({ offset }) => hex(offset), right: true },
    { title: 'PATH', text: ({ path }) => path },
  ],
})
