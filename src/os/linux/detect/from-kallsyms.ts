/** From symbol tables that were found in physical memory to the kernel's page tables. */
import type { Architecture } from '../../../core/architecture.js'
import type { PhysicalMemory } from '../../../core/memory.js'
import { clipRuns } from '../../../core/runs.js'
import type { SymbolTable } from '../../../symbols/contract.js'
import { type FoundKallsyms, kallsymsAt, physicalReader } from '../../../symbols/kallsyms-search.js'
import { findBanners } from './banner.js'
import { type Candidate, holds } from './candidate.js'
import { findImageAddress } from './image-address.js'
import { textAddress, textAddresses, topTableAddress } from './kernel-text.js'
import { basesFor } from './known-bases.js'
import type { Located, LocatedKallsyms, LocateHints } from './located.js'
import { modesFor } from './modes.js'
import { around } from './near.js'
import { findTopTable } from './top-table.js'

/** Where processes' tables are looked for. */
const FAR_BYTES = 2 ** 30

/** What the caller knows beside memory. */
export interface KallsymsHints {
  readonly architecture?: Architecture | undefined
  /** Bases to try, the likeliest first. */
  readonly bases: readonly number[]
}

/** A kernel with its tables proved, or undefined: left-overs of an earlier boot, another kernel's file in the page cache. */
export function fromKallsyms(
  memory: PhysicalMemory,
  found: FoundKallsyms,
  hints: KallsymsHints,
): Candidate | undefined {
  if (found.space === 'physical') return fromPhysicalSymbols(memory, found, hints)
  const text = textAddress(found.symbols)
  if (text === undefined) return undefined
  return fromNamedTable(memory, found, text, hints) ?? fromStructure(memory, found, text, hints)
}

/** With a symbol for the top table and one for the banner, whose text is in memory: both ends of the distance are known. */
function fromNamedTable(
  memory: PhysicalMemory,
  found: FoundKallsyms,
  text: bigint,
  hints: KallsymsHints,
): Candidate | undefined {
  const top = topTableAddress(found.symbols)
  const bannerVa = found.symbols.addressOf('linux_banner')
  if (top === undefined || bannerVa === undefined) return undefined
  for (const { gpa } of findBanners(memory, around(memory, found.tables.tokenTable))) {
    for (const base of hints.bases) {
      const shift = bannerVa - BigInt(gpa + base)
      if (shift % 4096n !== 0n || top < shift) continue
      const dtb = Number(top - shift)
      const proofs = [
        ...textAddresses(found.symbols),
        bannerVa,
        BigInt(found.tables.tokenTable + base) + shift,
      ]
      for (const mode of modesFor(text, widthOf(text), hints.architecture)) {
        const candidate = { mode, dtb, shift, base }
        if (holds(memory, candidate, proofs)) return candidate
      }
    }
  }
  return undefined
}

/** Without: by structure, near the tables first, then as far as is bearable: where the kernel's own table is lost, a process's will do. */
function fromStructure(
  memory: PhysicalMemory,
  found: FoundKallsyms,
  text: bigint,
  hints: KallsymsHints,
): Candidate | undefined {
  const modes = modesFor(text, widthOf(text), hints.architecture)
  const landmarks = { text, inside: [found.tables.tokenTable, found.tables.names] }
  const far = clipRuns(memory.runs, 0, FAR_BYTES)
  for (const ranges of [around(memory, found.tables.tokenTable), far])
    for (const base of hints.bases) {
      const candidate = findTopTable(memory, ranges, modes, landmarks, base)
      if (candidate !== undefined) return candidate
    }
  return undefined
}

/** Bytes of a pointer of a kernel that has this address. */
function widthOf(address: bigint): 4 | 8 {
  return address < 1n << 32n ? 4 : 8
}

/** Self-relative tables, which only 64-bit kernels have, tell gpas: the top table's is known at once, and its entries tell at which address it maps the image. */
function fromPhysicalSymbols(
  memory: PhysicalMemory,
  found: FoundKallsyms,
  hints: KallsymsHints,
): Candidate | undefined {
  const top = topTableAddress(found.symbols)
  const text = textAddress(found.symbols)
  if (top === undefined || text === undefined) return undefined
  for (const base of hints.bases) {
    const image = { text: Number(text) + base, dtb: Number(top) + base, base }
    const candidate = findImageAddress(memory, image, 8, hints.architecture)
    if (candidate === undefined) continue
    const proofs = textAddresses(symbolsAt(found, candidate)).concat(
      BigInt(found.tables.tokenTable + base) + candidate.shift,
    )
    if (holds(memory, candidate, proofs)) return candidate
  }
  return undefined
}

/** The symbols at the addresses at which the guest uses them. */
export function symbolsAt(found: FoundKallsyms, candidate: Candidate): SymbolTable {
  return found.space === 'virtual'
    ? found.symbols
    : found.symbols.shifted(candidate.shift + BigInt(candidate.base))
}

/** The kernel whose tokens stand at `gpa`; undefined for a false hit, and for tables that belong to no kernel that runs here. */
export function fromTokens(memory: PhysicalMemory, gpa: number, hints: LocateHints): Located | undefined {
  const found = kallsymsAt(physicalReader(memory), gpa)
  if (found === undefined) return undefined
  const bases = basesFor(memory, hints.openBase === true)
  const candidate = fromKallsyms(memory, found, { architecture: hints.architecture, bases })
  return candidate === undefined ? undefined : { candidate, kallsyms: locatedKallsyms(found, candidate) }
}

/** The same tables at the guest's addresses. */
export function locatedKallsyms(found: FoundKallsyms, candidate: Candidate): LocatedKallsyms {
  const at = (gpa: number) => BigInt(gpa + candidate.base) + candidate.shift
  const { numSyms, names, tokenTable, tokenIndex, offsets, addresses, relativeBase } = found.tables
  const tables = {
    numSyms: at(numSyms),
    names: at(names),
    tokenTable: at(tokenTable),
    tokenIndex: at(tokenIndex),
    ...(offsets !== undefined && { offsets: at(offsets) }),
    ...(addresses !== undefined && { addresses: at(addresses) }),
    ...(relativeBase !== undefined && { relativeBase: at(relativeBase) }),
  }
  return { tables, symbols: symbolsAt(found, candidate) }
}
