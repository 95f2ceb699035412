/** What the header of a crash dump leads to: the kernel wrote it itself. */
import { hex } from '../../../core/address.js'
import type { ImageNotes } from '../../../formats/image.js'
import { tableBase } from '../../../paging/table-base.js'
import type { FoundBy, KernelPlace } from '../kernel.js'
import { type Candidate, windowsMode } from './candidate.js'
import type { WindowsRecord } from './record.js'

interface Hints {
  readonly notes?: ImageNotes | undefined
}

const MACHINE_I386 = 0x14c
const MACHINE_AMD64 = 0x8664

/** The table that was in use when the dump was written, and an address in the kernel's image. */
export function* dumpCandidates({ notes }: Hints): Generator<Candidate> {
  const { machine, directoryTableBase: cr3, loadedModuleList: inside } = notes?.windows ?? {}
  if (cr3 === undefined || cr3 === 0n) return
  const names =
    machine === MACHINE_AMD64
      ? (['4-level'] as const)
      : machine === MACHINE_I386
        ? (['pae', 'ia32-pse'] as const)
        : []
  for (const mode of names.map(windowsMode))
    yield { mode, dtb: tableBase(mode, cr3), way: 'dump', ...(inside !== undefined && { inside }) }
}

/** Whether the header's lists are those that were found; undefined where it names none. */
export function dumpAgrees({ notes }: Hints, { places }: WindowsRecord): FoundBy | undefined {
  const { activeProcessHead, loadedModuleList } = notes?.windows ?? {}
  const lists = [
    ['processes', activeProcessHead, places.processHead],
    ['modules', loadedModuleList, places.moduleHead],
  ] as const
  const told = lists.filter(([, address]) => address !== undefined && address !== 0n)
  if (told.length === 0) return undefined
  const detail = told.map(([what, address]) => `${what} at ${hex(address ?? 0n)}`).join(', ')
  const same = (address: bigint | undefined, place: KernelPlace | undefined): boolean =>
    place === undefined || BigInt.asUintN(64, address ?? 0n) === place.address
  return {
    way: 'dump',
    agrees: told.every(([, address, place]) => same(address, place)),
    detail: `its header has ${detail}`,
  }
}
