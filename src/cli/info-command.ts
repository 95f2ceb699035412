/** `vmsift info`: what an image is and where its memory lies. */
import type { Command } from 'commander'
import type { Target } from '../coordinator/target.js'
import { hex } from '../core/address.js'
import type { Run } from './define.js'
import { escapeText } from './escape.js'
import { EXIT } from './exit-codes.js'
import { NUMBERS_HELP } from './help.js'
import { outputFor } from './output.js'
import { line } from './scan-json.js'
import { addTargetOptions, openOptions, type TargetOptions } from './targets.js'
import { tell } from './tell.js'
import { formatBytes } from './units.js'

interface InfoOptions extends TargetOptions {
  readonly json?: boolean
  readonly quiet?: boolean
}

const SHOWN_RUNS = 16

const HELP = `${NUMBERS_HELP}

Examples:
  vmsift info memory.lime
  vmsift info memory.raw --base 0x40000000
  vmsift info memory.elf --json`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addTargetOptions(command)
    .description("Tell an image's format, the guest's architecture and its memory ranges.")
    .option('--json', 'one JSON object')
    .option('-q, --quiet', 'no warnings')
    .addHelpText('after', HELP)
    .action((path: string, options: InfoOptions) => run(() => infoCommand(path, options)))
}

async function infoCommand(path: string, options: InfoOptions): Promise<number> {
  const opening = openOptions(path, options)
  const [{ openTarget }, { describeMatcher }] = await Promise.all([
    import('../coordinator/target.js'),
    import('../patterns/compile.js'),
  ])
  using target = await openTarget(path, opening)
  if (options.quiet !== true) target.warnings.forEach(tell)
  const matcher = await describeMatcher('auto')
  const output = outputFor(undefined)
  await output.write(
    options.json === true ? line(infoFields(target, matcher)) : await infoTable(target, matcher),
  )
  await output.end()
  return EXIT.done
}

function infoFields(target: Target, matcher: string): Record<string, unknown> {
  return {
    target: target.path,
    format: target.format,
    live: false,
    writable: false,
    architecture: target.architecture ?? null,
    bytes: target.bytes,
    maxAddress: hex(target.maxAddress),
    runs: target.runs.map(run => ({ pa: hex(run.gpa), length: run.length })),
    vcpus: target.notes.cpus.length === 0 ? null : target.notes.cpus.length,
    os: null,
    matcher,
  }
}

async function infoTable(target: Target, matcher: string): Promise<string> {
  const { default: Table } = await import('cli-table3')
  const table = new Table({ style: { head: [], border: [], compact: true } })
  const ranges = target.runs
    .slice(0, SHOWN_RUNS)
    .map(run => `${hex(run.gpa)} - ${hex(run.gpa + run.length)}  ${formatBytes(run.length)}`)
  if (target.runs.length > SHOWN_RUNS)
    ranges.push(`and ${target.runs.length - SHOWN_RUNS} more; --json lists all`)
  const rows: [string, string][] = [
    ['target', escapeText(target.path)],
    ['format', target.format],
    ['architecture', target.architecture ?? 'not told by the image'],
    ['memory', `${formatBytes(target.bytes)} (${target.bytes} bytes)`],
    ['highest address', hex(target.maxAddress)],
    ['ranges (end exclusive)', ranges.join('\n')],
    [
      'processors',
      target.notes.cpus.length === 0 ? 'not told by the image' : String(target.notes.cpus.length),
    ],
    ['kernel', kernelRelease(target) ?? 'not told by the image'],
    ['search engine', matcher],
  ]
  table.push(...rows)
  return `${table}\n`
}

/** The kernel's release as VMCOREINFO tells it. */
function kernelRelease(target: Target): string | undefined {
  const [, release] = /^OSRELEASE=(.+)$/m.exec(target.notes.vmcoreinfo ?? '') ?? []
  return release === undefined ? undefined : `Linux ${escapeText(release)}`
}
