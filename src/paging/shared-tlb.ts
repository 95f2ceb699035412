/** One TLB a thread and memory: every address space of the guest uses it, since the kernel's half is in all of them. */
import type { PhysicalMemory } from '../core/memory.js'
import type { AbsentDecoderName } from './absent.js'
import type { PagingMode } from './mode.js'
import { sharedTables, type TableCache } from './table-cache.js'
import { Tlb } from './tlb.js'

/** How often a translation was known, and how often page tables had to be walked. */
export interface TlbCounts {
  readonly hits: number
  readonly misses: number
}

const SHARED = new WeakMap<TableCache, Map<string, Tlb>>()

/** The TLB of these tables; what is absent is kept too, so each meaning of absent entries has one of its own. */
export function sharedTlb(tables: TableCache, mode: PagingMode, absent: AbsentDecoderName): Tlb {
  const all = SHARED.get(tables) ?? new Map<string, Tlb>()
  SHARED.set(tables, all)
  const key = `${mode.name} ${absent}`
  const known = all.get(key) ?? new Tlb(mode)
  all.set(key, known)
  return known
}

/** Forgets copies of tables, and every translation that was found through them: the guest ran meanwhile, or tables were written. */
export function flushTranslations(tables: TableCache): void {
  tables.clear()
  for (const tlb of SHARED.get(tables)?.values() ?? []) tlb.clear()
}

/** What the address spaces of this memory, on this thread, asked so far. */
export function tlbCounts(memory: PhysicalMemory): TlbCounts {
  let hits = 0
  let misses = 0
  for (const tlb of SHARED.get(sharedTables(memory))?.values() ?? []) {
    hits += tlb.hits
    misses += tlb.misses
  }
  return { hits, misses }
}
