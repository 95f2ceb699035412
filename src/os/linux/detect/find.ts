/** Finding a Linux kernel in a guest's memory. */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { SymbolFile } from '../../../symbols/load.js'
import { holds } from './candidate.js'
import { describe } from './describe.js'
import type { ReadyTables } from './kernel-tables.js'
import { basesFor } from './known-bases.js'
import { KernelSearch } from './locate.js'
import type { Located, LocateHints } from './located.js'
import { type OpenedLinux, openLinux } from './open.js'
import { fileCandidates, fileProofs, tablesOf } from './symbol-file.js'

/** What is known beside memory, all of it optional. */
export interface LinuxHints extends LocateHints {
  /** Symbols, types or both out of a file: they fill what memory lacks. */
  readonly file?: SymbolFile | undefined
}

/** A kernel that was found. */
export type FoundLinux = OpenedLinux

/**
 * Finds the kernel that runs in this memory; undefined when there is none that holds together. Its gpas are those of `memory` with
 * `record().base` added, which is 0 unless `hints.openBase` is given and the guest's tables say otherwise.
 * @throws VmsiftError `bad-argument` when the symbol file is another kernel's.
 */
export function findLinux(memory: PhysicalMemory, hints: LinuxHints = {}): FoundLinux | undefined {
  const search = new KernelSearch(memory, hints)
  return openLocated(memory, hints, search.atOnce() ?? search.search(search.rest) ?? search.idle)
}

/** As `findLinux`, of what a search gave; undefined is nothing but the symbol file to go by. */
export function openLocated(
  memory: PhysicalMemory,
  hints: LinuxHints,
  found: Located | undefined,
): FoundLinux | undefined {
  const located = found ?? locateByFile(memory, hints)
  const record = located === undefined ? undefined : describe(memory, located)
  if (located === undefined || record === undefined) return undefined
  const own = located.kallsyms?.symbols
  const file = hints.file === undefined ? {} : tablesOf(hints.file, record, own)
  const ready: ReadyTables = { ...file, ...(own !== undefined && { kallsyms: own }) }
  return openLinux(memory, record, ready)
}

/** With the file's symbols, where memory holds none. */
function locateByFile(memory: PhysicalMemory, hints: LinuxHints): Located | undefined {
  const symbols = hints.file?.symbols
  if (symbols === undefined) return undefined
  for (const found of fileCandidates(memory, symbols, basesFor(memory, hints.openBase === true)))
    if (holds(memory, found.candidate, fileProofs(found.symbols)))
      return { candidate: found.candidate, fileSymbols: found.symbols }
  return undefined
}
