/** A guest whose memory is an overlay: the kernel and every address space read what was written. */
import { type FoundLinux, type FoundWindows, openWindowsSpace } from '../coordinator/guest.js'
import { OverlayMemory } from '../drivers/overlay-memory.js'
import { linuxAbsent } from '../paging/absent.js'
import { openAddressSpace } from '../paging/address-space.js'

/** The guest over a copy-on-write overlay of its memory. Disposing it drops the changes and leaves `guest` open. */
export function overlaid(guest: FoundLinux): FoundLinux {
  const memory = new OverlayMemory(guest.memory)
  const { paging: mode, dtb: kernelDtb } = guest.kernel
  const openSpace = (dtb: number) =>
    openAddressSpace(memory, { mode, dtb, kernelDtb, absent: linuxAbsent(mode.format) })
  return {
    family: guest.family,
    base: guest.base,
    cached: guest.cached,
    kernel: { ...guest.kernel, memory: openSpace(guest.kernel.dtb) },
    memory,
    openSpace,
    save() {},
    [Symbol.dispose]() {
      memory[Symbol.dispose]()
    },
  }
}

/** As `overlaid`, of a Windows guest. */
export function overlaidWindows(guest: FoundWindows): FoundWindows {
  const memory = new OverlayMemory(guest.memory)
  const openSpace = (dtb: number) => openWindowsSpace(memory, guest.kernel, dtb)
  return {
    family: guest.family,
    base: guest.base,
    cached: guest.cached,
    kernel: { ...guest.kernel, memory: openSpace(guest.kernel.dtb) },
    memory,
    openSpace,
    save() {},
    [Symbol.dispose]() {
      memory[Symbol.dispose]()
    },
  }
}
