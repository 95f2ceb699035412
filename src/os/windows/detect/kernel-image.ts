/** The kernel's own PE image, found through an address space. */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { AddressSpace } from '../../../paging/address-space.js'
import { collectExtents } from '../../../paging/collect-extents.js'
import { vaOf, vpnOf } from '../../../paging/translation.js'
import { type Exports, readExports } from '../pe/exports.js'
import { type PeImage, parsePe, presentBytes, readPe } from '../pe/image.js'

/** A kernel's image and what it exports. */
export interface KernelImage {
  readonly pe: PeImage
  readonly exports: Exports
}

const PAGE_BYTES = 4096
/** Names under which kernels export (their file may have another). */
const KERNEL_NAME = /^nt(oskrnl|krnl(mp|pa|pamp|up)?)\.exe$/i
/** A kernel's entry is no further from its headers. */
const MAX_BACK_PAGES = 16_384
/** Pages looked at in one address space, and images that are read closer. */
const MAX_PAGES = 1 << 20
const MAX_IMAGES = 4096
/** Where 64-bit kernels and drivers are loaded. */
const IMAGES_64 = [0xffff_f800_0000_0000n, 0xffff_f8a0_0000_0000n] as const

/** The kernel whose headers stand at `base`; undefined when it is none. */
export function kernelAt(memory: VirtualMemory, base: bigint): KernelImage | undefined {
  const pe = readPe(memory, base)
  if (pe === undefined || !isKernelName(memory, pe)) return undefined
  const exports = readExports(memory, pe)
  if (exports?.symbols.addressOf('PsInitialSystemProcess') === undefined) return undefined
  return { pe, exports }
}

/** The export directory's name, without reading the whole of it. */
function isKernelName(memory: VirtualMemory, pe: PeImage): boolean {
  if (pe.exports === undefined) return false
  const head = presentBytes(memory, pe.base + BigInt(pe.exports.rva), 16)
  const rva = head?.readUInt32LE(12) ?? 0
  if (rva === 0 || rva + 16 > pe.sizeBytes) return false
  const text = presentBytes(memory, pe.base + BigInt(rva), 16)?.toString('latin1') ?? ''
  return KERNEL_NAME.test(text.replace(/\0.*$/s, ''))
}

/** The kernel in whose image `inside` lies: its headers are at a page before. */
export function kernelAround(memory: VirtualMemory, inside: bigint): KernelImage | undefined {
  const page = inside - (inside % BigInt(PAGE_BYTES))
  for (let i = 0; i < MAX_BACK_PAGES; i++) {
    const base = page - BigInt(i * PAGE_BYTES)
    if (base < 0n) return undefined
    const head = presentBytes(memory, base, 2)
    if (head === undefined || head.readUInt16LE(0) !== 0x5a4d) continue
    const found = kernelAt(memory, base)
    if (found !== undefined) return inside < base + BigInt(found.pe.sizeBytes) ? found : undefined
  }
  return undefined
}

/** The kernel among all images that an address space maps. */
export function kernelIn(space: AddressSpace): KernelImage | undefined {
  const { mode } = space
  if (mode.vaBits === 32) return searchPages(space, mode.kernelStart, 1n << 32n)
  return searchPages(space, IMAGES_64[0], IMAGES_64[1]) ?? searchPages(space, mode.kernelStart, 1n << 64n)
}

/** Looks for headers at every page that is mapped. */
function searchPages(space: AddressSpace, from: bigint, to: bigint): KernelImage | undefined {
  const { mode, walker } = space
  const pageBytes = 2 ** mode.pageShift
  const { memory } = walker.tables
  const found: number[] = []
  let left = MAX_PAGES
  const first = vpnOf(mode, from)
  const last =
    mode.canonical === 'unsigned'
      ? Number(to >> BigInt(mode.pageShift))
      : to === 1n << 64n
        ? 0
        : vpnOf(mode, to)
  collectExtents(walker, first, last, {
    add(vpn, gpa, pages) {
      for (let page = 0; page < pages && left-- > 0; page++) {
        const { bytes } = memory.window(gpa + page * pageBytes, 2)
        if (bytes[0] === 0x4d && bytes[1] === 0x5a) found.push(vpn + page)
      }
      return left > 0 && found.length < MAX_IMAGES
    },
  })
  for (const vpn of found) {
    const base = vaOf(mode, vpn)
    const page = presentBytes(space, base, PAGE_BYTES)
    if (page === undefined || parsePe(page, base) === undefined) continue
    const kernel = kernelAt(space, mode.vaBits === 32 ? BigInt.asUintN(32, base) : base)
    if (kernel !== undefined) return kernel
  }
  return undefined
}
