/** Types of modules where no symbol leads to them: their BTF blobs are looked for in physical memory. */

import { type PhysicalMemory, readInto } from '../../core/memory.js'
import { findRun } from '../../core/runs.js'
import { findBtf, findKernelBtf } from '../../symbols/btf-search.js'
import { parseBtf } from '../../symbols/btf-types.js'
import type { TypeTable } from '../../symbols/contract.js'
import { joinBlobs } from './module-types.js'

const WINDOW_BYTES = 32 << 20
/** A module's blob is a kmalloc of at most 4 MiB; larger ones lie scattered. */
const MAX_BLOB_BYTES = 4 << 20
/** Blobs that are looked into; each is joined to the kernel's and indexed. */
const MAX_TRIED = 64

/**
 * For each of the structures the types of a module that has it, undefined where there is none: found by their names, which stand
 * among the blob's strings.
 */
export function searchModuleTypes(
  memory: PhysicalMemory,
  structures: readonly string[],
): (TypeTable | undefined)[] {
  const found: (TypeTable | undefined)[] = structures.map(() => undefined)
  const kernel = findKernelBtf(memory)[0]
  const base = kernel === undefined ? undefined : bytesAt(memory, kernel.gpa, kernel.length)
  if (base === undefined) return found
  let left = MAX_TRIED
  for (const { gpa, length } of smallBlobs(memory)) {
    const bytes = bytesAt(memory, gpa, length)
    if (bytes === undefined) continue
    for (const [i, structure] of structures.entries()) {
      if (found[i] !== undefined || bytes.indexOf(`\0${structure}\0`) < 0) continue
      if (left-- <= 0) return found
      const joined = joinBlobs(base, bytes)
      const types = joined === undefined ? undefined : parseBtf(joined, 'btf of a module')
      if (types?.sizeOf(structure) !== undefined) found[i] = types
    }
    if (found.every(types => types !== undefined)) return found
  }
  return found
}

function* smallBlobs(memory: PhysicalMemory): Generator<{ readonly gpa: number; readonly length: number }> {
  for (const run of memory.runs) {
    for (let at = 0; at < run.length; ) {
      const gpa = run.gpa + at
      const span = memory.spanAt(gpa, Math.min(WINDOW_BYTES, run.length - at))
      const bytes = span.kind === 'data' ? memory.window(gpa, span.length).bytes : undefined
      const hits = bytes === undefined ? [] : findBtf(bytes)
      for (const { offset, length } of hits) if (length <= MAX_BLOB_BYTES) yield { gpa: gpa + offset, length }
      at += Math.max(bytes?.length ?? span.length, 1)
    }
  }
}

function bytesAt(memory: PhysicalMemory, gpa: number, length: number): Buffer | undefined {
  const run = memory.runs[findRun(memory.runs, gpa)]
  if (run === undefined || gpa + length > run.gpa + run.length) return undefined
  const bytes = Buffer.alloc(length)
  return readInto(memory, gpa, bytes).length === 0 ? bytes : undefined
}
