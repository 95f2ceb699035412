/** Where a kernel may be, before its own page tables proved it. */
import type { PhysicalMemory } from '../../../core/memory.js'
import { linuxAbsent } from '../../../paging/absent.js'
import { type AddressSpace, openAddressSpace } from '../../../paging/address-space.js'
import type { PagingMode } from '../../../paging/mode.js'
import { rebased } from '../../search/physical.js'

/** A kernel's image and tables. Plain data but for the bigint. */
export interface Candidate {
  readonly mode: PagingMode
  /** gpa of the kernel's top table. */
  readonly dtb: number
  /** gva minus gpa of the kernel's image, which is physically contiguous. */
  readonly shift: bigint
  /** gpa of the memory's first byte where the image file doesn't tell (raw files), else 0: added to every gpa of `memory`. */
  readonly base: number
}

/** The kernel's address space, as a candidate has it. `memory` is what `base` is added to. */
export function kernelSpace(
  memory: PhysicalMemory,
  candidate: Pick<Candidate, 'mode' | 'dtb' | 'base'>,
): AddressSpace {
  const { mode, dtb, base } = candidate
  return openAddressSpace(rebased(memory, base), { mode, dtb, absent: linuxAbsent(mode.format) })
}

/** gpa of a virtual address, undefined where nothing is mapped. */
export function gpaOf(space: AddressSpace, va: bigint): number | undefined {
  const translation = space.translate(va)
  return translation.kind === 'mapped' ? translation.gpa : undefined
}

/** Whether the candidate's tables map each address of the image where its shift says. */
export function holds(memory: PhysicalMemory, candidate: Candidate, addresses: readonly bigint[]): boolean {
  const space = kernelSpace(memory, candidate)
  return addresses.every(va => {
    const gpa = gpaOf(space, va)
    return gpa !== undefined && BigInt(gpa) === va - candidate.shift
  })
}
