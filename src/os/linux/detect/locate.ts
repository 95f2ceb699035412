/** Finding a kernel's page tables and symbols: from VMCOREINFO where there is one, else from kallsyms, each proved by the tables. */
import type { MemoryRun, PhysicalMemory } from '../../../core/memory.js'
import { Budget } from '../../search/budget.js'
import { sweep } from '../../search/sweep.js'
import { fromTokens } from './from-kallsyms.js'
import { imageRanges, isRunning, without } from './from-registers.js'
import { fromVmcoreinfo, textAt } from './from-vmcoreinfo.js'
import { textAddress } from './kernel-text.js'
import type { Located, LocateHints } from './located.js'
import { findNeedles, NEEDLE_OVERLAP } from './needles.js'

const MAX_TEXTS_TRIED = 256

/** Finds a kernel; undefined when there is none that holds together. */
export function locate(memory: PhysicalMemory, hints: LocateHints): Located | undefined {
  const text = hints.notes?.vmcoreinfo
  const told = text === undefined ? undefined : fromVmcoreinfo(memory, text, hints)
  if (told !== undefined) return told
  const searcher = new Searcher(memory, hints)
  const first = imageRanges(memory, hints.notes?.cpus ?? [])
  return searcher.search(first) ?? searcher.search(without(memory, first)) ?? searcher.idle
}

/** Looks through ranges of memory for either kind of start. */
class Searcher {
  readonly #memory: PhysicalMemory
  readonly #hints: LocateHints
  readonly #budget = new Budget()
  readonly #tried = new Set<string>()
  /** A kernel that holds together, but that no processor runs: an earlier boot's, as far as registers tell. */
  idle: Located | undefined

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
        for (const at of hits.vmcoreinfo) found ??= this.#running(this.#tryText(gpa + at))
        for (const at of hits.kallsyms) found ??= this.#running(this.#tryTokens(gpa + at))
        return found !== undefined
      },
      { overlap: NEEDLE_OVERLAP, ranges },
    )
    return found
  }

  #running(located: Located | undefined): Located | undefined {
    if (located === undefined) return undefined
    const cpus = this.#hints.notes?.cpus ?? []
    const text = textOf(located)
    if (text === undefined || isRunning(this.#memory, located.candidate, text, cpus)) return located
    this.idle ??= located
    return undefined
  }

  #tryTokens(gpa: number): Located | undefined {
    return this.#budget.spend(() => fromTokens(this.#memory, gpa, this.#hints))
  }

  #tryText(gpa: number): Located | undefined {
    const text = textAt(this.#memory, gpa)
    if (text === undefined || this.#tried.has(text) || this.#tried.size >= MAX_TEXTS_TRIED) return undefined
    this.#tried.add(text)
    return this.#budget.spend(() => fromVmcoreinfo(this.#memory, text, this.#hints))
  }
}

function textOf({ info, kallsyms }: Located): bigint | undefined {
  return info?.symbol('_stext') ?? (kallsyms && textAddress(kallsyms.symbols))
}
