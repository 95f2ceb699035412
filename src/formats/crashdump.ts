/**
 * Windows crash dumps. What their type says (DUMP_TYPE_*, rizin format/dmp/dmp_specs.h; 8 to 10 as kdmp-parser names them) decides where
 * memory lies: docs/DECISIONS.md, "Windows crash dumps".
 */
import type { ByteSource } from '../core/bytes.js'
import { corrupt } from './corrupt.js'
import type { CrashDumpKind } from './crashdump-facts.js'
import { type CrashHeader, readCrashHeader } from './crashdump-header.js'
import { bitmapExtents, fullExtents, rangeExtents } from './crashdump-memory.js'
import { readTriage } from './crashdump-triage.js'
import { runsOf } from './extents.js'
import type { ExtentTable, Image } from './image.js'

const KINDS = new Map<number, CrashDumpKind>([
  [1, 'full'],
  [2, 'kernel'],
  [4, 'triage'],
  [5, 'bitmap'],
  [6, 'bitmap-kernel'],
  [7, 'bitmap-kernel'],
  [8, 'ranges'],
  [9, 'ranges'],
  [10, 'ranges'],
])

/**
 * Parses a crash dump. A triage dump has no physical memory: its runs are virtual, at folded addresses.
 * @throws VmsiftError `image-corrupt`: headers that lie, or a type that isn't known.
 */
export function parseCrashDump(source: ByteSource): Image {
  const header = readCrashHeader(source)
  const kind = KINDS.get(header.dumpType)
  if (kind === undefined)
    throw corrupt(`crash dump of unknown type ${header.dumpType}`, { dumpType: header.dumpType })
  const warnings: string[] = []
  const { architecture, facts } = header
  if (architecture === undefined)
    warnings.push(`architecture unknown: machine ${facts.machine} in the crash dump`)
  const known = architecture === undefined ? {} : { architecture }
  // one processor: the record can only be its
  const cpus =
    facts.processors === 1 && facts.context !== undefined ? [{ vcpu: 0, registers: facts.context }] : []
  if (kind === 'triage') {
    const { extents, facts: triage } = readTriage(source, header, warnings)
    if (extents.gpa.length === 0) throw corrupt('triage dump holds no memory')
    return {
      format: 'crashdump',
      space: 'virtual',
      runs: runsOf(extents),
      ...known,
      notes: { cpus, windows: { kind, ...facts, triage } },
      storage: { kind: 'direct', extents },
      warnings,
    }
  }
  const extents = extentsOf(kind, source, header, warnings)
  const missing = endOf(extents) - source.size
  if (missing > 0) warnings.push(`the crash dump was cut: it ends ${missing} bytes before its last page does`)
  return {
    format: 'crashdump',
    runs: runsOf(extents),
    ...known,
    notes: { cpus, windows: { kind, ...facts } },
    storage: { kind: 'direct', extents },
    warnings,
  }
}

function extentsOf(
  kind: Exclude<CrashDumpKind, 'triage'>,
  source: ByteSource,
  header: CrashHeader,
  warnings: string[],
): ExtentTable {
  if (kind === 'full') return fullExtents(header, warnings)
  return kind === 'ranges' ? rangeExtents(source, header, warnings) : bitmapExtents(source, header, warnings)
}

/** Where the file must end to hold all of these. */
function endOf({ offset, length }: ExtentTable): number {
  let end = 0
  for (let i = 0; i < offset.length; i++)
    end = Math.max(end, (offset[i] as number) < 0 ? 0 : (offset[i] as number) + (length[i] as number))
  return end
}
