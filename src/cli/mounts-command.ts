/** `vmsift mounts`: what is mounted where. */
import type { Command } from 'commander'
import type { Mount } from '../os/linux/mounts.js'
import type { GuestOptions } from './guest-options.js'
import { listCommand } from './list-command.js'
import { parsePid } from './pid-option.js'

interface MountsOptions extends GuestOptions {
  readonly pid?: string
}

const HELP = `
As /proc/PID/mountinfo prints them; without --pid what process 1 sees.

Examples:
  vmsift mounts memory.lime
  vmsift mounts memory.lime --pid 812 --json`

export const define = listCommand<Mount, MountsOptions>({
  description: 'List mounts.',
  help: HELP,
  options: (command: Command) => command.option('--pid <pid>', 'as this process sees them'),
  list: (guest, { pid }) => guest.mounts(pid === undefined ? undefined : parsePid(pid)),
  json: mount => ({
    id: mount.id,
    parentId: mount.parentId,
    source: mount.source ?? null,
    mountPoint: mount.mountPoint,
    root: mount.root,
    type: mount.type ?? null,
    options: mount.options,
    superOptions: mount.superOptions,
    propagation: mount.propagation,
    major: mount.major,
    minor: mount.minor,
  }),
  columns: () => [
    { title: 'SOURCE', text: ({ source }) => source ?? '' },
    { title: 'TYPE', text: ({ type }) => type ?? '' },
    { title: 'OPTIONS', text: ({ options }) => options },
    { title: 'MOUNTED ON', text: ({ mountPoint }) => mountPoint },
  ],
})
