/** Candidates out of a processor's registers: what CR3 leads to, told to be Windows at a glance. */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { ImageNotes } from '../../../formats/image.js'
import type { PagingMode } from '../../../paging/mode.js'
import { tableBase } from '../../../paging/table-base.js'
import { presentBytes } from '../pe/image.js'
import { type Candidate, candidateSpace, windowsMode } from './candidate.js'

const MAX_CPUS = 8
const CR4_PAE = 1n << 5n
const CR4_LA57 = 1n << 12n
const EFER_LMA = 1n << 10n
const LONG_MODE_KERNEL = 0xffff_8000_0000_0000n
/** KUSER_SHARED_DATA, which every Windows maps here; NtSystemRoot at 0x30 is `X:\...`. */
const SHARED_64 = 0xffff_f780_0000_0000n
const SHARED_32 = 0xffdf_0000n
const SYSTEM_ROOT_AT = 0x30n

/** What the registers of the first processors lead to. In user mode with separate tables CR3 is the user's, and leads nowhere. */
export function* registerCandidates(
  memory: PhysicalMemory,
  { notes }: { readonly notes?: ImageNotes | undefined },
): Generator<Candidate> {
  for (const { registers } of notes?.cpus.slice(0, MAX_CPUS) ?? []) {
    const { cr3, lstar, rip, idt_base: idt } = registers
    if (cr3 === undefined || cr3 === 0n) continue
    for (const mode of modesOf(registers)) {
      const dtb = tableBase(mode, cr3)
      const inside = [lstar, idt, rip].find(each => each !== undefined && each >= LONG_MODE_KERNEL)
      if (!mapsSharedData(memory, { mode, dtb })) continue
      yield { mode, dtb, way: 'registers', ...(inside !== undefined && { inside }) }
    }
  }
}

/** Paging modes that the control registers leave open: an image may have the width of a guest wrong, so only they are heeded. */
function modesOf({ cr4, efer }: Readonly<Record<string, bigint>>): PagingMode[] {
  const long = windowsMode(cr4 !== undefined && (cr4 & CR4_LA57) !== 0n ? 'la57' : '4-level')
  const [pae, ia32] = [windowsMode('pae'), windowsMode('ia32-pse')]
  if (efer !== undefined && (efer & EFER_LMA) !== 0n) return [long]
  if (cr4 === undefined) return [long, pae, ia32]
  if ((cr4 & CR4_PAE) === 0n) return [ia32]
  return efer === undefined ? [long, pae] : [pae]
}

/** Whether the table maps the data that Windows shares with every process. */
export function mapsSharedData(memory: PhysicalMemory, table: Pick<Candidate, 'mode' | 'dtb'>): boolean {
  const shared = table.mode.vaBits === 32 ? SHARED_32 : SHARED_64
  const root = presentBytes(candidateSpace(memory, table), shared + SYSTEM_ROOT_AT, 6)?.toString('utf16le')
  return root !== undefined && /^[A-Za-z]:\\$/.test(root)
}
