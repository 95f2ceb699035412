/** Where a Windows kernel may be, before its own page tables and its image proved it. */
import type { PhysicalMemory } from '../../../core/memory.js'
import { type AbsentDecoderName, maskedDecoderName } from '../../../paging/absent.js'
import { type AddressSpace, openAddressSpace } from '../../../paging/address-space.js'
import type { PagingMode } from '../../../paging/mode.js'
import { PAGING_MODES } from '../../../paging/modes.js'
import type { FindingWay } from '../kernel.js'

/** A top table that may be one of a Windows guest's. */
export interface Candidate {
  readonly mode: PagingMode
  /** gpa of the top table. */
  readonly dtb: number
  readonly way: FindingWay
  /** An address in the kernel's image. */
  readonly inside?: bigint
}

/** First address of the kernel's half of 32-bit Windows; with /3GB it starts later, and the user's half ends later. */
const KERNEL_START_32 = 0x8000_0000n

/** Paging modes as Windows splits their addresses. */
export const WINDOWS_MODES: readonly PagingMode[] = PAGING_MODES.map(mode =>
  mode.vaBits === 32 ? { ...mode, userEnd: KERNEL_START_32, kernelStart: KERNEL_START_32 } : mode,
)

/** The mode of that name, as Windows splits its addresses. */
export function windowsModeNamed(name: string): PagingMode | undefined {
  return WINDOWS_MODES.find(mode => mode.name === name)
}

/** @throws Error for a name that is none: names here are this project's own. */
export function windowsMode(name: 'ia32-pse' | 'pae' | '4-level' | 'la57' | 'aarch64-4k-48'): PagingMode {
  const mode = windowsModeNamed(name)
  if (mode === undefined) throw new Error(`no paging mode ${name}`)
  return mode
}

/** How a kernel marks entries that are not valid; what is not known is absent. */
export interface EntryFacts {
  /** The number of a page file stands in bits 12-15. */
  readonly fileNumberMoved?: boolean
  /** A bit that is set in all of them (64 bits). */
  readonly maskBit?: number | undefined
  /** It is of 5.x. */
  readonly before6?: boolean
}

/**
 * The number of a page file stands elsewhere in entries since the fix of L1TF: in this build and later ones, and in earlier ones that were
 * built since August 2018 (PDBs).
 */
const FILE_NUMBER_MOVED = 17763
const FIX_DATE = 180714
/** The build before it: updated ones are likelier. */
const LAST_UNMOVED = 17134

/** Whether the number moved, by the build and its label, which ends with its date: `7601.24214.amd64fre.win7sp1_ldr_escrow.180801-1700`. */
export function isFileNumberMoved(build: number, label: string | undefined): boolean {
  const [, date] = /\.(\d{6})-\d{4}$/.exec(label ?? '') ?? []
  if (build >= FILE_NUMBER_MOVED || date === undefined) return build >= LAST_UNMOVED
  return Number(date) >= FIX_DATE
}

/** How Windows marks what is not present. */
export function windowsAbsent(
  mode: PagingMode,
  { fileNumberMoved = false, maskBit, before6 = false }: EntryFacts = {},
): AbsentDecoderName {
  if (mode.format === 'aarch64') return 'none'
  if (mode.format === 'ia32') return before6 ? 'windows-ia32-5' : 'windows-ia32'
  if (mode.vaBits === 32) return fileNumberMoved ? 'windows-pae-file12' : 'windows-pae'
  if (!fileNumberMoved) return 'windows-x86-64'
  const masked = maskBit === undefined ? undefined : maskedDecoderName(maskBit)
  return masked ?? 'windows-x86-64-file12'
}

/** The address space under a candidate's table. */
export function candidateSpace(
  memory: PhysicalMemory,
  { mode, dtb }: Pick<Candidate, 'mode' | 'dtb'>,
  entries: EntryFacts = {},
): AddressSpace {
  return openAddressSpace(memory, { mode, dtb, kernelDtb: dtb, absent: windowsAbsent(mode, entries) })
}
