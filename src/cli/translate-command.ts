/** `vmsift translate`: from a virtual address to a physical one, level by level. */
import type { Command } from 'commander'
import { hex } from '../core/address.js'
import type { SystemGuest } from '../introspect/open.js'
import type { Translation } from '../paging/translation.js'
import type { WalkLevel } from '../paging/walk-levels.js'
import type { Run } from './define.js'
import { escapeText } from './escape.js'
import { EXIT } from './exit-codes.js'
import { addGuestOptions, type GuestOptions, withGuest } from './guest-options.js'
import { NUMBERS_HELP } from './help.js'
import { outputFor } from './output.js'
import { addSpaceOptions, type SpaceOptions, spaceOf, virtualAddress } from './place.js'
import { line } from './scan-json.js'

type TranslateOptions = GuestOptions & SpaceOptions

const HELP = `${NUMBERS_HELP}
VA may be a kernel symbol, or symbol+offset. Without --pid or --dtb it is an address of the kernel's.

Examples:
  vmsift translate memory.lime init_task
  vmsift translate memory.lime 0x7ffc12345000 --pid 1
  vmsift translate memory.lime 0xffffffff81000000 --dtb 0x2a10000 --json`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addSpaceOptions(addGuestOptions(command))
    .description('Translate a virtual address, showing each level of the page tables.')
    .addHelpText('after', HELP)
    .action((path: string, word: string, options: TranslateOptions) =>
      run(() => translateCommand(path, word, options)),
    )
}

function translateCommand(path: string, word: string, options: TranslateOptions): Promise<number> {
  const given = spaceOf(options)
  return withGuest(path, options, async guest => {
    const va = virtualAddress(word, guest)
    const space = guest.space(given ?? { kind: 'kernel' })
    const { translation, levels } = space.walk(va)
    const swap = swapOf(guest, translation)
    const output = outputFor(undefined)
    if (options.json === true) await output.write(line(fields(va, space.dtb, translation, levels, swap)))
    else await output.write(text(va, space.dtb, translation, levels, swap))
    await output.end()
    return EXIT.done
  })
}

/** Where a swapped page went. */
interface SwapSlot {
  readonly area: string
  readonly slot: number
  /** Why its bytes can't be had; absent where they can (`read` gives them). */
  readonly missing?: string
}

function swapOf(guest: SystemGuest, result: Translation): SwapSlot | undefined {
  if (result.kind === 'mapped' || result.reason !== 'swapped' || result.entry === undefined) return undefined
  if (guest.family === 'windows') {
    if (result.swap === undefined) return undefined
    const { name, compressed } = guest.pageFile(result.swap)
    const missing = compressed ? 'compressed pages are not read' : 'it is not in memory'
    return { area: name, slot: result.swap.offset, missing }
  }
  const page = guest.swap.page(result.entry)
  if (page === undefined) return undefined
  const { area, offset } = page.place
  const { missing } = page
  return { area: area.path ?? String(area.type), slot: offset, ...(missing !== undefined && { missing }) }
}

function fields(
  va: bigint,
  dtb: number,
  result: Translation,
  levels: readonly WalkLevel[],
  swap: SwapSlot | undefined,
): Record<string, unknown> {
  const mapped = result.kind === 'mapped'
  return {
    va: hex(va),
    pa: mapped ? hex(result.gpa) : null,
    present: mapped,
    pageSize: mapped ? result.pageBytes : null,
    dtb: hex(dtb),
    levels: levels.map(({ name, gpa, entry }) => ({ name, pa: hex(gpa), entry: hex(entry) })),
    ...(mapped
      ? {
          writable: result.writable,
          user: result.user,
          executable: result.executable,
          protNone: result.protNone,
          transition: result.transition,
        }
      : { reason: result.reason, swap }),
  }
}

function text(
  va: bigint,
  dtb: number,
  result: Translation,
  levels: readonly WalkLevel[],
  swap: SwapSlot | undefined,
): string {
  const lines = [`${'table'.padEnd(7)} ${hex(dtb)}`]
  for (const { name, gpa, entry } of levels)
    lines.push(`${name.padEnd(7)} ${hex(entry).padEnd(18)} at ${hex(gpa)}`)
  lines.push(`${hex(va)} ${outcome(result, swap)}`)
  return `${lines.join('\n')}\n`
}

function outcome(result: Translation, swap: SwapSlot | undefined): string {
  if (result.kind === 'mapped') {
    const flags = [
      result.writable ? 'writable' : 'read-only',
      result.executable ? 'executable' : 'no execution',
      result.user ? 'user' : 'kernel only',
      ...(result.protNone === true ? ['PROT_NONE'] : []),
      ...(result.transition === true ? ['in transition'] : []),
    ]
    return `is at physical ${hex(result.gpa)} (page of ${pageSize(result.pageBytes)}, ${flags.join(', ')})`
  }
  const there = swap?.missing === undefined ? 'held compressed in memory' : swap.missing
  const slot = swap === undefined ? '' : ` (${escapeText(swap.area)}, slot ${swap.slot}: ${there})`
  return `is not there: ${result.reason} at its ${result.name}${slot}`
}

function pageSize(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB']
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10) - 1)
  return `${bytes / 1024 ** (unit + 1)} ${units[unit]}`
}
