/** `vmsift integrity`: pointers of the kernel's that lead out of its code. */
import { hex } from '../core/address.js'
import { checkIntegrity, type IntegrityFinding } from '../os/linux/integrity.js'
import { listCommand } from './list-command.js'

const HELP = `
Looks at every entry of the system call tables and the interrupt table, and at every pointer to code in the kernel's tables
of operations. Printed is what leads outside the kernel's text and the modules it knows; nothing printed is good news.

Examples:
  vmsift integrity memory.lime`

export const define = listCommand<IntegrityFinding>({
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
})
