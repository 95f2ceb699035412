/** Finding a kernel's page tables and symbols: from VMCOREINFO where there is one, else from kallsyms, each proved by the tables. */
import type { Architecture } from '../../../core/architecture.js'
import type { MemoryRun, PhysicalMemory } from '../../../core/memory.js'
import type { ImageNotes } from '../../../formats/image.js'
import { virtualReader } from '../../../symbols/byte-reader.js'
import type { SymbolTable } from '../../../symbols/contract.js'
import { parseKallsyms } from '../../../symbols/kallsyms.js'
import type { KallsymsTables } from '../../../symbols/kallsyms-layout.js'
import {
  type FoundKallsyms,
  kallsymsAt,
  kallsymsHits,
  physicalReader,
} from '../../../symbols/kallsyms-search.js'
import {
  kallsymsTables,
  MAX_VMCOREINFO_BYTES,
  parseVmcoreinfo,
  type VmcoreInfo,
} from '../../../symbols/vmcoreinfo.js'
import { type Candidate, holds, kernelSpace } from './candidate.js'
import { fromKallsyms, symbolsAt } from './from-kallsyms.js'
import { imageRanges, without } from './from-registers.js'
import { basesFor } from './known-bases.js'
import { behind } from './near.js'
import { findNeedles, NEEDLE_OVERLAP } from './needles.js'
import { isMemory, readPhysical } from './physical.js'
import { sweep } from './sweep.js'
import { pointerBytesOf, vmcoreinfoCandidates } from './vmcoreinfo-candidates.js'

/** What is known before looking at memory. */
export interface LocateHints {
  /** VMCOREINFO and registers, as far as the image carries them. */
  readonly notes?: ImageNotes | undefined
  readonly architecture?: Architecture | undefined
  /** The image doesn't tell where memory starts (a raw file), so that it may be elsewhere than at 0. */
  readonly openBase?: boolean | undefined
}

/** A kernel whose tables map its image where they should. */
export interface Located {
  readonly candidate: Candidate
  readonly info?: VmcoreInfo
  readonly kallsyms?: LocatedKallsyms
  /** Out of a file, at the guest's addresses, where memory holds none. */
  readonly fileSymbols?: SymbolTable
}

/** Symbols and where their tables lie. */
export interface LocatedKallsyms {
  readonly tables: KallsymsTables<bigint>
  readonly symbols: SymbolTable
}

/** Time that hits which turn out to be nothing may take in all: an attacker can plant as many as there is memory. */
const MAX_WASTED_MS = 5000
const MAX_TEXTS_TRIED = 256

/** Finds a kernel; undefined when there is none that holds together. */
export function locate(memory: PhysicalMemory, hints: LocateHints): Located | undefined {
  const text = hints.notes?.vmcoreinfo
  const told = text === undefined ? undefined : fromVmcoreinfo(memory, text, hints)
  if (told !== undefined) return told
  const searcher = new Searcher(memory, hints)
  const first = imageRanges(memory, hints.notes?.cpus ?? [])
  return searcher.search(first) ?? searcher.search(without(memory, first))
}

/** Looks through ranges of memory for either kind of start. */
class Searcher {
  readonly #memory: PhysicalMemory
  readonly #hints: LocateHints
  readonly #budget = new Budget()
  readonly #tried = new Set<string>()

  constructor(memory: PhysicalMemory, hints: LocateHints) {
    this.#memory = memory
    this.#hints = hints
  }

  search(ranges: readonly MemoryRun[]): Located | undefined {
    let found: Located | undefined
    sweep(
      this.#memory,
      (bytes, gpa) => {
        const hits = findNeedles(bytes, gpa)
        // from here on `bytes` may be overwritten
        for (const at of hits.vmcoreinfo) found ??= this.#tryText(gpa + at)
        for (const at of hits.kallsyms)
          found ??= this.#budget.spend(() => fromTokens(this.#memory, gpa + at, this.#hints))
        return found !== undefined
      },
      { overlap: NEEDLE_OVERLAP, ranges },
    )
    return found
  }

