/** `vmsift info`: what an image is and where its memory lies. */
import type { Command } from 'commander'
import type { Guest } from '../coordinator/guest.js'
import { isLive, type LiveTarget } from '../coordinator/live.js'
import type { Target } from '../coordinator/target.js'
import { hex } from '../core/address.js'
import { unfoldAddress } from '../core/folded-address.js'
import { crashFields, crashRows } from './crash-info.js'
import type { Run } from './define.js'
import { escapeText } from './escape.js'
import { EXIT } from './exit-codes.js'
import { addGuestOptions, type GuestOptions, guestOptions } from './guest-options.js'
import { NUMBERS_HELP } from './help.js'
import { osFields, osRows } from './os-info.js'
import { outputFor } from './output.js'
import { line } from './scan-json.js'
import { openOptions } from './targets.js'
import { tell } from './tell.js'
import { formatBytes } from './units.js'

const SHOWN_RUNS = 16

const HELP = `${NUMBERS_HELP}

Examples:
  vmsift info memory.lime
  vmsift info memory.raw --base 0x40000000
  vmsift info memory.elf --json`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addGuestOptions(command)
    .description("Tell an image's format, its memory ranges, and the system that runs in the guest.")
    .addHelpText('after', HELP)
    .action((path: string, options: GuestOptions) => run(() => infoCommand(path, options)))
}

async function infoCommand(path: string, options: GuestOptions): Promise<number> {
  const opening = openOptions(path, options)
  const [{ openTargetAtGuestBase }, { describeMatcher }, { openGuest }] = await Promise.all([
    import('../coordinator/guest-base.js'),
    import('../patterns/compile.js'),
    import('../coordinator/guest.js'),
  ])
  using target = await openTargetAtGuestBase(path, opening)
  if (options.quiet !== true) target.warnings.forEach(tell)
  using guest = await openGuest(target, guestOptions(options))
  const matcher = describeMatcher('auto')
  const output = outputFor(undefined)
  await output.write(
    options.json === true
      ? line(infoFields(target, guest, matcher))
      : await infoTable(target, guest, matcher),
  )
  await output.end()
  return EXIT.done
}

function infoFields(target: Target, guest: Guest | undefined, matcher: string): Record<string, unknown> {
  return {
    target: target.path,
    format: target.format,
    live: target.live,
    writable: target.writable,
    ...(isLive(target) && { access: target.access, mapped: target.mapped }),
    architecture: guest?.kernel.architecture ?? target.architecture ?? null,
    bytes: target.bytes,
    maxAddress: hex(target.maxAddress),
    runs: target.runs.map(run => ({ pa: hex(run.gpa), length: run.length })),
    ...(target.space === 'virtual' && { blocks: blocksOf(target) }),
    vcpus: processorsOf(target) ?? null,
    os: guest === undefined ? null : osFields(guest),
    ...(target.notes.windows && { crashdump: crashFields(target.notes.windows) }),
    matcher,
  }
}

function processorsOf(target: Target): number | undefined {
  if (isLive(target)) return target.vcpus
  const count = target.notes.windows?.processors ?? target.notes.cpus.length
  return count === 0 ? undefined : count
}

/** Virtual memory of a target that holds nothing else. */
function blocksOf({ memory }: Target): { va: string; length: number }[] {
  return memory.runs.map(({ gpa, length }) => ({ va: hex(unfoldAddress(gpa)), length }))
}

const ACCESS_WORDS = {
  mapped: 'from shared memory, mapped',
  shared: 'from the file of shared memory, copied: it could shrink',
  process: "out of QEMU's process",
  monitor: "through QEMU's monitor, which is slow",
} as const

function accessOf({ access, mapped }: LiveTarget): keyof typeof ACCESS_WORDS {
  return mapped ? 'mapped' : access
}

async function infoTable(target: Target, guest: Guest | undefined, matcher: string): Promise<string> {
  const { default: Table } = await import('cli-table3')
  const table = new Table({ style: { head: [], border: [], compact: true } })
  const ranges = target.runs
    .slice(0, SHOWN_RUNS)
    .map(run => `${hex(run.gpa)} - ${hex(run.gpa + run.length)}  ${formatBytes(run.length)}`)
  if (target.runs.length > SHOWN_RUNS)
    ranges.push(`and ${target.runs.length - SHOWN_RUNS} more; --json lists all`)
  const rows: (readonly [string, string])[] = [
    ['target', escapeText(target.path)],
    ['format', target.format],
    ['architecture', guest?.kernel.architecture ?? target.architecture ?? 'not recognised'],
    ['memory', `${formatBytes(target.bytes)} (${target.bytes} bytes)`],
    ['highest address', target.space === 'virtual' ? 'none' : hex(target.maxAddress)],
    ['ranges (end exclusive)', target.space === 'virtual' ? 'virtual memory only' : ranges.join('\n')],
    ...(isLive(target) ? [['read', ACCESS_WORDS[accessOf(target)]] as const] : []),
    ['processors', String(processorsOf(target) ?? 'not told')],
    ...(target.notes.windows === undefined ? [] : crashRows(target.notes.windows)),
    ...(guest === undefined
      ? [['kernel', kernelRelease(target) ?? 'none recognised'] as const]
      : osRows(guest)),
    ['search engine', matcher],
  ]
  table.push(...rows.map(([name, value]) => [name, value]))
  return `${table}\n`
}

/** The kernel's release as VMCOREINFO tells it. */
function kernelRelease(target: Target): string | undefined {
  const [, release] = /^OSRELEASE=(.+)$/m.exec(target.notes.vmcoreinfo ?? '') ?? []
  return release === undefined ? undefined : `Linux ${escapeText(release)}`
}
