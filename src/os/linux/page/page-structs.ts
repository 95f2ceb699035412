/** Where the `struct page` of a frame stands: the array of them, whatever the kernel keeps it in (include/asm-generic/memory_model.h). */

import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import type { LinuxKernel } from '../kernel.js'

const SECTION = structSpec('mem_section', { map: 'section_mem_map' })

/** Sections that are looked at, and those of one root. */
const MAX_ROOTS = 64
const MAX_SECTIONS = 256
/** Flags of `section_mem_map` stand in its low bits. */
const SECTION_FLAGS = 0xffn
/** SECTION_HAS_MEM_MAP of include/linux/mmzone.h. */
const HAS_MAP = 2n

/** Finds `struct page`s: one array that frame numbers index, or undefined where it isn't one or was not found. */
export interface PageStructs {
  /** Address of frame 0's, whether or not frame 0 is memory. */
  readonly base: bigint
  readonly sizeBytes: number
  /** What told: `vmemmap_base`, `mem_section` or `mem_map`. */
  readonly source: string
}

/** Finds the array. Undefined where the symbols don't name it, or where memory is in sections without one array. */
export function findPageStructs(kernel: LinuxKernel, reader: StructReader): PageStructs | undefined {
  const sizeBytes = kernel.types.sizeOf('page')
  if (sizeBytes === undefined || sizeBytes === 0) return undefined
  for (const [source, find] of [
    ['vmemmap_base', pointerAt],
    ['mem_section', fromSections],
    ['mem_map', pointerAt],
  ] as const) {
    const address = kernel.symbols.addressOf(source)
    const base = address === undefined ? undefined : find(reader, address)
    if (base !== undefined) return { base, sizeBytes, source }
  }
  return undefined
}

function pointerAt(reader: StructReader, address: bigint): bigint | undefined {
  const base = reader.pointer(address)
  return base !== undefined && reader.isKernelAddress(base) ? base : undefined
}

/**
 * Each section's word, its flags aside, is the address that frame 0 would have. With a virtual memory map they are all the same.
 * `mem_section` is an array of sections, or a pointer to an array of pointers to such.
 */
function fromSections(reader: StructReader, variable: bigint): bigint | undefined {
  const { sizeBytes } = reader.layout(SECTION)
  const first = reader.pointer(variable)
  if (first === undefined || sizeBytes === 0) return undefined
  // a section's word has flags, a pointer to pointers has none
  const roots =
    (first & SECTION_FLAGS & 7n) === 0n && reader.isKernelAddress(first)
      ? reader.pointers(first, MAX_ROOTS)
      : [variable]
  let base: bigint | undefined
  for (const root of roots) {
    if (root === undefined || root === 0n || !reader.isKernelAddress(root)) continue
    // a root fills a page
    for (let i = 0; i < Math.min(MAX_SECTIONS, Math.floor(4096 / sizeBytes)); i++) {
      const word = reader.record(SECTION, root + BigInt(i * sizeBytes))?.pointer('map') ?? 0n
      if ((word & HAS_MAP) === 0n) continue
      const found = word & ~SECTION_FLAGS
      if (base !== undefined && base !== found) return undefined
      base = found
    }
  }
  return base !== undefined && reader.isKernelAddress(base) ? base : undefined
}
