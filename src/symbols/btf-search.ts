/** Finding BTF blobs in physical memory. The kernel's own lies in .rodata, physically contiguous; modules have smaller ones. */
import type { PhysicalMemory } from '../core/memory.js'
import { btfSections } from './btf-blob.js'
import { type BtfTypes, parseBtf } from './btf-types.js'
import type { ReadAt } from './byte-reader.js'
import { physicalReader } from './kallsyms-search.js'

/** A place that starts like a blob. */
export interface BtfHit {
  readonly offset: number
  /** Bytes of the whole blob, as its header tells. */
  readonly length: number
}

/** The kernel's blob, found. */
export interface FoundBtf {
  readonly gpa: number
  readonly length: number
  readonly types: BtfTypes
}

/** magic 0xeb9f, version 1, no flags */
const NEEDLE = Buffer.from([0x9f, 0xeb, 0x01, 0x00])
/** The kernel's own types take megabytes; the smallest configurations about one. */
const LEAST_KERNEL_BYTES = 128 << 10
const WINDOW_BYTES = 64 << 20
const HEADER_BYTES = 32
const MAX_HITS = 65_536
/** Blobs that are parsed to look for the kernel's; an attacker may plant more. */
const MAX_PARSED = 64

/** Places in `bytes` where a BTF header stands, ascending; the blob itself may pass the end. */
export function findBtf(bytes: Uint8Array): BtfHit[] {
  const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const hits: BtfHit[] = []
  for (
    let at = haystack.indexOf(NEEDLE);
    at >= 0 && hits.length < MAX_HITS;
    at = haystack.indexOf(NEEDLE, at + 1)
  ) {
    const sections = btfSections(bytes, at)
    if (sections !== undefined) hits.push({ offset: at, length: sections.length })
  }
  return hits
}

/** The kernel's types from the blob at `gpa`, copied out of the guest; undefined when it isn't the kernel's. */
export function kernelBtfAt(read: ReadAt<number>, gpa: number, length: number): BtfTypes | undefined {
  if (length < LEAST_KERNEL_BYTES) return undefined
  const types = blobOf(read(gpa, length))
  return types?.sizeOf('task_struct') === undefined ? undefined : types
}

/** The kernels' own blobs in physical memory, ascending by gpa: copies of the image have one too. */
export function findKernelBtf(memory: PhysicalMemory): FoundBtf[] {
  const read = physicalReader(memory)
  const found: FoundBtf[] = []
  let parsed = 0
  for (const { gpa, length } of scanForHeaders(memory)) {
    if (length < LEAST_KERNEL_BYTES) continue
    if (parsed++ >= MAX_PARSED) break
    const types = kernelBtfAt(read, gpa, length)
    if (types !== undefined) found.push({ gpa, length, types })
  }
  return found
}

function blobOf(bytes: Uint8Array | undefined): BtfTypes | undefined {
  return bytes === undefined ? undefined : parseBtf(bytes.slice())
}

function* scanForHeaders(memory: PhysicalMemory): Iterable<{ gpa: number; length: number }> {
  for (const run of memory.runs) {
    const end = run.gpa + run.length
    for (let gpa = run.gpa; gpa < end; ) {
      const { bytes, stop } = memory.window(gpa, Math.min(WINDOW_BYTES, end - gpa))
      for (const hit of findBtf(bytes)) yield { gpa: gpa + hit.offset, length: hit.length }
      const next = gpa + bytes.length + (stop?.length ?? 0)
      const joint = HEADER_BYTES - 1
      gpa = stop === undefined && next < end && bytes.length > joint ? next - joint : Math.max(next, gpa + 1)
    }
  }
}
