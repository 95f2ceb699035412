/** `vmsift handles`: what a process of a Windows guest has opened. */
import { hex } from '../core/address.js'
import type { WindowsHandle } from '../os/windows/handles.js'
import { windowsListCommand } from './list-command.js'
import { addPidOption, type PidOptions, parsePid } from './pid-option.js'

const HELP = `
Of Windows guests; \`vmsift files\` is its like for Linux guests.

Examples:
  vmsift handles memory.dmp --pid 4
  vmsift handles memory.dmp --pid 812 --json | jq 'select(.type == "File")'`

export const define = windowsListCommand<WindowsHandle, PidOptions>({
  description: 'List the handles of a process.',
  help: HELP,
  options: addPidOption,
  list: (guest, { pid }) => guest.handles(parsePid(pid)),
  json: ({ handle, type, name, access, address }) => ({
    handle: hex(handle),
    type: type ?? null,
    name: name ?? null,
    access: hex(access),
    address: hex(address),
  }),
  columns: () => [
    { title: 'HANDLE', text: ({ handle }) => hex(handle), right: true },
    { title: 'TYPE', text: ({ type }) => type ?? '' },
    { title: 'ACCESS', text: ({ access }) => hex(access), right: true },
    { title: 'OBJECT', text: ({ address }) => hex(address) },
    { title: 'NAME', text: ({ name }) => name ?? '' },
  ],
})
