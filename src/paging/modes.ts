/** The paging modes that are known, and how to find the one of a guest. */
import type { Architecture } from '../core/architecture.js'
import { VmsiftError } from '../core/errors.js'
import type { PagingMode } from './mode.js'

/** What tells apart modes of one architecture. */
export interface ModeOptions {
  /** i386: CR4.PSE, 4 MiB pages. Default true: every kernel that finds it uses it. */
  readonly pse?: boolean
  /** aarch64: bytes of a granule (TCR_EL1.TG0, TG1). Default 4096. */
  readonly granule?: 4096 | 16384 | 65536
  /** aarch64: bits of an address, 64 - TxSZ, 25 to 52. Default 48. */
  readonly vaBits?: number
  /** aarch64: 52-bit physical addresses (TCR_EL1.DS for 4 and 16 KiB, IPS for 64). Default: where `vaBits` is more than 48. */
  readonly lpa?: boolean
}

const X86_HIGH = { contiguous: [1, 1, 1, 1, 1], highBits: 'none' } as const

/** 32-bit paging (Intel SDM vol. 3A 4.3). */
function ia32(pse: boolean): PagingMode {
  return {
    name: pse ? 'ia32-pse' : 'ia32',
    architecture: 'i386',
    format: 'ia32',
    entryBytes: 4,
    pageShift: 12,
    vaBits: 32,
    indexBits: [10, 10],
    entryNames: ['pde', 'pte'],
    leaves: [pse, true],
    contiguous: [1, 1],
    highBits: pse ? 'pse36' : 'none',
    bareLevels: 0,
    canonical: 'unsigned',
    splitTables: false,
    userEnd: 0xc000_0000n,
    kernelStart: 0xc000_0000n,
  }
}

const PAE: PagingMode = {
  ...X86_HIGH,
  name: 'pae',
  architecture: 'i386-pae',
  format: 'x86-64',
  entryBytes: 8,
  pageShift: 12,
  vaBits: 32,
  indexBits: [2, 9, 9],
  entryNames: ['pdpte', 'pde', 'pte'],
  leaves: [false, true, true],
  bareLevels: 1,
  canonical: 'unsigned',
  splitTables: false,
  userEnd: 0xc000_0000n,
  kernelStart: 0xc000_0000n,
}

/** 4-level and 5-level paging (Intel SDM vol. 3A 4.5). */
function long(la57: boolean): PagingMode {
  const top = la57 ? 1 : 0
  const vaBits = la57 ? 57 : 48
  return {
    ...X86_HIGH,
    name: la57 ? 'la57' : '4-level',
    architecture: la57 ? 'x86_64-la57' : 'x86_64',
    format: 'x86-64',
    entryBytes: 8,
    pageShift: 12,
    vaBits,
    indexBits: [9, 9, 9, 9, 9].slice(1 - top),
    entryNames: ['pml5e', 'pml4e', 'pdpte', 'pde', 'pte'].slice(1 - top),
    leaves: [false, false, true, true, true].slice(1 - top),
    bareLevels: 0,
    canonical: 'signed',
    splitTables: false,
    ...halves(vaBits - 1),
  }
}

/**
 * VMSAv8-64, stage 1 (Arm ARM D8.2): the number of levels follows from the granule and the bits of an address.
 * @throws VmsiftError `bad-argument` for bits that the granule can't have.
 */
export function aarch64Mode(options: Omit<ModeOptions, 'pse'> = {}): PagingMode {
  const { granule = 4096, vaBits = 48 } = options
  const lpa = options.lpa ?? vaBits > 48
  const pageShift = granule === 4096 ? 12 : granule === 16384 ? 14 : 16
  if (!Number.isInteger(vaBits) || vaBits < 25 || vaBits > 52 || (vaBits > 48 && !lpa))
    throw new VmsiftError(
      'bad-argument',
      `no aarch64 paging with ${vaBits} address bits; 25 to 48, to 52 with lpa`,
    )
  const stride = pageShift - 3
  const indexBits: number[] = []
  for (let left = vaBits - pageShift; left > 0; left -= stride) indexBits.unshift(Math.min(left, stride))
  const first = 4 - indexBits.length
  const numbers = indexBits.map((_, level) => first + level)
  return {
    name: `aarch64-${granule / 1024}k-${vaBits}${lpa ? '-lpa' : ''}`,
    architecture: 'aarch64',
    format: 'aarch64',
    entryBytes: 8,
    pageShift,
    vaBits,
    indexBits,
    entryNames: numbers.map(number => `l${number}e`),
    leaves: numbers.map(number => number >= firstBlock(pageShift, lpa)),
    contiguous: numbers.map(number => contiguousEntries(pageShift, number)),
    highBits: lpa ? (pageShift === 16 ? 'lpa' : 'lpa2') : 'none',
    bareLevels: 0,
    canonical: 'signed',
    splitTables: true,
    ...halves(vaBits),
  }
}

/** First level at which a block may stand (Arm ARM D8.3.1). */
function firstBlock(pageShift: number, lpa: boolean): number {
  if (pageShift === 12) return lpa ? 0 : 1
  return lpa ? 1 : 2
}

/** Entries that the contiguous bit joins (Arm ARM D8.7.1). */
function contiguousEntries(pageShift: number, level: number): number {
  if (pageShift === 12) return level >= 1 ? 16 : 1
  if (pageShift === 14) return level === 3 ? 128 : level === 2 ? 32 : 1
  return level >= 2 ? 32 : 1
}

function halves(bits: number): { userEnd: bigint; kernelStart: bigint } {
  const half = 1n << BigInt(bits)
  return { userEnd: half, kernelStart: (1n << 64n) - half }
}

/** Every mode that guests are met in, by name in `name`; `aarch64Mode` makes others. */
export const PAGING_MODES: readonly PagingMode[] = [
  ia32(false),
  ia32(true),
  PAE,
  long(false),
  long(true),
  ...([4096, 16384, 65536] as const).flatMap(granule => {
    const sizes = granule === 4096 ? [39, 48, 52] : granule === 16384 ? [36, 47, 48, 52] : [42, 48, 52]
    return sizes.map(vaBits => aarch64Mode({ granule, vaBits }))
  }),
]

/**
 * The paging mode of a guest.
 * @throws VmsiftError `bad-argument` for options that its architecture doesn't have.
 */
export function pagingMode(architecture: Architecture, options: ModeOptions = {}): PagingMode {
  if (architecture === 'aarch64') return aarch64Mode(options)
  if (options.granule !== undefined || options.vaBits !== undefined || options.lpa !== undefined)
    throw new VmsiftError('bad-argument', `granule, vaBits and lpa are aarch64's, not ${architecture}'s`)
  if (architecture === 'i386') return ia32(options.pse ?? true)
  if (architecture === 'i386-pae') return PAE
  return long(architecture === 'x86_64-la57')
}

/** A mode by its name: `4-level`, `pae`, `aarch64-4k-48`, ...; undefined for a name that is none. */
export function pagingModeNamed(name: string): PagingMode | undefined {
  return PAGING_MODES.find(mode => mode.name === name)
}