  #tryText(gpa: number): Located | undefined {
    const text = textAt(this.#memory, gpa)
    if (text === undefined || this.#tried.has(text) || this.#tried.size >= MAX_TEXTS_TRIED) return undefined
    this.#tried.add(text)
    return this.#budget.spend(() => fromVmcoreinfo(this.#memory, text, this.#hints))
  }
}

function fromVmcoreinfo(memory: PhysicalMemory, text: string, hints: LocateHints): Located | undefined {
  const info = parseVmcoreinfo(text)
  const start = info.symbol('_stext')
  if (start === undefined) return undefined
  const pointerBytes = pointerBytesOf(info)
  const tables = kallsymsTables(info, pointerBytes)
  const proofs = tables === undefined ? [start] : [start, tables.names, tables.tokenTable]
  for (const candidate of vmcoreinfoCandidates(info, basesFor(memory, hints.openBase === true))) {
    if (!holds(memory, candidate, proofs)) continue
    const read = virtualReader(kernelSpace(memory, candidate))
    const parsed = tables === undefined ? undefined : parseKallsyms(read, tables, pointerBytes)
    if (tables !== undefined && parsed !== undefined)
      return { candidate, info, kallsyms: { tables, symbols: parsed.symbols } }
    const searched = kallsymsBehind(memory, candidate, start)
    return { candidate, info, ...(searched !== undefined && { kallsyms: searched }) }
  }
  return undefined
}

/** kallsyms of a kernel whose image is known, but not where in it they are. */
function kallsymsBehind(
  memory: PhysicalMemory,
  candidate: Candidate,
  start: bigint,
): LocatedKallsyms | undefined {
  const gpa = Number(start - candidate.shift) - candidate.base
  const read = physicalReader(memory)
  const budget = new Budget()
  let found: FoundKallsyms | undefined
  sweep(
    memory,
    (bytes, window) => {
      for (const at of kallsymsHits(bytes, 64)) {
        found = budget.spend(() => kallsymsAt(read, window + at))
        if (found !== undefined) return true
      }
      return false
    },
    { overlap: NEEDLE_OVERLAP, ranges: behind(memory, gpa) },
  )
  return found === undefined ? undefined : locatedKallsyms(found, candidate)
}

function fromTokens(memory: PhysicalMemory, gpa: number, hints: LocateHints): Located | undefined {
  const found = kallsymsAt(physicalReader(memory), gpa)
  if (found === undefined) return undefined
  const bases = basesFor(memory, hints.openBase === true)
  const candidate = fromKallsyms(memory, found, { architecture: hints.architecture, bases })
  return candidate === undefined ? undefined : { candidate, kallsyms: locatedKallsyms(found, candidate) }
}

function locatedKallsyms(found: FoundKallsyms, candidate: Candidate): LocatedKallsyms {
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

/** The text at `gpa` up to its NUL, where it may be a VMCOREINFO. */
function textAt(memory: PhysicalMemory, gpa: number): string | undefined {
  for (let length = MAX_VMCOREINFO_BYTES; length >= 4096; length /= 2) {
    const bytes = isMemory(memory, gpa, length - 24) ? readPhysical(memory, gpa, length - 24) : undefined
    if (bytes === undefined) continue
    const end = bytes.indexOf(0)
    return end < 0 ? undefined : bytes.toString('latin1', 0, end)
  }
  return undefined
}

/** Ends the trying when what came to nothing took too long. */
class Budget {
  #wasted = 0

  spend<T>(attempt: () => T | undefined): T | undefined {
    if (this.#wasted > MAX_WASTED_MS) return undefined
    const started = performance.now()
    const result = attempt()
    if (result === undefined) this.#wasted += performance.now() - started
    return result
  }
}
