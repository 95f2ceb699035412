/** `vmsift integrity`: pointers of the kernel's that lead out of its code. */
import { hex } from '../core/address.js'
import { checkIntegrity, type IntegrityFinding, type IntegrityReport } from '../os/linux/integrity.js'
import type { GuestOptions } from './guest-options.js'
import { listCommand } from './list-command.js'
import { plural } from './units.js'

const HELP = `
Looks at every entry of the system call tables and the interrupt table, and at every pointer to code in the kernel's tables
of operations. Printed is what leads outside the kernel's text and the modules it knows, and below the table how many entries
of what were looked at: 0 where the guest's symbols don't tell where they are.

Examples:
  vmsift integrity memory.lime`

export const define = listCommand<IntegrityFinding, GuestOptions, IntegrityReport>({
  description: 'Find hooks: system calls, interrupt gates and kernel pointers that lead elsewhere.',
  help: HELP,
  list: guest => checkIntegrity(guest.kernel, guest.memory),
  json: ({ where, index, address, owner }) => ({ where, index, address: hex(address), owner }),
  columns: () => [
    { title: 'TABLE', text: ({ where }) => where },
    { title: 'ENTRY', text: ({ index }) => String(index), right: true },
    { title: 'LEADS TO', text: ({ address }) => hex(address) },
    { title: 'THAT IS', text: ({ owner }) => JSON.stringify(owner) },
  ],
  footer: ({ items, checked }) =>
    `${plural(items.length, 'finding', 'findings')}; looked at ${[...checked].map(([what, count]) => `${count} of ${what}`).join(', ') || 'nothing'}`,
})
