/** At which address a top table maps the kernel's image, when only the gpas of both are known. */
import type { Architecture } from '../../../core/architecture.js'
import type { PhysicalMemory } from '../../../core/memory.js'
import type { PagingMode } from '../../../paging/mode.js'
import { type Candidate, gpaOf, kernelSpace } from './candidate.js'
import { modesFor, X86_64_KERNEL_MAP } from './modes.js'

/** x86: the image moves by 2 MiB (CONFIG_PHYSICAL_ALIGN), in 1 GiB. */
const X86_STEP = 0x20_0000n
const X86_STEPS = 512
/** i386: where the kernel's part starts (CONFIG_PAGE_OFFSET). */
const I386_OFFSETS = [0xc000_0000n, 0xb000_0000n, 0x8000_0000n, 0x7800_0000n, 0x4000_0000n]
/** Mappings that are looked at where the image may be anywhere. */
const MAX_EXTENTS = 1_000_000

/** The image and its table, as gpas with `base` added. */
export interface ImagePlace {
  readonly text: number
  readonly dtb: number
  readonly base: number
}

/** Tries each mode and each address at which its kernels stand; the caller proves the answer. */
export function findImageAddress(
  memory: PhysicalMemory,
  image: ImagePlace,
  pointerBytes: 4 | 8,
  told?: Architecture,
): Candidate | undefined {
  const top = pointerBytes === 8 ? 2n ** 64n - 1n : 2n ** 32n - 1n
  for (const mode of modesFor(top, pointerBytes, told)) {
    const shift = shiftIn(memory, image, mode)
    if (shift !== undefined) return { mode, dtb: image.dtb, shift, base: image.base }
  }
  return undefined
}

function shiftIn(memory: PhysicalMemory, image: ImagePlace, mode: PagingMode): bigint | undefined {
  const space = kernelSpace(memory, { mode, dtb: image.dtb, base: image.base })
  const gpa = BigInt(image.text)
  if (mode.architecture === 'aarch64') return armShift(space, image.text, mode)
  if (mode.vaBits === 32) return I386_OFFSETS.find(offset => gpaOf(space, gpa + offset) === image.text)
  const first = X86_64_KERNEL_MAP + (gpa % X86_STEP)
  for (let i = 0; i < X86_STEPS; i++) {
    const va = first + BigInt(i) * X86_STEP
    if (gpaOf(space, va) === image.text) return va - gpa
  }
  return undefined
}

/** arm64: the highest executable mapping of the text; the linear map, which is lower, is not executable. */
function armShift(space: ReturnType<typeof kernelSpace>, text: number, mode: PagingMode): bigint | undefined {
  let found: bigint | undefined
  let seen = 0
  for (const extent of space.extents(mode.kernelStart)) {
    if (seen++ >= MAX_EXTENTS) break
    if (text >= extent.gpa && text < extent.gpa + extent.length) {
      const va = extent.va + BigInt(text - extent.gpa)
      if (va % 0x1_0000n === BigInt(text % 0x1_0000)) found = va - BigInt(text)
    }
  }
  return found
}
