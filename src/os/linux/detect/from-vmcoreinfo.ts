/** From a VMCOREINFO text to a kernel that its own tables prove, with its symbols. */
import type { PhysicalMemory } from '../../../core/memory.js'
import { virtualReader } from '../../../symbols/byte-reader.js'
import { parseKallsyms } from '../../../symbols/kallsyms.js'
import {
  type FoundKallsyms,
  kallsymsAt,
  kallsymsHits,
  physicalReader,
} from '../../../symbols/kallsyms-search.js'
import { kallsymsTables, MAX_VMCOREINFO_BYTES, parseVmcoreinfo } from '../../../symbols/vmcoreinfo.js'
import { Budget } from '../../search/budget.js'
import { isMemory, readPhysical } from '../../search/physical.js'
import { sweep } from '../../search/sweep.js'
import { type Candidate, holds, kernelSpace } from './candidate.js'
import { locatedKallsyms } from './from-kallsyms.js'
import { basesFor } from './known-bases.js'
import type { Located, LocatedKallsyms, LocateHints } from './located.js'
import { behind } from './near.js'
import { NEEDLE_OVERLAP } from './needles.js'
import { pointerBytesOf, vmcoreinfoCandidates } from './vmcoreinfo-candidates.js'

/** Undefined when no reading of the text leads to tables that map the image where it says. */
export function fromVmcoreinfo(
  memory: PhysicalMemory,
  text: string,
  hints: LocateHints,
): Located | undefined {
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

/** The text at `gpa` up to its NUL, where it may be a VMCOREINFO. */
export function textAt(memory: PhysicalMemory, gpa: number): string | undefined {
  for (let length = MAX_VMCOREINFO_BYTES; length >= 4096; length /= 2) {
    const bytes = isMemory(memory, gpa, length - 24) ? readPhysical(memory, gpa, length - 24) : undefined
    if (bytes === undefined) continue
    const end = bytes.indexOf(0)
    return end < 0 ? undefined : bytes.toString('latin1', 0, end)
  }
  return undefined
}
