/** From a memory descriptor to the process's own page tables. */
import type { PhysicalMemory } from '../../core/memory.js'
import type { AbsentDecoderName } from '../../paging/absent.js'
import { type AddressSpace, openAddressSpace } from '../../paging/address-space.js'
import type { PagingMode } from '../../paging/mode.js'
import type { LinuxKernel } from './kernel.js'

/** Opens the memory of processes: keeps the kernel's own tables, through which it finds theirs. */
export class UserMemory {
  readonly #kernel: LinuxKernel
  readonly #memory: PhysicalMemory
  readonly #kernelSpace: AddressSpace

  constructor(kernel: LinuxKernel, memory: PhysicalMemory) {
    this.#kernel = kernel
    this.#memory = memory
    this.#kernelSpace = openAddressSpace(memory, { mode: kernel.paging, dtb: kernel.dtb })
  }

  /** The kernel's own address space. */
  get kernelSpace(): AddressSpace {
    return this.#kernelSpace
  }

  /** gpa of a page table that stands at a kernel address (`mm_struct.pgd`); undefined when that is not mapped. */
  dtbOf(pgd: bigint): number | undefined {
    const place = this.#kernelSpace.translate(pgd)
    return place.kind === 'mapped' ? place.gpa : undefined
  }

  /** The address space of a process. */
  open(dtb: number): AddressSpace {
    const { paging: mode, dtb: kernelDtb } = this.#kernel
    return openAddressSpace(this.#memory, { mode, dtb, kernelDtb, absent: absentEntries(mode) })
  }
}

/** How Linux marks pages that are not present. */
function absentEntries(mode: PagingMode): AbsentDecoderName {
  if (mode.format === 'aarch64') return 'linux-arm64'
  return mode.format === 'ia32' ? 'linux-i386' : 'linux-x86-64'
}
