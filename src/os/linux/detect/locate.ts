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

/** Looks for a kernel: at what notes and registers tell, then at whatever windows of memory it is shown. */
export class KernelSearch {
  readonly #memory: PhysicalMemory
  readonly #hints: LocateHints
  readonly #budget = new Budget()
  readonly #tried = new Set<string>()
  /** Where the processors' registers say that the kernel is. */
  readonly #near: readonly MemoryRun[]
  #idle: Located | undefined

  constructor(memory: PhysicalMemory, hints: LocateHints) {
    this.#memory = memory
    this.#hints = hints
    this.#near = imageRanges(memory, hints.notes?.cpus ?? [])
  }

  /** What costs no search of all memory. */
  atOnce(): Located | undefined {
    const text = this.#hints.notes?.vmcoreinfo
    const told = text === undefined ? undefined : fromVmcoreinfo(this.#memory, text, this.#hints)
    return told ?? this.search(this.#near)
  }

  /** All of memory that `atOnce` did not look at. */
  get rest(): readonly MemoryRun[] {
    return without(this.#memory, this.#near)
  }

  /** A kernel that holds together, but that no processor runs: an earlier boot's, as far as registers tell. */
  get idle(): Located | undefined {
    return this.#idle
  }

  search(ranges: readonly MemoryRun[]): Located | undefined {
    let found: Located | undefined
    sweep(
      this.#memory,
      (bytes, gpa) => {
        found = this.look(bytes, gpa)()
        return found !== undefined
      },
      { overlap: NEEDLE_OVERLAP, ranges },
    )
    return found
  }

  /** Looks through a window, which should share `NEEDLE_OVERLAP` bytes with the next. What that gives tries what was seen: `bytes` may then be overwritten. */
  look(bytes: Buffer, gpa: number): () => Located | undefined {
    const hits = findNeedles(bytes, gpa)
    return () => {
      let found: Located | undefined
      for (const at of hits.vmcoreinfo) found ??= this.#running(this.#tryText(gpa + at))
      for (const at of hits.kallsyms) found ??= this.#running(this.#tryTokens(gpa + at))
      return found
    }
  }

  #running(located: Located | undefined): Located | undefined {
    if (located === undefined) return undefined
    const cpus = this.#hints.notes?.cpus ?? []
    const text = textOf(located)
    if (text === undefined || isRunning(this.#memory, located.candidate, text, cpus)) return located
    this.#idle ??= located
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
